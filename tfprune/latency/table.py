"""How long operations take on this machine: measured once by the interpreter, then kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.benchmark import host
from tfprune.benchmark.child import Child
from tfprune.console import track
from tfprune.cost.budget import STORED
from tfprune.cost.operation import Operation
from tfprune.errors import BenchmarkError, InputError
from tfprune.files import atomic_path
from tfprune.latency.one_operation import COPIES, one_operation
from tfprune.numbers import is_integer

__all__ = ["LatencyTable"]

BURST = 0.02
"""Seconds that an operation is run at a time."""

ROUNDS = 3
"""So often, with all others in between: noise that comes and goes does not hit all of them."""

STEADY = 5
"""The percentile that is taken: on a busy machine the shortest readings of the clock are too short."""

VERSION = 2
"""Of how times are taken; those of others are not compared."""

FAILURES = 2
"""An operation that has failed so often is taken for one that this runtime can't run."""


class LatencyTable:
    """Latencies of single operations, one sample, on this machine.

    Each operation is a .tflite file of its own with a few copies of it, run in a worker process: the 5th percentile
    of each of some bursts, the least of them; with one thread of its CPU time, which others on the machine hardly
    disturb. The table is kept in a file for each CPU, interpreter version, number of threads and way to store, and only
    what it lacks is measured.

    Args:
        threads: Threads of the interpreter.
        folder: Where the file is; by default `$TFPRUNE_CACHE`, else `tfprune` in the user's cache folder.
        quantize: None for float32 operations, or `"int8"`.

    Raises:
        InputError: If the number of threads is none, or `quantize` is another way to store.

    Example:
        >>> from tfprune.cost.operation import Operation
        >>> table = LatencyTable(folder=".")
        >>> conv = Operation("convolution", (8, 8), 16, 16, (3, 3), (1, 1), (1, 1), "same")
        >>> table.measure([conv])
        >>> table[conv] > 0
        True
    """

    def __init__(
        self, threads: int = 1, folder: str | os.PathLike[str] | None = None, *, quantize: str | None = None
    ) -> None:
        if not is_integer(threads) or threads < 1:
            raise InputError(f"threads is {threads!r}; give an int from 1.")
        if quantize not in STORED:
            raise InputError(f"quantize is {quantize!r}; give None (float32) or 'int8'.")
        self.threads, self.quantize = threads, quantize
        self.folder = Path(folder) if folder is not None else cache_folder()
        self._times: dict[str, float] | None = None
        self._runtime: dict[str, Any] | None = None

    @property
    def path(self) -> Path:
        """The file."""
        runtime = self._find_runtime()
        version = runtime["versions"][runtime["interpreter"]]
        cpu = f"{host.cpu_model()} {' '.join(host.cpu_flags())}"
        digest = hashlib.sha256(cpu.encode()).hexdigest()[:8]
        name = f"latency-{VERSION}-{digest}-{runtime['interpreter']}-{version}-{self.threads}"
        return self.folder / f"{name}{'' if self.quantize is None else f'-{self.quantize}'}.json"

    def __getitem__(self, operation: Operation) -> float:
        """Return the latency of an operation in milliseconds; 0 of one that looks up, and so takes next to none.

        Raises:
            KeyError: If it has not been measured, or can't be.
        """
        if operation.kind == "embedding":
            return 0.0
        if operation.kind == "dense" and operation.groups > 1:
            single = Operation(
                "dense", operation.positions, operation.inputs // operation.groups,
                operation.outputs // operation.groups,
            )  # fmt: skip
            return operation.groups * self[single]
        return self._load()[key_of(operation)] / COPIES

    def __contains__(self, operation: Operation) -> bool:
        """Whether the latency of an operation is known."""
        return self.get(operation, -1.0) >= 0.0

    def get(self, operation: Operation, default: float) -> float:
        """Return the latency of an operation in milliseconds, or something else if it is not known."""
        try:
            return self[operation]
        except KeyError:
            return default

    def measure(self, operations: Iterable[Operation], *, progress: bool = False) -> None:
        """Measure what is not known yet, and write it to the file.

        What can't be run, such as convolutions along three axes, stays unknown.

        Args:
            operations: The operations.
            progress: Whether to show a progress bar on a terminal.

        Raises:
            BenchmarkError: If there is no interpreter.
        """
        known = self._load()
        missing = {key_of(one): one for operation in operations for one in singles(operation)}
        missing = {key: one for key, one in missing.items() if key not in known}
        if not missing:
            return
        with tempfile.TemporaryDirectory() as name:
            files = {}
            for number, (key, operation) in enumerate(missing.items()):
                content = one_operation(operation, self.quantize)
                if content is not None:
                    files[key] = Path(name) / f"{number}.tflite"
                    files[key].write_bytes(content)
            total = ROUNDS * len(files)
            for key, value in track(self._run(files), total, "measure latencies", progress):
                known[key] = min(value, known.get(key, np.inf))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(self.path) as temporary:
                temporary.write_text(json.dumps(known, indent=0) + "\n", encoding="utf-8")
        except OSError as error:  # a home that is read-only, a full disk: what was measured is known all the same
            warnings.warn(
                f"Latencies can't be kept in {self.folder} ({error.strerror or error}), so they are measured again "
                "next time; set TFPRUNE_CACHE to a folder that can be written.",
                stacklevel=2,
            )

    def _run(self, files: dict[str, Path]) -> Iterator[tuple[str, float]]:
        with contextlib.ExitStack() as stack:
            child: Child | None = None
            failed: dict[str, int] = {}
            for _ in range(ROUNDS):
                for key, path in list(files.items()):
                    if child is None:
                        child = stack.enter_context(Child(path))
                        self._runtime = child.hello()
                    child.path = path
                    try:
                        child.ask("load", "loading it", path=str(path), threads=self.threads, seed=0, data=None)
                        child.ask("burst", "running it", seconds=0.0)
                        times = child.ask("burst", "running it", extra_seconds=BURST, seconds=BURST)
                    except BenchmarkError:  # this runtime does not run it, or the machine is too busy just now
                        failed[key] = failed.get(key, 0) + 1
                        if failed[key] == FAILURES:
                            del files[key]
                        child = None
                        continue
                    yield key, float(np.percentile(times["cpu_ns" if self.threads == 1 else "wall_ns"], STEADY)) / 1e6

    def _find_runtime(self) -> dict[str, Any]:
        if self._runtime is None:
            with Child(Path("latency")) as child:
                self._runtime = child.hello()
        return self._runtime

    def _load(self) -> dict[str, float]:
        if self._times is None:
            try:
                stored = json.loads(self.path.read_text(encoding="utf-8"))
                self._times = {str(key): float(value) for key, value in stored.items()}
            except (OSError, ValueError, AttributeError, TypeError):
                self._times = {}  # there is none, or it is damaged: it is measured anew
        return self._times


def singles(operation: Operation) -> list[Operation]:
    """Return what is measured for an operation."""
    if operation.kind == "embedding":
        return []
    if operation.kind == "dense":
        groups = operation.groups
        return [Operation("dense", operation.positions, operation.inputs // groups, operation.outputs // groups)]
    return [operation]


def key_of(operation: Operation) -> str:
    """Return the name of an operation in the file."""
    return json.dumps(astuple(operation)[:-1])


def cache_folder() -> Path:
    """Return where the tables of this user are."""
    if os.environ.get("TFPRUNE_CACHE"):
        return Path(os.environ["TFPRUNE_CACHE"])
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "tfprune"
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home
        home = Path(tempfile.gettempdir())
    return home / ".cache" / "tfprune"
