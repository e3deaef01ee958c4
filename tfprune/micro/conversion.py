"""Networks as int8 files for microcontrollers, measured: with all checks, or as quickly as a search wants it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from tfprune.errors import ExportError
from tfprune.export import ExportResult, to_tflite
from tfprune.export.converter import Settings, convert, quiet
from tfprune.export.explain import explain
from tfprune.export.precision import float32_twin, reduced_precision
from tfprune.export.trace import save_for_conversion
from tfprune.inputs import gather, signature_of
from tfprune.inputs.samples import first_batch
from tfprune.micro.footprint import Footprint
from tfprune.micro.measure import measure

__all__ = ["Converted", "convert_and_measure", "size_up"]

INT8 = Settings(quantize="int8", io_dtype="int8")
FEW = 16
"""Samples to calibrate with where only the size of a file matters."""


@dataclass(frozen=True)
class Converted:
    """A network as a file for microcontrollers.

    Args:
        content: The .tflite file.
        export: What the conversion has found.
        footprint: What TensorFlow Lite Micro needs for it.
    """

    content: bytes
    export: ExportResult
    footprint: Footprint


def convert_and_measure(model: keras.Model, data: Any, *, timeout: float, seed: int) -> Converted:
    """Convert a network to int8, inputs and outputs too, compare it with Keras, and measure what it needs.

    Args:
        model: The network.
        data: Samples to calibrate with.
        timeout: Seconds that a step of the measurement may take.
        seed: Seed of random inputs.

    Raises:
        InputError: If TensorFlow Lite Micro can't run such a network.
        ExportError: If it can't be converted.
        BenchmarkError: If it crashes or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="tfprune-fit-") as scratch:
        path = Path(scratch) / "model.tflite"
        export = to_tflite(model, path, quantize="int8", io_dtype="int8", representative_data=data, seed=seed)
        return Converted(path.read_bytes(), export, measure(path, timeout=timeout, seed=seed))


def size_up(model: keras.Model, data: Any, *, timeout: float, seed: int) -> Footprint:
    """Return what a network needs as the same file, without comparing it with Keras and in this very process.

    Only for cut networks: the whole one has been converted by `convert_and_measure`, in a process that may crash.

    Args:
        model: The network.
        data: Samples to calibrate with; a few of them are used.
        timeout: Seconds that a step of the measurement may take.
        seed: Seed of random inputs.

    Raises:
        ExportError: If it can't be converted.
        BenchmarkError: If it crashes or takes too long.
    """
    signature = signature_of(model, batch_size=1, sample=first_batch(data))
    names = [spec.name for spec in signature.inputs]
    samples = dict(zip(names, gather(data, signature, FEW), strict=True))
    with tempfile.TemporaryDirectory(prefix="tfprune-fit-") as scratch:
        folder = Path(scratch)
        try:
            with quiet():
                plain = model if reduced_precision(model) is None else float32_twin(model)
                save_for_conversion(plain, signature, folder / "saved")
                content = convert(folder / "saved", INT8, samples)
        except Exception as error:  # whatever the converter raises
            raise ExportError(explain(str(error), model)) from error
        path = folder / "model.tflite"
        path.write_bytes(content)
        return measure(path, timeout=timeout, seed=seed)
