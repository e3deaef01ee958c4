"""Where training moves weights: summed step by step, or the first step from data."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfprune.backend import need_tensorflow
from tfprune.statistics.gradients import gradient, tensors_of
from tfprune.statistics.registry import of_weights
from tfprune.statistics.study import Array, Study

__all__ = ["Movements", "movement"]

need_tensorflow(__name__)


@of_weights("movement", "training")
def movement(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return `Σ w Δw` over the steps of the training that is watched, or, from data, `−g w`."""
    if study.watched is not None:
        return [
            np.where(variable.numpy() == 0, total.min() - np.abs(total).max(), total)  # what is gone stays gone
            for total, variable in zip(study.watched(variables), variables, strict=True)
        ]
    slopes = gradient(study, variables)
    return [-slope * np.asarray(variable.numpy()) for slope, variable in zip(slopes, variables, strict=True)]


class Movements:
    """Sums what each step of a training does to weights.

    Args:
        study: The study that then knows it.
        variables: The weights.
    """

    def __init__(self, study: Study, variables: Sequence[keras.Variable]) -> None:
        self._values = tensors_of(variables)
        self._number = {id(variable): index for index, variable in enumerate(variables)}
        self._before = [tf.Variable(value, trainable=False) for value in self._values]
        self._sums = [
            tf.Variable(tf.zeros(value.shape, value.dtype if value.dtype.size > 2 else tf.float32), trainable=False)
            for value in self._values  # in half precision sums of small steps would stand still
        ]
        study.watched = self.sums
        self.look = tf.function(self._look, autograph=False)

    def _look(self) -> None:
        """Add what has happened since the last look."""
        for total, before, value in zip(self._sums, self._before, self._values, strict=True):
            was, now = tf.cast(before, total.dtype), tf.cast(value, total.dtype)
            total.assign_add(was * (now - was))
            before.assign(value)

    def sums(self, variables: Sequence[keras.Variable]) -> list[Array]:
        """Return the sums for some of the weights; zeros for others."""
        return [
            self._sums[self._number[id(v)]].numpy() if id(v) in self._number else np.zeros(tuple(v.shape))
            for v in variables
        ]
