"""What storing weights with fewer bits does to a network: how fast it is, and how far off its outputs are."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.refit import Unlabelled
from tfprune.refit.measure import likeness
from tfprune.search.choices import PrecisionChoice

__all__ = ["converted", "file_times", "outputs_of_file", "precision_choice"]

COMPARED = 128
"""So many samples tell how far off outputs are."""


def precision_choice(
    model: keras.Model, given: Unlabelled, precisions: tuple[str, ...], timed: bool
) -> PrecisionChoice:
    """Return the choice among precisions, each tried on the whole network.

    Args:
        model: The network.
        given: Samples that calibrate, and tell how far off outputs are.
        precisions: The precisions.
        timed: Whether it is measured how fast each is.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [converted(model, given, precision, Path(folder)) for precision in precisions]
        times = file_times(files) if timed else [1.0] * len(files)
        inputs = [array[:COMPARED] for array in given.samples]
        outputs = [outputs_of_file(file, given, inputs) for file in files]
    losses = np.array([likeness(outputs[0], made).error for made in outputs])
    return PrecisionChoice(precisions, tuple(time / times[0] for time in times), np.maximum.accumulate(losses))


def converted(model: keras.Model, given: Unlabelled, precision: str, folder: Path) -> Path:
    """Write a model as a .tflite file with some precision, and return where."""
    from tfprune.export import to_tflite

    path = folder / f"{precision}.tflite"
    calibration = given.signature.pack(given.samples) if precision == "int8" else None
    to_tflite(model, path, quantize=precision, representative_data=calibration, verify=False, overwrite=True)
    return path


def outputs_of_file(path: Path, given: Unlabelled, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return what a file answers on samples, float64."""
    import tfprune.benchmark

    names = [spec.name for spec in given.signature.inputs]
    found = tfprune.benchmark.predict(path, dict(zip(names, inputs, strict=True)))
    return [array.astype(np.float64) for array in found]


def file_times(paths: list[Path]) -> list[float]:
    """Return what files take with the interpreter, in milliseconds: the 5th percentile of many, taking turns."""
    import tfprune.benchmark

    found = [one.latency for one in tfprune.benchmark.run(paths, runs=20, min_seconds=0.3, warmup_seconds=0.1)]
    return [one.steady_ms() for one in found]
