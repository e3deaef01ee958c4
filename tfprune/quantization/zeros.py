"""Zeros of kernels that stay zero while a model is trained further."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from tfprune.graph.tree import own_variables, walk
from tfprune.pruning.mask import MaskConstraint, attach, detach, read

__all__ = ["KeptZeros", "release_zeros"]

MARKED: weakref.WeakSet[MaskConstraint] = weakref.WeakSet()
"""The masks that were made here."""


class KeptZeros:
    """Masks made of the zeros that kernels have.

    A kernel with a mask already, as `PruneCallback` puts there, is left to that; one that gets such a mask later
    loses this one.

    Args:
        variables: The kernels.
        strategy: The strategy that the model was made under.

    Attributes:
        count: How many zeros are kept.
    """

    def __init__(self, variables: Iterable[keras.Variable], strategy: tf.distribute.Strategy) -> None:
        self.count = 0
        self._masks: list[tuple[keras.Variable, MaskConstraint]] = []
        for variable in variables:
            kept = read(variable) != 0
            if kept.all() or isinstance(variable.constraint, MaskConstraint):
                continue
            mask = attach(variable, strategy)
            mask.mask.assign(tf.cast(kept, mask.mask.dtype))
            MARKED.add(mask)
            self._masks.append((variable, mask))
            self.count += kept.size - int(np.count_nonzero(kept))

    def hold(self) -> bool:
        """Whether all of them are zero now."""
        return all(mask.holds(variable) for variable, mask in self._present())

    def apply(self) -> None:
        """Set them to zero, where weights are updated by no Keras optimizer, or somebody has written to them."""
        for variable, mask in self._present():
            variable.assign(mask.masked(variable))

    def release(self) -> None:
        """Take the masks off."""
        for variable, _ in self._present():
            detach(variable)
        self._masks = []

    def _present(self) -> list[tuple[keras.Variable, MaskConstraint]]:
        return [(variable, mask) for variable, mask in self._masks if variable.constraint is mask]


def release_zeros(model: keras.Model) -> None:
    """Take off the masks that an interrupted training has left."""
    for _, layer in walk(model):
        for variable in own_variables(layer):
            if variable.constraint in MARKED:
                detach(variable)
