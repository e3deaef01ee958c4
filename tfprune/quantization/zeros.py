"""Zeros of kernels that stay zero while a model is trained further."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfprune.backend import need_tensorflow
from tfprune.graph.tree import own_variables, walk
from tfprune.pruning.mask import MaskConstraint, read

__all__ = ["KeptZeros", "release_zeros"]

need_tensorflow(__name__)


class ZeroConstraint(keras.constraints.Constraint):  # type: ignore[misc]
    """Sets weights to zero that were so, within whatever mask prunes the variable meanwhile.

    Args:
        mask: The mask of the zeros, with the user's own constraint within.
    """

    def __init__(self, mask: MaskConstraint) -> None:
        self.mask = mask

    def __call__(self, w: Any) -> Any:
        """Return `w` with the zeros in it."""
        return self.mask(w)


class KeptZeros:
    """Masks made of the zeros that kernels have.

    Args:
        variables: The kernels.
        strategy: The strategy that the model was made under.

    Attributes:
        count: How many zeros are kept.

    Example:
        >>> layer = keras.layers.Dense(4)
        >>> layer.build((None, 8))
        >>> _ = tfprune.prune_layer(layer, 0.75)
        >>> zeros = KeptZeros([layer.kernel], tf.distribute.get_strategy())
        >>> _ = layer.kernel.assign_add(np.ones((8, 4)))
        >>> zeros.hold(), zeros.count
        (False, 24)
        >>> zeros.apply()  # as an optimizer does after each step
        >>> zeros.hold()
        True
    """

    def __init__(self, variables: Iterable[keras.Variable], strategy: tf.distribute.Strategy) -> None:
        self.count = 0
        self._masks: list[tuple[keras.Variable, MaskConstraint]] = []
        for variable in variables:
            kept = read(variable) != 0
            release(variable)
            if kept.all():
                continue
            outer = variable.constraint if isinstance(variable.constraint, MaskConstraint) else None
            with strategy.scope():
                inner = variable.constraint if outer is None else outer.inner
                mask = MaskConstraint(tuple(variable.shape), variable.dtype, inner)
            mask.mask.assign(tf.cast(kept, mask.mask.dtype))
            if outer is None:
                variable.constraint = ZeroConstraint(mask)
            else:  # somebody is pruning it, and takes that mask off
                outer.inner = ZeroConstraint(mask)
            self._masks.append((variable, mask))
            self.count += kept.size - int(np.count_nonzero(kept))

    def hold(self) -> bool:
        """Whether all of them are zero now."""
        return all(mask.holds(variable) for variable, mask in self._masks)

    def apply(self) -> None:
        """Set them to zero, where weights are updated by no Keras optimizer, or somebody has written to them."""
        for variable, mask in self._masks:
            variable.assign(mask.masked(variable))

    def release(self) -> None:
        """Take the masks off."""
        for variable, _ in self._masks:
            release(variable)
        self._masks = []


def release(variable: keras.Variable) -> None:
    """Take the mask of the zeros off a variable, and leave the mask of whoever prunes it."""
    constraint = variable.constraint
    if isinstance(constraint, ZeroConstraint):
        variable.constraint = constraint.mask.inner
    elif isinstance(constraint, MaskConstraint) and isinstance(constraint.inner, ZeroConstraint):
        constraint.inner = constraint.inner.mask.inner


def release_zeros(model: keras.Model) -> None:
    """Take off the masks that an interrupted training has left.

    Args:
        model: The model.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> kernel = model.layers[-1].kernel
        >>> _ = tfprune.prune_layer(model.layers[-1], 0.75), KeptZeros([kernel], tf.distribute.get_strategy())
        >>> kernel.constraint is None
        False
        >>> release_zeros(model)
        >>> kernel.constraint is None
        True
    """
    for _, layer in walk(model):
        for variable in own_variables(layer):
            release(variable)
