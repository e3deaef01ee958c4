"""What a model needs on a microcontroller, as measured."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfprune.export.memory import Peak
from tfprune.export.result import TensorInfo
from tfprune.shown import Shown
from tfprune.sizes import readable

__all__ = ["Footprint"]


@dataclass(frozen=True)
class Footprint(Shown):
    """What a .tflite file needs of flash and RAM, and how its answers compare with LiteRT's.

    RAM is measured on this machine, with the reference kernels and pointers of 64 bits. With pointers of 32 bits the
    tables of the interpreter are smaller, with optimised kernels (CMSIS-NN, ESP-NN) scratch buffers may be added:
    `interpreter.arena_used_bytes()` tells it on the device.

    Args:
        path: The file.
        flash_bytes: Its size. The code of the interpreter comes on top, the same for all models with these operations.
        arena_bytes: The smallest tensor arena in which it runs, a multiple of 16.
        reported_bytes: What TensorFlow Lite Micro itself says that it used of a large arena.
        activation_bytes: The part of that for activations and scratch buffers.
        persistent_bytes: The part for what lives as long as the interpreter.
        operations: How many operations of each kind there are.
        inputs: The inputs in the order of the file.
        outputs: The outputs in the order of the file.
        samples: On how many samples the outputs were compared.
        source: What these were: "given" or "random".
        max_difference: The largest absolute difference of an output to LiteRT's, of its built-in kernels.
        max_steps: The same in steps of quantisation, of the output where it is most; None if no output is quantised.
        peak: The operation at which most activations are alive; None if the file has no operation.
        versions: The versions of both runtimes.

    Example:
        >>> image, scores = TensorInfo("image", (1, 28, 28, 1), "int8"), TensorInfo("scores", (1, 10), "int8")
        >>> needs = Footprint(Path("model.tflite"), 61_440, 20_480, 20_300, 17_408, 2_892, {"CONV_2D": 3, "SOFTMAX": 1},
        ...                   (image,), (scores,), 8, "given", 0.004, 2.0, None, {})
        >>> print(needs)
        model.tflite: 61.4 kB of flash, 20.5 kB of RAM
          arena       17.4 kB for activations, 2.9 kB for the interpreter
          operations  CONV_2D × 3, SOFTMAX
          agreement   largest difference to LiteRT 0.004 (2 steps), on 8 given samples
        >>> needs.to_dict()["arena_bytes"]
        20480
    """

    path: Path
    flash_bytes: int
    arena_bytes: int
    reported_bytes: int
    activation_bytes: int
    persistent_bytes: int
    operations: dict[str, int]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    samples: int
    source: str
    max_difference: float
    max_steps: float | None
    peak: Peak | None
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain types that JSON can hold."""
        plain: dict[str, Any] = json.loads(json.dumps({**asdict(self), "path": str(self.path)}))
        return plain

    def __str__(self) -> str:
        steps = "" if self.max_steps is None else f" ({self.max_steps:g} steps)"
        kinds = ", ".join(f"{name} × {count}" if count > 1 else name for name, count in self.operations.items())
        return "\n".join(
            [
                f"{self.path.name}: {readable(self.flash_bytes)} of flash, {readable(self.arena_bytes)} of RAM",
                f"  arena       {readable(self.activation_bytes)} for activations, "
                f"{readable(self.persistent_bytes)} for the interpreter",
                f"  operations  {kinds}",
                f"  agreement   largest difference to LiteRT {self.max_difference:.3g}{steps}, on {self.samples} "
                f"{self.source} samples",
            ]
        )
