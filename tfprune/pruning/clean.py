"""Leaving no trace: a model as if tfprune had never touched it, its zeros aside."""

from __future__ import annotations

import keras

from tfprune.graph.tree import own_variables, walk
from tfprune.pruning.mask import detach
from tfprune.pruning.own_loss import restore_loss
from tfprune.pruning.regularizer import detach_penalties

__all__ = ["strip"]


def strip(model: keras.Model) -> keras.Model:
    """Take every mask, penalty and gate off a model and give its weights their own constraints and regularisers back.

    The zeros stay. `fit` with a `PruneCallback`, a `RegularizeCallback` or a `GateCallback` does this itself. It is
    needed after a training that was interrupted, or a loop of one's own.

    Args:
        model: Any model.

    Returns:
        The same model.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> strip(model) is model
        True
    """
    masks = [detach(variable) for _, layer in walk(model) for variable in own_variables(layer)]
    if any([*masks, detach_penalties(model), restore_loss(model), restore_calls(model)]):
        model.train_function = model.test_function = model.predict_function = None  # traced with all these in them
    return model


def restore_calls(model: keras.Model) -> bool:
    """Give layers whose `call` gates have taken the place of their own back; return whether there were any."""
    replaced = [layer for _, layer in walk(model) if getattr(vars(layer).get("call"), "replaces_call", False)]
    for layer in replaced:
        del vars(layer)["call"]
    return bool(replaced)
