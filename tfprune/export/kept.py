"""A process with TensorFlow loaded that forks for each conversion: the second one need not wait for the import.

It ends when nothing has been asked of it for a minute, or when the process that has started it does. Where processes
can't be forked safely (anything but Linux), each conversion starts Python anew.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tfprune.child_environment import child_environment
from tfprune.errors import ExportError

__all__ = ["run_converter", "serve"]

MODULE = "tfprune.export.child"
IDLE = 60.0
"""Seconds without work after which the process ends."""

TIME_LIMIT = 3600.0
"""Seconds after which a conversion is stopped; one of a network with 300 million parameters takes some minutes."""

LOG = "said.txt"
ALONE = {"CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
"""What the process has of its own: no GPU, and no other backend; PyTorch beside TensorFlow's converter crashes it."""

TOO_LONG = (
    "TensorFlow's converter was stopped after {:g} s, the time limit. Give fewer samples to calibrate with, or a "
    "smaller model; if it converts elsewhere, the model may be one that the interpreter never finishes."
)

TELLS = ("PYTHON", "TF_", "XLA_", "KERAS", "OMP_", "LD_", "HOME", "TMPDIR")
"""What the names of variables begin with on which a conversion may depend."""


def run_converter(folder: Path) -> tuple[int, str]:
    """Convert what is in a folder in a process of its own; return its exit code and what it said on standard error.

    Raises:
        ExportError: If it has not ended within the time limit; it is stopped then.
    """
    if sys.platform == "linux":
        with _KEPT.lock:
            code = _KEPT.ask(folder)
        if code is not None:
            said = folder / LOG
            return code, said.read_text(encoding="utf-8", errors="replace") if said.exists() else ""
    try:
        done = subprocess.run(
            _command(str(folder)), env=child_environment(**ALONE), capture_output=True, stdin=subprocess.DEVNULL,
            check=False, timeout=TIME_LIMIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ExportError(TOO_LONG.format(TIME_LIMIT)) from None
    return done.returncode, done.stderr.decode("utf-8", "replace")


def serve(work: Callable[[Path], None]) -> None:
    """Fork for each folder that is named on standard input, and say with which code that process has ended.

    Args:
        work: What is done with a folder, in the forked process.
    """
    while select.select([0], [], [], IDLE)[0]:
        name = _read_name()
        if not name:
            return
        folder = Path(os.fsdecode(name))
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(os.open(folder / LOG, os.O_WRONLY | os.O_CREAT), 2)
            os.dup2(2, 1)
            work(folder)
            return
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(1, f"{code}\n".encode())


class _Kept:
    """The process, as seen from here; started when it is needed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.owner = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}

    def ask(self, folder: Path) -> int | None:
        """Return the exit code of a conversion; None if the process has not answered."""
        for _ in range(2):  # it may just have ended, because it had nothing to do
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(os.fsencode(folder) + b"\0")
                process.stdin.flush()
                if not select.select([process.stdout], [], [], TIME_LIMIT)[0]:
                    raise ExportError(TOO_LONG.format(TIME_LIMIT))
                answer = process.stdout.readline()
            except OSError:
                answer = b""
            except BaseException:  # Ctrl-C, or too long: its answer would be taken for that of the next one
                self.close()
                raise
            if answer.strip().removeprefix(b"-").isdigit():
                return int(answer)
            self.close()
        return None

    def close(self) -> None:
        """End the process, and the conversion that it may be at."""
        process, self.process = self.process, None
        if process is None or self.owner != os.getpid():
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            process.kill()
        process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        environment = child_environment(**ALONE)
        alive = self.process is not None and self.process.poll() is None and self.owner == os.getpid()
        if not alive or _telling(environment) != self.environment:
            self.close()
            self.process = subprocess.Popen(
                _command("--serve"), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            self.owner, self.environment = os.getpid(), _telling(environment)
        assert self.process is not None
        return self.process


_KEPT = _Kept()
atexit.register(_KEPT.close)


def _command(argument: str) -> list[str]:
    return [sys.executable, "-m", MODULE, argument]


def _telling(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(TELLS)}


def _read_name() -> bytes:
    """Return what standard input has up to the next zero byte; nothing that follows it is read."""
    name = b""
    while (byte := os.read(0, 1)) not in (b"", b"\0"):
        name += byte
    return name
