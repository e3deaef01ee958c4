"""Which array goes to which input of a model; lives in the worker process only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tfprune.benchmark.tensors import Array, Tensor
from tfprune.errors import InputError, nearest

__all__ = ["bind", "load_arrays"]


def load_arrays(folder: str, count: int) -> list[Array]:
    """Open the arrays that the parent saved as 0.npy, 1.npy, ...: mapped, so a large data set is not copied."""
    return [np.load(Path(folder) / f"{i}.npy", mmap_mode="r", allow_pickle=False) for i in range(count)]


def bind(arrays: list[Array], names: list[str] | None, inputs: list[Tensor]) -> list[Array]:
    """Put arrays into the order of a model's inputs.

    Args:
        arrays: One array for each input, samples first.
        names: The input that each array is for, or None if they are in the model's order.
        inputs: The model's inputs.

    Returns:
        The arrays, the first for the first input.

    Raises:
        InputError: If there are too many or too few arrays, or a name that the model has not.
    """
    known = ", ".join(repr(tensor.name) for tensor in inputs) or "none"
    if len(arrays) != len(inputs):
        raise InputError(f"The model has {len(inputs)} inputs ({known}), and {len(arrays)} arrays were given.")
    for tensor in inputs:
        if not tensor.shape:
            raise InputError(f"Input {tensor.name!r} is a scalar and has no batch axis; give it one before conversion.")
    if names is None:
        return arrays
    bound: dict[int, Array] = {}
    for name, array in zip(names, arrays, strict=True):
        # An exact name first: 'x' may be one input and 'x:1' another.
        found = [t for t in inputs if name in (t.name, t.file_name)] or [t for t in inputs if t.is_called(name)]
        if not found:
            raise InputError(f"The model has no input {name!r}. {nearest(name, [t.name for t in inputs])}")
        if len(found) > 1 or found[0].index in bound:
            raise InputError(f"The name {name!r} does not say which input is meant; the model has {known}.")
        bound[found[0].index] = array
    return [bound[tensor.index] for tensor in inputs]
