"""The worker process: loads one model and does what the parent asks, one line of JSON at a time.

The parent writes ``{"do": "burst", "limit": 60, ...}`` to standard input and reads ``{"ok": {...}}`` or
``{"error": "model", "message": "..."}``. Whatever else the runtime prints goes to standard error. The worker ends
when its input ends, so it never outlives the parent.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tfprune.benchmark.binding import bind, load_arrays
from tfprune.benchmark.limits import clock_off, clock_on, restrain
from tfprune.benchmark.loaded_model import LoadedModel, shape_for
from tfprune.benchmark.memory import forget_peak, peak_bytes
from tfprune.benchmark.predictor import Predictor
from tfprune.benchmark.prefixes import Prefixes
from tfprune.benchmark.runtime import Runtime, find_runtime
from tfprune.benchmark.tensors import Array, encode, random_values
from tfprune.errors import BenchmarkError, InputError

__all__ = ["main"]

_MOST_RUNS = 2_000  # in one burst, so that an answer stays short
_SETTLING = 5  # a burst of at least so many invocations begins with one that is not counted: caches are cold


class Worker:
    """The commands, each a method that takes and returns what JSON can hold."""

    def __init__(self) -> None:
        self._runtime: Runtime
        self._model: LoadedModel
        self._predictor: Predictor
        self._prefixes: Prefixes
        self._memory_before: int | None = None
        self._usual_seconds = 0.0

    def hello(self, interpreter: str | None = None) -> dict[str, Any]:
        """Import the interpreter: the one of that name, or the first there is."""
        self._runtime = find_runtime(interpreter)
        versions = {self._runtime.name: self._runtime.version, "numpy": np.__version__}
        return {"interpreter": self._runtime.name, "versions": {**versions, "python": platform.python_version()}}

    def describe(self, path: str) -> dict[str, Any]:
        """Open a model without allocating its tensors."""
        model = LoadedModel(self._runtime, path, 1)
        model.use_signature()
        tensors = {"inputs": model.inputs, "outputs": model.outputs}
        return {**{k: [vars(t) for t in v] for k, v in tensors.items()}, "operations": model.operations}

    def load(
        self, path: str, threads: int, seed: int, data: dict[str, Any] | None, delegate: bool = True
    ) -> dict[str, Any]:
        """Open a model, allocate its tensors and fill its inputs."""
        forget_peak()
        self._memory_before = peak_bytes()
        model = self._model = LoadedModel(self._runtime, path, threads, delegate)
        if data is not None:
            model.use_signature()
        given = None if data is None else bind(load_arrays(data["folder"], data["count"]), data["names"], model.inputs)
        samples = [None] * len(model.inputs) if given is None else [values.shape[1:] for values in given]
        shapes = {t.index: shape_for(t, sample, 1) for t, sample in zip(model.inputs, samples, strict=True)}
        model.allocate(shapes)
        generator = np.random.default_rng(seed)
        for i, tensor in enumerate(model.inputs):
            shape = shapes[tensor.index]
            values = random_values(shape, tensor, generator) if given is None else _first(given[i], shape[0])
            model.set(tensor, np.ascontiguousarray(encode(values, tensor)))
        found = {"sparse": "DENSIFY" in model.operations, "int8": model.has_int8()}
        return {"init_ns": model.init_ns, **found, "delegation": model.delegation()}

    def burst(self, seconds: float) -> dict[str, Any]:
        """Invoke the model until that time is over, once at least; return each time in nanoseconds."""
        invoke = self._model.invoke
        if 0 < self._usual_seconds * _SETTLING < seconds:
            invoke()
        wall, cpu = _invocations(invoke, seconds)
        self._usual_seconds = float(np.median(wall)) / 1e9
        return {"wall_ns": wall, "cpu_ns": cpu}

    def memory(self) -> dict[str, Any]:
        """Return the most memory this process has held: at all, and since before the model was loaded."""
        peak, before = peak_bytes(), self._memory_before
        return {"peak_bytes": peak, "model_bytes": None if peak is None or before is None else peak - before}

    def cut(self, path: str) -> dict[str, Any]:
        """Open a model to time its first operations, more and more of them; return all its operations."""
        self._prefixes = Prefixes(self._runtime, path)
        return {"operations": self._prefixes.describe()}

    def add_prefix(self, count: int, threads: int, delegate: bool, seed: int) -> dict[str, Any]:
        """Load the first operations and run them once."""
        return self._prefixes.add(count, threads, delegate, seed)

    def round(self, seconds: float, clock: str) -> dict[str, Any]:
        """Run all beginnings of the model in turn, for that time in all; return the fastest time of each."""
        return {"ns": self._prefixes.round(seconds, clock)}

    def feed(self, path: str, threads: int, data: dict[str, Any]) -> dict[str, Any]:
        """Open a model for prediction."""
        arrays = load_arrays(data["folder"], data["count"])

        def arrange(model: LoadedModel) -> list[Array]:
            return bind(arrays, data["names"], model.inputs)

        self._predictor = Predictor(partial(LoadedModel, self._runtime, path, threads), arrange)
        return {}

    def predict(self, seconds: float) -> dict[str, Any]:
        """Run samples until that time is over."""
        return {"done": self._predictor.step(seconds)}

    def save(self, folder: str) -> dict[str, Any]:
        """Write the outputs."""
        return {"count": self._predictor.save(folder)}


def main() -> None:
    """Answer commands until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # a runtime that prints must not break the protocol
    restrain()
    worker = Worker()
    for line in sys.stdin.buffer:
        command = json.loads(line)
        clock_on(command.pop("limit"))
        answers.write(json.dumps(_answer(worker, command)) + "\n")
        answers.flush()
        clock_off()
    os._exit(0)  # leave without the interpreter's clean-up: there is nothing to save


def _answer(worker: Worker, command: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"ok": getattr(worker, command.pop("do"))(**command)}
    except InputError as error:
        return {"error": "input", "message": str(error)}
    except BenchmarkError as error:
        return {"error": "runtime", "message": str(error)}
    except Exception as error:  # a damaged model makes the runtime raise anything
        return {"error": "model", "message": str(error) or type(error).__name__}


def _first(values: Array, batch: int) -> Array:
    if len(values) < batch:
        raise InputError(f"The model takes {batch} samples at once, and {len(values)} were given; give more.")
    return np.asarray(values[:batch])


def _invocations(invoke: Callable[[], None], seconds: float) -> tuple[list[int], list[int]]:
    wall: list[int] = []
    cpu: list[int] = []
    now, thread_now = time.perf_counter_ns, time.thread_time_ns
    end = now() + int(seconds * 1e9)
    gc.disable()
    try:
        while True:
            cpu_start = thread_now()
            start = now()
            invoke()
            stop = now()
            cpu.append(thread_now() - cpu_start)
            wall.append(stop - start)
            if stop >= end or len(wall) >= _MOST_RUNS:
                return wall, cpu
    finally:
        gc.enable()


if __name__ == "__main__":
    main()
