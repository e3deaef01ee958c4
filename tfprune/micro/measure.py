"""`measure`: what a .tflite file needs on a microcontroller, found out with TensorFlow Lite Micro itself."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfprune.benchmark.data_folder import Inputs, data_folder
from tfprune.benchmark.settings import check_number
from tfprune.errors import InputError
from tfprune.export.inspection import Inspected, inspect_file
from tfprune.export.process import run_module
from tfprune.files import PathLike
from tfprune.micro.footprint import Footprint
from tfprune.micro.requirements import check_runs_on_micro
from tfprune.version import versions_of

__all__ = ["measure", "require_runtime"]

TIMEOUT = 120.0
RANDOM_SAMPLES = 8
MODULE = "tfprune.micro.worker"


def measure(path: PathLike, *, inputs: Inputs = None, timeout: float = TIMEOUT, seed: int = 0) -> Footprint:
    """Run a .tflite file with TensorFlow Lite Micro and say what it needs of flash and RAM.

    The model runs in a process of its own, with the reference kernels. The arena is made smaller until the model does
    not run any more, and the outputs are compared with those of the LiteRT interpreter on the same inputs, with its
    built-in kernels: XNNPACK, which LiteRT uses by default on phones, rounds otherwise, often by some steps.

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
        return _run(found, Path(scratch), data.message(), timeout, seed)


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


def _run(found: Inspected, folder: Path, data: dict[str, Any] | None, timeout: float, seed: int) -> Footprint:
    stored = found.stored
    job = {
        "path": str(found.path), "data": data, "samples": RANDOM_SAMPLES, "seed": seed,
        "inputs": [{**asdict(info), "index": number} for number, info in enumerate(stored.inputs)],
        "outputs": [{**asdict(info), "index": number} for number, info in enumerate(stored.outputs)],
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    answer = run_module(MODULE, folder, timeout, f"TensorFlow Lite Micro can't run {found.path.name}")
    return Footprint(
        path=found.path, flash_bytes=found.bytes, arena_bytes=answer["arena"], reported_bytes=answer["reported"],
        activation_bytes=answer["head"], persistent_bytes=answer["tail"], operations=dict(stored.operations),
        inputs=stored.inputs, outputs=stored.outputs, samples=answer["samples"],
        source="random" if data is None else "given", max_difference=answer["difference"],
        max_steps=answer["steps"], peak=found.peak,
        versions={"tflite-micro": answer["version"], **versions_of("ai-edge-litert")},
    )  # fmt: skip
