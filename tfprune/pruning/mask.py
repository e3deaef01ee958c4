"""A mask as a constraint on its variable, which Keras optimizers apply right after each update."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

__all__ = ["MaskConstraint", "Values", "attach", "detach", "read"]


class MaskConstraint(keras.constraints.Constraint):  # type: ignore[misc]
    """Sets removed weights to zero, after the user's own constraint if there is one.

    The mask is a variable that no layer tracks: changing it retraces nothing, and no checkpoint of a model holds it. It
    has the kernel's dtype, 1 for a kept weight and 0 for a removed one, because a product is almost twice as fast as a
    choice by a bool. On JAX, where a compiled step sees only what is passed to it, it has to be among the variables of
    the optimizer that applies the constraint.

    Args:
        shape: Shape of the kernel.
        dtype: Its dtype.
        inner: The constraint that the variable had before.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str = "float32", inner: Any = None) -> None:
        self.mask = keras.Variable(np.ones(shape), dtype=dtype, trainable=False, autocast=False, name="mask")
        self.inner = inner

    def __call__(self, w: Any) -> Any:
        """Return `w` with the removed weights set to zero."""
        return ops.multiply(w if self.inner is None else self.inner(w), self.mask)

    def masked(self, w: Any) -> Any:
        """Return a tensor or variable of the kernel's shape with the removed weights set to +0, also NaN and −0."""
        kept = ops.convert_to_tensor(w)
        return ops.where(ops.equal(self.mask, 0), ops.zeros_like(kept), kept)

    def holds(self, w: Any) -> bool:
        """Whether all removed weights of `w` are zero."""
        return not bool(ops.any(ops.logical_and(ops.equal(self.mask, 0), ops.not_equal(w, 0))))


def attach(variable: keras.Variable, strategy: Any = None) -> MaskConstraint:
    """Put a mask that keeps everything on a variable, and return it.

    Whatever mask is there already, as after an interrupted training, is replaced.

    Args:
        variable: The variable.
        strategy: The `tf.distribute.Strategy` that it was made under, if there is one.
    """
    detach(variable)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
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


class Values(Sequence[NDArray[np.floating]]):
    """The values of some variables, each read when it is asked for, so that not all are copied at once."""

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self._variables = variables

    def __len__(self) -> int:
        return len(self._variables)

    def __getitem__(self, index: Any) -> Any:
        return read(self._variables[index])


def read(variable: keras.Variable) -> NDArray[np.floating]:
    """Return the values of a variable, half precisions as float32."""
    values = np.asarray(variable.numpy())
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)
