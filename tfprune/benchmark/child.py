"""The parent's end of a worker process: asks, waits, and turns every kind of death into one sentence."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tfprune.errors import BenchmarkError, InputError, one_line

__all__ = ["STEP_SECONDS", "Child"]

STEP_SECONDS = 60.0  # the time limit of one step where the user gives none
_START_SECONDS = 120.0  # Python and NumPy from a slow SD card; no fault of the model
_LONGEST_ANSWER = 4 << 20
_KEPT_MESSAGES = 16 << 10
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from tfprune.benchmark.worker import main; main()"


class Child:
    """A worker process that runs one model; use it in a `with` block, which ends it whatever happens.

    Args:
        path: The model, for error messages and for the worker.
        timeout: Seconds that one step may take beyond what was asked for, or None for 60.
    """

    def __init__(self, path: Path, timeout: float | None = None) -> None:
        self.path = path
        self._timeout = STEP_SECONDS if timeout is None else timeout
        self._answers, self._messages = bytearray(), bytearray()
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", _PROGRAM, *map(str, sys.path)]  # the worker finds the packages that we find
        try:
            # In a session of its own: Ctrl-C reaches us alone, and we end the worker.
            self._process = subprocess.Popen(
                command, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise BenchmarkError(f"No worker process could be started ({error}); check memory and limits.") from error
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ, self._answers)
        self._selector.register(self._process.stderr, selectors.EVENT_READ, self._messages)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        return self._process.pid

    def hello(self, interpreter: str | None = None) -> dict[str, Any]:
        """Wait until the worker has imported its interpreter; return which one it is and the versions.

        Args:
            interpreter: The package to take it from, or None for the first that is installed.
        """
        limit = max(_START_SECONDS, self._timeout)
        return self._ask("hello", "starting the interpreter", limit, {"interpreter": interpreter})

    def ask(self, command: str, doing: str, *, extra_seconds: float = 0.0, **arguments: Any) -> dict[str, Any]:
        """Let the worker do one step.

        Args:
            command: The name of a method of the worker.
            doing: The step in words, for error messages: "loading it".
            extra_seconds: How long the step takes by intention; added to the time limit.
            **arguments: For the command.

        Returns:
            The worker's answer.

        Raises:
            InputError: If the worker says that the arguments don't fit the model.
            BenchmarkError: If the step fails, takes too long, or ends the worker.
        """
        return self._ask(command, doing, self._timeout + extra_seconds, arguments)

    def _ask(self, command: str, doing: str, limit: float, arguments: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is dead; reading finds out how it died
            request = json.dumps({"do": command, "limit": limit, **arguments}) + "\n"
            self._process.stdin.write(request.encode("ascii"))
        line = self._line(doing, limit)
        try:
            answer = json.loads(line)
            if "ok" in answer:
                return dict(answer["ok"])
            kind, message = str(answer["error"]), one_line(str(answer["message"])).rstrip(".")
        except (ValueError, TypeError, KeyError) as error:
            raise self._failed(doing, "its worker gave an answer that makes no sense") from error
        if kind == "input":
            raise InputError(f"{self.path.name}: {message}")
        if kind == "runtime":
            raise BenchmarkError(message)
        raise self._failed(doing, "the interpreter refused it", message)

    def _line(self, doing: str, limit: float) -> bytes:
        end = time.monotonic() + limit
        while b"\n" not in self._answers:
            if len(self._answers) > _LONGEST_ANSWER:
                raise self._failed(doing, "its worker never stopped talking")
            left = end - time.monotonic()
            if left <= 0:  # whatever it prints meanwhile
                self._end()
                raise BenchmarkError(
                    f"{self.path} was stopped after {limit:g} s while {doing}: the time limit. If the model is just "
                    "slow here, give a longer one (timeout=, --timeout); else it never ends: convert it again."
                )
            for key, _ in self._selector.select(left):
                if not self._read(key) and key.data is self._answers:
                    raise self._died(doing)
        line, _, rest = bytes(self._answers).partition(b"\n")
        self._answers[:] = rest
        return line

    def _read(self, key: selectors.SelectorKey) -> bool:
        """Take what is in a pipe; return False if it has been closed."""
        data = os.read(key.fd, 1 << 16)
        key.data.extend(data)
        del self._messages[:-_KEPT_MESSAGES]
        if not data:
            self._selector.unregister(key.fileobj)
        return bool(data)

    def _died(self, doing: str) -> BenchmarkError:
        self._drain()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        code = self._process.poll()
        self._end()
        if code is None:
            return self._failed(doing, "its worker stopped answering")
        if code >= 0:
            return self._failed(doing, f"its worker ended with exit code {code}")
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ", often because memory ran out" if name == "SIGKILL" else ""
        return self._failed(doing, f"the interpreter was killed by {name}{hint}")

    def _drain(self) -> None:
        """Read the last words of a worker that has died."""
        while ready := self._selector.select(0.2):
            if not any([self._read(key) for key, _ in ready]):  # noqa: C419 - both are to be read
                return

    def _failed(self, doing: str, what: str, message: str = "") -> BenchmarkError:
        said = message or _last_words(bytes(self._messages))
        return BenchmarkError(
            f"{self.path} can't be run: {what} while {doing}{f' ({said})' if said else ''}. The file is damaged, its "
            "inputs don't suit it, or this runtime lacks an operation: convert it again, or give real inputs."
        )

    def _end(self) -> None:
        """Kill the worker if it lives and collect it, so that it leaves no zombie."""
        if self._process.poll() is None:
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)


def _last_words(messages: bytes) -> str:
    lines = [line.strip() for line in messages.decode("utf-8", "replace").splitlines()]
    told = [line for line in lines if line and not line.startswith(("INFO:", "WARNING:"))]
    return one_line(told[-1]).rstrip(".") if told else ""
