"""The process that runs a model with TensorFlow Lite Micro, which a model may kill."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.benchmark.binding import bind, load_arrays
from tfprune.benchmark.tensors import Array, Tensor, decode, encode, random_values
from tfprune.errors import InputError
from tfprune.export.process import answer_in
from tfprune.micro.reference import difference, lite_outputs, shape_of

__all__ = ["main"]

STEP = 16
"""Bytes to which arenas are aligned, and by which the smallest is told."""

LARGEST = 256 << 20
"""The largest arena that is tried; no microcontroller has as much."""
TOTAL = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run the model on samples and look for the smallest arena.

    Args:
        job: The file, its tensors, the seed and the data.
    """
    from tflite_micro import runtime

    content = Path(job["path"]).read_bytes()
    inputs, outputs = ([tensor_of(one) for one in job[name]] for name in ("inputs", "outputs"))
    samples = [encode(values, tensor) for values, tensor in zip(given(job, inputs), inputs, strict=True)]
    size = large_enough(content, runtime)
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=size)
    answers: list[list[Array]] = [[] for _ in outputs]
    count = len(samples[0])
    for number in range(count):
        for index, (values, tensor) in enumerate(zip(samples, inputs, strict=True)):
            interpreter.set_input(values[number].reshape(shape_of(tensor)), index)
        interpreter.invoke()
        for index, tensor in enumerate(outputs):
            answers[index].append(np.array(decode(interpreter.get_output(index), tensor)))
    said = printed(interpreter.print_allocations)
    mine = [np.concatenate(parts) for parts in answers]
    largest, steps = difference(mine, lite_outputs(job["path"], samples, inputs, outputs), outputs)
    found = {name: int(value) for name, value in TOTAL.findall(said)}
    if "total" not in found:
        raise RuntimeError(f"TensorFlow Lite Micro did not print its allocations but {said[-100:]!r}")
    return {
        "arena": smallest_arena(content, size, found["total"], runtime),
        "reported": found["total"], "head": found.get("head", 0), "tail": found.get("tail", 0),
        "samples": count, "difference": largest, "steps": steps, "version": importlib.metadata.version("tflite-micro"),
    }  # fmt: skip


def given(job: dict[str, Any], inputs: list[Tensor]) -> list[Array]:
    """Return the samples of each input: those of the user, or random ones."""
    data = job["data"]
    if data is not None:
        arrays = bind(load_arrays(data["folder"], data["count"]), data["names"], inputs)
        for values, tensor in zip(arrays, inputs, strict=True):
            if values.shape[1:] != shape_of(tensor)[1:]:
                raise InputError(
                    f"A sample of the input {tensor.name!r} has the shape {values.shape[1:]}; the file takes "
                    f"{shape_of(tensor)[1:]}"
                )
        return [np.asarray(values) for values in arrays]
    generator = np.random.default_rng(job["seed"])
    return [random_values((job["samples"], *shape_of(t)[1:]), t, generator) for t in inputs]


def large_enough(content: bytes, runtime: Any) -> int:
    """Return an arena size with which the model runs; the largest there is if it does with none."""
    size = max(64 << 10, 2 * len(content))
    while True:
        size = min(-(-size // STEP) * STEP, LARGEST)
        if size == LARGEST or fits(content, size, runtime):
            return size
        size *= 4


def smallest_arena(content: bytes, works: int, likely: int, runtime: Any) -> int:
    """Return the smallest arena, a multiple of 16 bytes, in which a model is set up and runs.

    Args:
        content: The file.
        works: A size that is enough, a multiple of 16.
        likely: Where it is thought to be; looked at first.
        runtime: The interpreter's module.
    """
    low, high = 0, works // STEP
    near = -(-likely // STEP)
    for guess in (near + 64, near - 64):  # a kilobyte up and down: the rest is found within it
        if low < guess < high:
            low, high = (low, guess) if fits(content, guess * STEP, runtime) else (guess, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(content, middle * STEP, runtime) else (middle, high)
    return high * STEP


def fits(content: bytes, size: int, runtime: Any) -> bool:
    """Whether a model runs in an arena; tried in a copy of this process, as one that is too small can crash it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            runtime.Interpreter.from_bytes(content, arena_size=size).invoke()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status == 0


def printed(talk: Callable[[], None]) -> str:
    """Return what native code prints to standard output and standard error."""
    with tempfile.TemporaryFile() as log:
        copies = [os.dup(descriptor) for descriptor in (1, 2)]
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
        try:
            talk()
        finally:
            for descriptor, copy in zip((1, 2), copies, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
        log.seek(0)
        return log.read().decode("utf-8", "replace")


def tensor_of(plain: dict[str, Any]) -> Tensor:
    """Return a tensor as the benchmark's encoding takes it."""
    zero = plain["zero_point"]
    return Tensor(plain["name"], plain["name"], plain["index"], tuple(plain["shape"]), plain["dtype"], plain["scale"],
                  0 if zero is None else zero)  # fmt: skip


def main(folder: Path) -> None:
    """Do the job in `folder`."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    answer_in(folder, lambda: run(job))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
