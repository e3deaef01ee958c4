"""The beginnings of a model, of growing length, timed in turn; lives in the worker process only."""

from __future__ import annotations

import gc
import time
from typing import Any

from tfprune.benchmark.cutting import CutModel
from tfprune.benchmark.loaded_model import LoadedModel, shape_for
from tfprune.benchmark.runtime import Runtime

__all__ = ["Prefixes"]


class Prefixes:
    """The first operations of a model, more and more of them, each in an interpreter of its own.

    Args:
        runtime: The interpreter's class.
        path: The .tflite file.
    """

    def __init__(self, runtime: Runtime, path: str) -> None:
        self._runtime = runtime
        self._cut: CutModel | None = CutModel(path)
        self._loaded: list[LoadedModel] = []

    def describe(self) -> list[dict[str, Any]]:
        """Return the operations."""
        assert self._cut is not None
        return [vars(operation) for operation in self._cut.operations]

    def add(self, count: int, threads: int, delegate: bool, seed: int) -> dict[str, Any]:
        """Load the first operations with made-up inputs and run them once; return how long that took."""
        assert self._cut is not None
        model = LoadedModel(self._runtime, self._cut.prefix(count), threads, delegate)
        shapes = {tensor.index: shape_for(tensor, None, 1) for tensor in model.inputs}
        model.allocate(shapes)
        model.fill(shapes, seed)
        start = time.perf_counter_ns()
        model.invoke()
        self._loaded.append(model)
        return {"ns": time.perf_counter_ns() - start}

    def round(self, seconds: float, clock: str) -> list[int]:
        """Run each for a share of that time, twice at least; return the fastest time of each in nanoseconds.

        The first invocation is not counted: the one before has left its own data in the caches.

        Args:
            seconds: For all together.
            clock: "cpu" for the CPU time of this thread, or "wall".
        """
        self._cut = None  # what is loaded has what it needs
        now = time.perf_counter_ns
        read = time.thread_time_ns if clock == "cpu" else now
        share = int(seconds * 1e9 / len(self._loaded))
        times = []
        gc.disable()
        try:
            for model in self._loaded:
                model.invoke()
                end, fastest = now() + share, None
                while fastest is None or now() < end:
                    start = read()
                    model.invoke()
                    took = read() - start
                    fastest = took if fastest is None else min(fastest, took)
                times.append(fastest)
        finally:
            gc.enable()
        return times
