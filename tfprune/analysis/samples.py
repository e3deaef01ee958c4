"""Samples that analyses look at, from anything `fit` takes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.statistics.examples import Examples

__all__ = ["arrays_of", "class_numbers", "single_input"]


def arrays_of(examples: Examples) -> list[NDArray[Any]]:
    """Return the inputs of samples, an array for each input of the model."""
    return [np.asarray(array) for array in tree.flatten(examples.x)]


def class_numbers(labels: Any) -> NDArray[np.int64] | None:
    """Return labels as class numbers, int (samples,); None if they are none: real numbers, or several outputs' labels.

    Example:
        >>> class_numbers(np.array([[0.0, 1.0], [1.0, 0.0]]))
        array([1, 0])
    """
    if labels is None or len(tree.flatten(labels)) != 1:
        return None
    values = np.asarray(tree.flatten(labels)[0])
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all():
        found: NDArray[np.int64] = values.argmax(axis=1).astype(np.int64)
        return found
    whole = values.ndim == 1 and values.dtype.kind in "iubf" and bool((values == np.floor(values)).all())
    return values.astype(np.int64) if whole and (values >= 0).all() else None


def single_input(model: keras.Model, examples: Examples) -> NDArray[np.float32]:
    """Return the only input of a model's samples.

    Raises:
        InputError: If the model has several inputs, or one that takes no real numbers.
    """
    arrays = arrays_of(examples)
    if len(arrays) != 1 or arrays[0].dtype.kind != "f":
        told = ", ".join(f"{array.dtype} {array.shape[1:]}" for array in arrays)
        raise InputError(
            f"{model.name!r} takes {told}; attribution is defined for models with one input of real numbers. "
            "For tokens give the part of the model after its embedding."
        )
    return arrays[0].astype(np.float32)
