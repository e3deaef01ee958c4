"""Samples with their labels, from anything `fit` takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import tree

from tfprune.errors import InputError
from tfprune.inputs import first_batch, gather, signature_of
from tfprune.inputs.samples import batches_of
from tfprune.numbers import is_integer

__all__ = ["Examples"]


class Examples:
    """Some samples of a data set, with labels and sample weights if there are any.

    Args:
        model: The model.
        data: Anything `fit` takes: `(x, y)` or `(x, y, sample_weight)` of arrays, a `tf.data.Dataset`, a
            `keras.utils.PyDataset` or another iterable of such batches; or inputs alone.
        limit: How many samples at most: evenly spaced ones of arrays, the first ones of batches.
        batch: How many go through the network at once.

    Attributes:
        x: The inputs, in the structure that the model takes.
        y: The labels; None if there are none.
        weight: The sample weights; None if there are none.

    Raises:
        InputError: If there are none, or they don't fit the model.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> examples = Examples(model, (np.ones((100, 8)), np.arange(100) % 2), limit=50, batch=20)
        >>> examples.count, [len(x) for x, y, weight in examples], examples.weight
        (50, [20, 20, 10], None)
    """

    def __init__(self, model: keras.Model, data: Any, limit: int = 512, batch: int = 32) -> None:
        for name, value in (("samples", limit), ("batch", batch)):
            if not is_integer(value) or value < 1:
                raise InputError(f"{name} is {value!r}; give an int from 1.")
        signature = signature_of(model, batch_size=None, sample=first_batch(data))
        parts = unpack(data, limit)
        if parts is None:
            inputs, self.y, self.weight = gather(data, signature, limit, "data"), None, None
        else:
            inputs = gather(parts[0], signature, limit, "data")
            self.y, self.weight = parts[1:]
        self.x = signature.pack(inputs)
        self.count = len(inputs[0])
        self.batch = batch
        for what in tree.flatten(self.y) + tree.flatten(self.weight):
            if what is not None and (not np.ndim(what) or len(what) != self.count):
                raise InputError(
                    f"data has {self.count} samples, but labels or weights of shape {np.shape(what)}; give one each."
                )

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return -(-self.count // self.batch)

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:
        for start in range(0, self.count, self.batch):
            yield self._some(slice(start, start + self.batch))

    def _some(self, which: slice) -> tuple[Any, Any, Any]:
        """Return some samples."""
        x, y, weight = (
            tree.map_structure(lambda array: None if array is None else array[which], part)
            for part in (self.x, self.y, self.weight)
        )
        return x, y, weight


def unpack(data: Any, limit: int) -> tuple[Any, Any, Any] | None:
    """Return inputs, labels and weights of the samples that are taken; None of inputs alone."""
    if isinstance(data, tuple) and len(data) in (2, 3) and all(is_arrays(part) for part in data[:2]):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        count = len(tree.flatten(x)[0])
        chosen = np.linspace(0, count - 1, min(limit, count)).round().astype(int)
        for part in tree.flatten((y, weight)):
            if part is not None and len(part) != count:
                raise InputError(f"data has {count} samples and {len(part)} labels or weights; give one for each.")
        taken: tuple[Any, Any, Any] = tree.map_structure(
            lambda array: None if array is None else np.asarray(array)[chosen], (x, y, weight)
        )
        return taken
    if is_arrays(data) or isinstance(data, dict):
        return None
    found: list[tuple[Any, Any, Any]] = []
    count = 0
    for batch in batches_of(data):
        if not (isinstance(batch, tuple | list) and len(batch) in (2, 3)):
            if not found and hasattr(data, "__next__"):
                raise InputError("The batches of an iterator without labels can't be read twice; give arrays.")
            return None
        x, y, weight = keras.utils.unpack_x_y_sample_weight(tuple(batch))
        found.append(tree.map_structure(lambda a: None if a is None else np.asarray(a), (x, y, weight)))
        count += len(tree.flatten(x)[0])
        if count >= limit:
            break
    if not found:
        raise InputError("data holds no batch (an iterator that was used up?); give data that can be iterated.")
    joined: tuple[Any, Any, Any] = tree.map_structure(
        lambda *parts: None if parts[0] is None else np.concatenate(parts)[:limit], *found
    )
    return joined


def is_arrays(part: Any) -> bool:
    """Whether something is an array or a structure of arrays, and no batches."""
    if part is None or isinstance(part, str) or (isinstance(part, list) and any(isinstance(x, tuple) for x in part)):
        return False
    flat = tree.flatten(part)
    return bool(flat) and all(hasattr(a, "shape") and hasattr(a, "dtype") and hasattr(a, "__getitem__") for a in flat)
