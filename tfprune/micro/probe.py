"""One network on its way to a device: really converted to int8, really measured."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from tfprune.cost import Cost
from tfprune.export import ExportResult, to_tflite
from tfprune.micro.footprint import Footprint
from tfprune.micro.measure import measure
from tfprune.sizes import readable

__all__ = ["NAMES", "Converted", "Probe", "convert_and_measure"]

NAMES = {"flash": "flash", "ram": "RAM"}


@dataclass(frozen=True)
class Probe:
    """What a network that was tried needs.

    Args:
        macs: Its multiply-accumulates.
        params: Its parameters.
        flash: Bytes of its int8 file.
        ram: Bytes of the arena that TensorFlow Lite Micro needs for it.
        over: By how many bytes each bound is exceeded; empty if it fits.
    """

    macs: int
    params: int
    flash: int
    ram: int
    over: Mapping[str, int]

    @classmethod
    def of(cls, cost: Cost, footprint: Footprint, bounds: Mapping[str, int]) -> Probe:
        """Return what a measured network is beside some bounds in bytes."""
        needs = {"flash": footprint.flash_bytes, "ram": footprint.arena_bytes}
        over = {name: needs[name] - bound for name, bound in bounds.items() if needs[name] > bound}
        return cls(cost.macs, cost.parameters, needs["flash"], needs["ram"], over)

    @property
    def fits(self) -> bool:
        """Whether it is within all bounds."""
        return not self.over

    def __str__(self) -> str:
        above = ", ".join(f"{NAMES[name]} by {readable(size)}" for name, size in self.over.items())
        told = f"too large ({above})" if above else "fits"
        return (
            f"{self.params:,} parameters, {self.macs:,} MACs: {readable(self.flash)} of flash, {readable(self.ram)} of "
            f"RAM, {told}"
        )


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


def convert_and_measure(
    model: keras.Model, data: Any, *, verify: bool, timeout: float, seed: int, name: str = "model"
) -> Converted:
    """Convert a network to int8, inputs and outputs too, and measure what it needs.

    Args:
        model: The network.
        data: Samples to calibrate with.
        verify: Whether the file is compared with Keras; it is compared with LiteRT in any case.
        timeout: Seconds that a step of the measurement may take.
        seed: Seed of random inputs.
        name: What the file is called in messages.

    Raises:
        InputError: If TensorFlow Lite Micro can't run such a network.
        ExportError: If it can't be converted.
        BenchmarkError: If it crashes or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="tfprune-fit-") as scratch:
        path = Path(scratch) / f"{name}.tflite"
        export = to_tflite(
            model, path, quantize="int8", io_dtype="int8", representative_data=data, verify=verify, seed=seed
        )
        return Converted(path.read_bytes(), export, measure(path, timeout=timeout, seed=seed))
