"""Leaving no trace: a model as if tfprune had never touched it, its zeros aside."""

from __future__ import annotations

import keras

from tfprune.graph.tree import own_variables, walk
from tfprune.pruning.mask import detach

__all__ = ["strip"]


def strip(model: keras.Model) -> keras.Model:
    """Take every mask off a model and give its kernels their own constraints back; the zeros stay.

    `fit` with a `PruneCallback` does this itself. It is needed after a training that was interrupted.

    Args:
        model: Any model.

    Returns:
        The same model.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> strip(model) is model
        True
    """
    found = [detach(variable) for _, layer in walk(model) for variable in own_variables(layer)]
    if any(found):
        model.train_function = None  # the traced step has the masks in it
    return model
