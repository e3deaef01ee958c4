"""A model's inputs and outputs: their names, and real numbers to quantised ones and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError

__all__ = ["Array", "Tensor", "decode", "encode", "random_values", "short_name"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """One input or output of a model.

    Args:
        name: The name in the model's signature, which is that of the Keras input: `x`.
        file_name: The name of the tensor in the file: `serving_default_x:0`.
        index: The tensor's number in the file.
        shape: Its shape; None where the model leaves the size open.
        dtype: The name of its NumPy type, or "string".
        scale: The real value of one step of a quantised tensor, or None if it is not quantised.
        zero_point: The integer that stands for 0.0.

    Example:
        >>> Tensor("x", "serving_default_x:0", 0, (None, 28, 28, 1), "int8", 0.0039, -128).is_quantized
        True
    """

    name: str
    file_name: str
    index: int
    shape: tuple[int | None, ...]
    dtype: str
    scale: float | None = None
    zero_point: int = 0

    @property
    def is_quantized(self) -> bool:
        """Whether it holds integers that stand for real numbers."""
        return self.scale is not None and np.dtype(self.dtype).kind in "iu"

    def is_called(self, name: str) -> bool:
        """Return whether `name` means this tensor, in the words of the signature, of the file or of Keras."""
        return name in (self.name, self.file_name) or short_name(name) in (self.name, short_name(self.file_name))


def short_name(name: str) -> str:
    """Strip what the converter adds to the name of a Keras tensor.

    Example:
        >>> short_name("serving_default_image:0")
        'image'
    """
    return re.sub(r":\d+$", "", name.removeprefix("serving_default_"))


def encode(values: Array, tensor: Tensor) -> Array:
    """Convert values to the type that a tensor takes.

    Values that already have the tensor's type are taken as they are. Real numbers for a quantised tensor (floats, or
    integers of another type) are divided by its scale, rounded half to even and clipped to its range.

    Args:
        values: An array of numbers.
        tensor: The input to feed.

    Returns:
        An array of the tensor's type and the same shape.

    Raises:
        InputError: If a value can't be kept: a NaN for an integer tensor, or 0.5 for one that is not quantised.
    """
    if tensor.dtype == "string":
        raise InputError(f"Input {tensor.name!r} takes strings; only models that take numbers can be run.")
    dtype = np.dtype(tensor.dtype)
    if values.dtype == dtype:
        return values
    if dtype.kind not in "iu":
        return values.astype(dtype)
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise InputError(f"Input {tensor.name!r} takes {dtype} and the data holds NaN; remove those samples.")
    limits = np.iinfo(dtype)
    if tensor.scale is not None:
        steps = np.rint(values.astype(np.float32) / np.float32(tensor.scale)) + tensor.zero_point
        quantized: Array = np.clip(steps, limits.min, limits.max).astype(dtype)
        return quantized
    if (values < limits.min).any() or (values > limits.max).any() or (values != np.rint(values)).any():
        raise InputError(f"Input {tensor.name!r} takes whole numbers ({dtype}) and the data holds others; convert it.")
    return values.astype(dtype)


def decode(values: Array, tensor: Tensor) -> Array:
    """Convert what a tensor holds to real numbers: float32 if it is quantised, else as it is.

    Example:
        >>> decode(np.array([-128, 127], "int8"), Tensor("y", "y", 1, (2,), "int8", 0.5, -128)).tolist()
        [0.0, 127.5]
    """
    if tensor.scale is None or not tensor.is_quantized:
        return values
    real: Array = ((values.astype(np.int32) - tensor.zero_point) * np.float32(tensor.scale)).astype(np.float32)
    return real


def random_values(shape: tuple[int, ...], tensor: Tensor, generator: np.random.Generator) -> Array:
    """Make up values for an input.

    Floats are uniform in [0, 1), 8- and 16-bit integers uniform over their range, booleans fair. Integers of 32 and
    64 bits are 0 or 1: they are mostly indices (tokens), and a large one would point outside the model's table.

    Raises:
        InputError: If the type can't be made up, for example a string.
    """
    kind, bits = _kind(tensor.dtype)
    if kind == "f":
        return generator.random(shape).astype(tensor.dtype)
    if kind == "b":
        return generator.random(shape) < 0.5
    if kind in ("i", "u"):
        low, high = (np.iinfo(tensor.dtype).min, np.iinfo(tensor.dtype).max) if bits <= 16 else (0, 1)
        return generator.integers(low, high, shape, dtype=tensor.dtype, endpoint=True)
    raise InputError(
        f"Input {tensor.name!r} is of type {tensor.dtype}, for which values can't be made up; give inputs=."
    )


def _kind(dtype: str) -> tuple[str, int]:
    if dtype == "string":
        return "S", 0
    kind = np.dtype(dtype)
    return kind.kind, kind.itemsize * 8
