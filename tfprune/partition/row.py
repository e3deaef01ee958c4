"""A row of processes, each with the stage of one device, connected as in a pipeline of a shell."""

from __future__ import annotations

import contextlib
import fcntl
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import IO, Any, cast

from numpy.typing import NDArray

from tfprune.errors import BenchmarkError, one_line
from tfprune.partition.messages import read_message, write_message

__all__ = ["Row"]

PROGRAM = (
    "import sys; settings = sys.argv.pop(); sys.path[:] = sys.argv[1:]; sys.argv.append(settings); "
    "from tfprune.partition.stage_worker import failing; failing()"
)
START_SECONDS = 120.0
"""Python, NumPy and the interpreter, from a slow disk."""

PIPE_BYTES = 1 << 20
"""The most that Linux gives everybody."""


class Row:
    """The processes; use it in a `with` block, which ends all of them whatever happens.

    Each is a fresh Python that imports NumPy and the interpreter. Its standard input is the standard output of the one
    before it, so that all end if this program does.

    Args:
        settings: What each is told: `place`, `what` (a name for messages), `path`, `threads`, `speed`, `link`, `keep`
            and `charged`; `exit` if samples may leave there.
        timeout: Seconds to wait for a sample; of the first, reading the files is part.
    """

    def __init__(self, settings: Sequence[Mapping[str, Any]], timeout: float) -> None:
        self._settings, self._timeout = settings, timeout
        self._processes: list[subprocess.Popen[bytes]] = []
        self._said: list[IO[bytes]] = []
        self._coming: queue.Queue[tuple[dict[str, Any], dict[str, NDArray[Any]]] | None] = queue.Queue()
        self._started = False

    def __enter__(self) -> Row:
        try:
            source: Any = subprocess.PIPE
            for one in self._settings:
                said = tempfile.TemporaryFile()
                self._said.append(said)
                command = [sys.executable, "-c", PROGRAM, *map(str, sys.path), json.dumps(dict(one))]
                # In a session of its own: Ctrl-C reaches us alone, and we end it.
                process = subprocess.Popen(
                    command, stdin=source, stdout=subprocess.PIPE, stderr=said, start_new_session=True
                )
                if self._processes:
                    source.close()  # the new process holds it
                self._processes.append(process)
                widen(process.stdin)
                widen(process.stdout)
                source = process.stdout
            threading.Thread(target=self._listen, daemon=True).start()
            self.send({}, {})  # handed on by each as soon as it has started
        except OSError as error:
            self._end()
            raise BenchmarkError(
                f"No process could be started for a stage ({error}); check memory and limits."
            ) from error
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pids(self) -> list[int]:
        """The process ids, in order."""
        return [process.pid for process in self._processes]

    def send(self, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Give the first process a sample."""
        with contextlib.suppress(BrokenPipeError, ValueError):  # it is dead; receiving finds out how it died
            write_message(cast(Any, self._processes[0].stdin), header, arrays)

    def send_all(self, samples: Iterable[tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]]]) -> None:
        """Give the first process samples as fast as it takes them, without waiting for that."""

        def feed() -> None:
            with contextlib.suppress(OSError, ValueError):
                for header, arrays in samples:
                    write_message(cast(Any, self._processes[0].stdin), header, arrays)

        threading.Thread(target=feed, daemon=True).start()

    def receive(self, extra: float = 0.0) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the next sample from the last process.

        Args:
            extra: Seconds that it may take beyond the time limit.

        Raises:
            BenchmarkError: If a process has ended, or it takes too long.
        """
        if not self._started:
            limit = max(self._timeout, START_SECONDS)
            self._next(limit, f"The processes of the stages have not started within {limit:g} s; is this machine busy?")
            self._started = True
        limit = self._timeout + extra
        return self._next(
            limit,
            f"The stages gave no result within {limit:g} s; if they are just slow, give a longer time (timeout=).",
        )

    def _next(self, limit: float, otherwise: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        try:
            sample = self._coming.get(timeout=limit)
        except queue.Empty:
            raise BenchmarkError(otherwise) from None
        if sample is None:
            raise self._died()
        return sample

    def _listen(self) -> None:
        stream = cast(Any, self._processes[-1].stdout)
        with contextlib.suppress(OSError, ValueError):
            while (sample := read_message(stream)) is not None:
                sample[0]["arrived"] = time.perf_counter_ns()
                self._coming.put(sample)
        self._coming.put(None)

    def _died(self) -> BenchmarkError:
        end = time.monotonic() + 5
        failed = None
        while failed is None and time.monotonic() < end:
            codes = [process.poll() for process in self._processes]
            failed = next((n for n, code in enumerate(codes) if code), None)
            if failed is None and all(code == 0 for code in codes):
                break
            time.sleep(0.02)
        if failed is None:
            return BenchmarkError("The processes of the stages ended without a result; run them again.")
        code = self._processes[failed].returncode
        self._said[failed].seek(0)
        lines = self._said[failed].read().decode("utf-8", "replace").splitlines()
        told = [line.strip() for line in lines if line.strip() and not line.startswith(("INFO:", "WARNING:"))]
        words = one_line(told[-1]) if told else ""
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = signal.Signals(-code).name + (", often because memory ran out" if code == -9 else "")
        what = self._settings[failed]["what"]
        return BenchmarkError(f"{what} can't be run: its process ended with {how}{f' ({words})' if words else ''}.")

    def _end(self) -> None:
        """Kill what lives and collect it, so that it leaves no zombie."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError, ValueError):
                        pipe.close()
        for said in self._said:
            said.close()


def widen(pipe: Any) -> None:
    """Let a pipe hold a whole tensor where the system allows that; else it is handed on in pieces of 64 kB."""
    if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
