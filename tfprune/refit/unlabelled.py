"""Samples of what a model is used on, from anything `fit` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.inputs import first_batch, gather, signature_of
from tfprune.numbers import is_integer
from tfprune.refit.repair import split

__all__ = ["Unlabelled"]


class Unlabelled:
    """Inputs of a model. Labels that come along are put aside, for the accuracy only.

    Args:
        model: The model.
        data: Anything `fit` takes.
        limit: How many samples are taken at most: evenly spaced ones of arrays, the first ones of batches.

    Raises:
        InputError: If there are none, they don't fit the model, or are not finite.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> Unlabelled(model, (np.ones((64, 8)), np.zeros(64)), 16).samples[0].shape
        (16, 8)
    """

    def __init__(self, model: keras.Model, data: Any, limit: int = 1024) -> None:
        if not is_integer(limit) or limit < 1:
            raise InputError(f"samples is {limit!r}; give an int from 1.")
        self.signature = signature_of(model, batch_size=None, sample=first_batch(data))
        found = gather(data, self.signature, limit, "data")
        order = np.random.default_rng(0).permutation(len(found[0]))  # data may be sorted by class
        self.samples: list[NDArray[Any]] = [array[order] for array in found]
        labels = labels_of(data, len(order))
        self.labels = None if labels is None else labels[order]

    @classmethod
    def of(cls, model: keras.Model, samples: Sequence[NDArray[Any]]) -> Unlabelled:
        """Return the very samples of another process: an array for each input, in the order in which they were."""
        found = cls.__new__(cls)
        found.signature = signature_of(model, batch_size=None, sample=None)
        found.samples, found.labels = list(samples), None
        return found

    def accuracies(self, *models: keras.Model) -> list[str]:
        """Return a line that says how often the top class of each of some models is the label, if there are labels.

        Labels are class numbers or one-hot vectors of a model with one output of class scores.
        """
        if self.labels is None:
            return []
        labels = self.labels.reshape(len(self.labels), -1)
        classes = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0]
        held = len(split(self.samples)[1][0]) or len(classes)
        x = [array[-held:] for array in self.samples]
        right = []
        for model in models:
            outputs = model.predict(self.signature.pack(x), verbose=0)
            if not hasattr(outputs, "ndim") or outputs.ndim != 2 or outputs.shape[1] < 2:
                return []
            right.append(float((outputs.argmax(axis=1) == classes[-held:]).mean()))
        return [f"  accuracy on {held} held-out samples: " + " -> ".join(f"{value:.2%}" for value in right)]


def labels_of(data: Any, count: int) -> NDArray[Any] | None:
    """Return the labels of the samples that are taken of `(x, y)`; None if there are none."""
    if not (isinstance(data, tuple) and len(data) in (2, 3) and hasattr(data[1], "shape")):
        return None
    labels = np.asarray(data[1])
    if not labels.ndim or len(labels) < count or labels.dtype.kind not in "fiub":
        return None
    chosen = np.linspace(0, len(labels) - 1, count).round().astype(int)
    return labels[chosen] if len(labels) > count else labels
