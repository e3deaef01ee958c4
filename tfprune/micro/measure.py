"""`measure`: what a .tflite file needs on a microcontroller, found out with TensorFlow Lite Micro itself."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.benchmark.data_folder import Inputs, data_folder
from tfprune.benchmark.prediction import predict
from tfprune.benchmark.settings import check_number
from tfprune.errors import BenchmarkError, InputError
from tfprune.export.inspection import Inspected, inspect_file
from tfprune.export.process import run_module
from tfprune.files import PathLike
from tfprune.micro.footprint import Footprint
from tfprune.micro.requirements import check_runs_on_micro

__all__ = ["measure", "require_runtime"]

TIMEOUT = 120.0
RANDOM_SAMPLES = 8
MODULE = "tfprune.micro.worker"


def measure(path: PathLike, *, inputs: Inputs = None, timeout: float = TIMEOUT, seed: int = 0) -> Footprint:
    """Run a .tflite file with TensorFlow Lite Micro and say what it needs of flash and RAM.

    The model runs in a process of its own, with the reference kernels. The arena is made smaller until the model does
    not run any more, and the outputs are compared with those of the LiteRT interpreter on the same inputs.

    Args:
        path: The file: int8 with int8 inputs and outputs is what suits microcontrollers; int16x8 and float32 work too.
        inputs: Samples, an array whose first axis is the samples; for several inputs a mapping of names to arrays. Real
            numbers are quantised. None takes eight random samples.
        timeout: Seconds that a step may take: reading the file, running it.
        seed: Seed of random samples.

    Returns:
        Flash, RAM, operations and agreement.

    Raises:
        InputError: If the package tflite-micro is missing, or the file is one that TensorFlow Lite Micro can't run:
            sparse, float16, dynamically quantised, or with an operation that it has not.
        BenchmarkError: If the file is damaged, can't be run, crashes its process or takes too long.

    Example:
        >>> found = measure("dense.tflite")
        >>> found.flash_bytes, found.arena_bytes - found.reported_bytes < 1000
        (398016, True)
    """
    require_runtime()
    check_number("timeout", timeout, 1e-6)
    found = inspect_file(path, timeout=timeout)
    check_runs_on_micro(found)
    if inputs is None:
        with tempfile.TemporaryDirectory(prefix="tfprune-micro-") as scratch:
            return _run(found, Path(scratch), None, timeout, seed)
    with data_folder(inputs) as data, tempfile.TemporaryDirectory(prefix="tfprune-micro-") as scratch:
        return _run(found, Path(scratch), data.message(), timeout, seed, inputs)


def require_runtime() -> None:
    """Refuse to go on without the package that runs models as microcontrollers do.

    Raises:
        InputError: If it is not installed.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        raise InputError(
            "This needs the package tflite-micro, which is not installed: pip install 'tfprune[micro]' (there are "
            "wheels of it for Linux on x86_64)."
        )


def _run(
    found: Inspected, folder: Path, data: dict[str, Any] | None, timeout: float, seed: int, inputs: Inputs = None
) -> Footprint:
    stored = found.stored
    job = {
        "path": str(found.path), "data": data, "samples": RANDOM_SAMPLES, "seed": seed,
        "inputs": [{**asdict(info), "index": number} for number, info in enumerate(stored.inputs)],
        "outputs": [{**asdict(info), "index": number} for number, info in enumerate(stored.outputs)],
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    answer = run_module(MODULE, folder, timeout, f"TensorFlow Lite Micro can't run {found.path.name}")
    if inputs is None:
        arrays = [np.load(folder / f"random_{i}.npy", allow_pickle=False) for i in range(len(stored.inputs))]
        inputs = {info.name: values for info, values in zip(stored.inputs, arrays, strict=True)}
    difference, steps = _compare(found, folder, inputs, timeout)
    return Footprint(
        path=found.path, flash_bytes=found.bytes, arena_bytes=answer["arena"], reported_bytes=answer["reported"],
        activation_bytes=answer["head"], persistent_bytes=answer["tail"], operations=dict(stored.operations),
        inputs=stored.inputs, outputs=stored.outputs, samples=answer["samples"],
        source="random" if data is None else "given", max_difference=difference, max_steps=steps, peak=found.peak,
        versions={"tflite-micro": answer["version"], **_litert()},
    )  # fmt: skip


def _compare(found: Inspected, folder: Path, inputs: Inputs, timeout: float) -> tuple[float, float | None]:
    """Return the largest difference between both runtimes, as it is and in steps of quantisation."""
    outputs = found.stored.outputs
    expected = predict(found.path, inputs, timeout=timeout)
    order = _order([info.name for info in outputs])
    differences, steps = [0.0], []
    for index, info in enumerate(outputs):
        mine, theirs = np.load(folder / f"out_{index}.npy", allow_pickle=False), expected[order.index(index)]
        if mine.shape != theirs.shape:
            raise BenchmarkError(f"The output {info.name!r} has the shape {mine.shape}; LiteRT gives {theirs.shape}.")
        difference = np.abs(mine.astype(np.float64) - theirs.astype(np.float64))
        largest = float(difference.max(initial=0.0))
        differences.append(largest if np.isfinite(largest) else float("inf"))
        if info.scale:
            steps.append(round(largest / info.scale, 3))
    return max(differences), max(steps, default=None)


def _order(names: list[str]) -> list[int]:
    """Return the numbers of a file's outputs in the order in which `predict` gives them."""
    numbered = all(name.startswith("output_") and name[7:].isdigit() for name in names)
    return sorted(range(len(names)), key=lambda i: int(names[i][7:])) if numbered else list(range(len(names)))


def _litert() -> dict[str, str]:
    try:
        return {"ai-edge-litert": importlib.metadata.version("ai-edge-litert")}
    except importlib.metadata.PackageNotFoundError:
        return {}
