"""A mask as a constraint on its variable, which Keras optimizers apply right after each update."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfprune.errors import InputError

__all__ = ["MaskConstraint", "attach", "detach", "read"]

if keras.backend.backend() != "tensorflow":
    raise InputError(
        f"Keras runs on {keras.backend.backend()!r}, tfprune on TensorFlow; "
        "set KERAS_BACKEND=tensorflow before Keras is imported."
    )


class MaskConstraint(keras.constraints.Constraint):  # type: ignore[misc]
    """Sets removed weights to zero, after the user's own constraint if there is one.

    The mask is a TensorFlow variable that no layer tracks: changing it retraces nothing, and no checkpoint holds it. It
    has the kernel's dtype, 1 for a kept weight and 0 for a removed one, because a product is almost twice as fast as a
    choice by a bool.

    Args:
        shape: Shape of the kernel.
        dtype: Its dtype.
        inner: The constraint that the variable had before.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str = "float32", inner: Any = None) -> None:
        self.mask = tf.Variable(tf.ones(shape, dtype=dtype), trainable=False, name="mask")
        self.inner = inner

    def __call__(self, w: Any) -> Any:
        """Return `w` with the removed weights set to zero."""
        return keras.ops.convert_to_tensor(w if self.inner is None else self.inner(w)) * self.mask

    def masked(self, w: Any) -> Any:
        """Return a tensor or variable of the kernel's shape with the removed weights set to +0, also NaN and −0."""
        return tf.math.multiply_no_nan(keras.ops.convert_to_tensor(w), self.mask)

    def holds(self, w: Any) -> bool:
        """Whether all removed weights of `w` are zero."""
        return not bool(tf.reduce_any((self.mask == 0) & (keras.ops.convert_to_tensor(w) != 0)))


def attach(variable: keras.Variable, strategy: tf.distribute.Strategy) -> MaskConstraint:
    """Put a mask that keeps everything on a variable, and return it.

    Whatever mask is there already, as after an interrupted training, is replaced.
    """
    detach(variable)
    with strategy.scope():
        constraint = MaskConstraint(tuple(variable.shape), variable.dtype, variable.constraint)
    variable.constraint = constraint
    return constraint


def detach(variable: keras.Variable) -> bool:
    """Give a variable its own constraint back; return whether there was a mask on it."""
    constraint = variable.constraint
    if not isinstance(constraint, MaskConstraint):
        return False
    variable.constraint = constraint.inner
    return True


def read(variable: keras.Variable) -> NDArray[np.floating]:
    """Return the values of a variable, half precisions as float32."""
    values = np.asarray(variable.numpy())
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)
