"""The number that an attribution explains: what a network answers for a class."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree
from numpy.typing import NDArray

from tfprune.backend import need_tensorflow
from tfprune.errors import InputError

__all__ = ["Scorer", "checked_classes", "checked_input", "score_of"]

need_tensorflow(__name__)


def score_of(outputs: Any, classes: Any) -> Any:
    """Return what a network answers for one class of each sample, (samples,).

    Args:
        outputs: Its only output, (samples, classes), or (samples, 1) of a network that gives one number.
        classes: The class of each sample, int (samples,).
    """
    (flat,) = tree.flatten(outputs)
    flat = tf.cast(flat, tf.float32)
    return flat[:, 0] if flat.shape[1] == 1 else tf.gather(flat, classes, axis=1, batch_dims=1)


class Scorer:
    """What a network answers for one class of each sample; compiled once.

    Args:
        model: The network.
        batch: How many samples go through it at once.
    """

    def __init__(self, model: keras.Model, batch: int = 64) -> None:
        self.batch = batch

        def scores(x: Any, classes: Any) -> Any:
            return score_of(model(x, training=False), classes)

        self._scores = tf.function(scores, reduce_retracing=True, autograph=False)

    def __call__(self, x: NDArray[Any], classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores, float (samples,)."""
        parts = []
        for start in range(0, len(x), self.batch):
            rows = slice(start, start + self.batch)
            parts.append(self._scores(tf.constant(x[rows]), tf.constant(classes[rows])).numpy())
        return np.concatenate(parts).astype(np.float64)


def checked_input(model: keras.Model, x: Any) -> NDArray[np.float32]:
    """Return the samples of a model's only input.

    Raises:
        InputError: If the model has several, or these don't fit it, or its output is no vector.
    """
    inputs = list(getattr(model, "inputs", None) or [])
    if len(inputs) > 1:
        raise InputError(f"{model.name!r} has {len(inputs)} inputs; attribution is defined for models with one.")
    values = np.asarray(x)
    if values.ndim < 2 or values.dtype.kind not in "fiu" or not len(values):
        raise InputError(f"x has the shape {values.shape} and dtype {values.dtype}; give samples of numbers.")
    if inputs and "float" not in str(inputs[0].dtype):
        raise InputError(
            f"{model.name!r} takes {inputs[0].dtype}, which has no slopes; give the part after its embedding."
        )
    if inputs and (len(inputs[0].shape) != values.ndim or any(
        size not in (None, given) for size, given in zip(inputs[0].shape[1:], values.shape[1:], strict=True)
    )):  # fmt: skip
        raise InputError(
            f"{model.name!r} takes samples of the shape {inputs[0].shape[1:]}; {values.shape[1:]} was given."
        )
    found: NDArray[np.float32] = values.astype(np.float32)
    outputs = tree.flatten(model(found[:1], training=False))
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        told = ", ".join(str(tuple(each.shape[1:])) for each in outputs)
        raise InputError(f"{model.name!r} gives {told}; attribution is defined for one vector of scores, (classes,).")
    return found


def checked_classes(model: keras.Model, x: NDArray[Any], classes: Any, batch: int) -> NDArray[np.int64]:
    """Return the class of each sample that is explained: as given, or the network's top class.

    Raises:
        InputError: If there are not as many as samples, or one is out of range.
    """
    answers = [np.asarray(model(x[start : start + batch], training=False)) for start in range(0, len(x), batch)]
    together = np.concatenate([tree.flatten(each)[0] for each in answers])
    if classes is None:
        found: NDArray[np.int64] = together.argmax(axis=1).astype(np.int64)
        return found
    given = np.asarray(classes, dtype=np.int64)
    found = np.full(len(x), given) if given.ndim == 0 else given
    if found.shape != (len(x),) or (together.shape[1] > 1 and not ((found >= 0) & (found < together.shape[1])).all()):
        raise InputError(
            f"classes has to be one number from 0 to {together.shape[1] - 1} for each of {len(x)} samples."
        )
    return found if together.shape[1] > 1 else np.zeros(len(x), np.int64)
