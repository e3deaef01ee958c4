"""A step of work on a .tflite file in a process of its own: a damaged file can crash what reads it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfprune.child_environment import child_environment
from tfprune.errors import BenchmarkError, InputError, one_line

__all__ = ["answer_in", "run_module"]


def run_module(module: str, folder: Path, timeout: float, what: str, **settings: str) -> dict[str, Any]:
    """Run a module of tfprune as a program on a folder, and return what it has answered there.

    Args:
        module: The module; its `main` hands its work to `answer_in`.
        folder: The folder with what it needs.
        timeout: Seconds that it may take.
        what: What is done to what, for messages: "m.tflite can't be read".
        **settings: Environment variables of its own.

    Raises:
        InputError: If the program says that what it was given can't be used.
        BenchmarkError: If it fails, crashes, or takes longer.
    """
    command = [sys.executable, "-m", module, str(folder)]
    environment = child_environment(TF_CPP_MIN_LOG_LEVEL="3", **settings)
    pipe = subprocess.PIPE
    try:
        # In a session of its own, so that it can be ended with all processes that it has started.
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        raise BenchmarkError(f"{what}: no process could be started ({error}).") from error
    try:
        _, log = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(
            f"{what}: it was stopped after {timeout:g} s, the time limit. Give a longer one (timeout=) if the model is "
            "just slow; else convert it again."
        ) from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    try:
        answer: dict[str, Any] = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{what}: {_ending(process.returncode)}. {_last_words(log)}") from error
    if "ok" in answer:
        return dict(answer["ok"])
    kind = InputError if answer.get("kind") == "input" else BenchmarkError
    raise kind(f"{what}: {answer.get('error')}")


def answer_in(folder: Path, work: Callable[[], dict[str, Any]]) -> None:
    """Do work in the process that `run_module` started, and leave its answer or its error.

    Args:
        folder: The folder.
        work: Returns what JSON can hold.
    """
    from tfprune.benchmark.limits import restrain

    restrain()
    try:
        answer: dict[str, Any] = {"ok": work()}
    except InputError as error:
        answer = {"kind": "input", "error": str(error)}
    except Exception as error:  # whatever a damaged file makes the classes that read it raise
        answer = {"kind": "failed", "error": f"{type(error).__name__}: {one_line(str(error))}"}
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
        json.dump(answer, file)
    os.replace(file.name, folder / "answer.json")


def _ending(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        return f"its process was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"its process was killed by signal {-code}"


def _last_words(log: bytes) -> str:
    lines = [line.strip() for line in log.decode("utf-8", "replace").splitlines() if line.strip()]
    return f"Its last words: {one_line(lines[-1])}" if lines else "It said nothing."
