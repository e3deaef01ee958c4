"""Leaving no trace: a model as if tfprune had never touched it, its zeros aside."""

from __future__ import annotations

import keras

from tfprune.graph.tree import own_variables, walk
from tfprune.pruning.mask import detach
from tfprune.pruning.own_loss import restore_loss
from tfprune.pruning.regularizer import detach_penalties

__all__ = ["strip"]


def strip(model: keras.Model) -> keras.Model:
    """Take every mask, penalty, gate and rounding off a model; its weights have their own constraints and regularisers.

    The zeros stay. `fit` with a callback of tfprune does this itself. It is needed after a training that was
    interrupted, or a loop of one's own.

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
    """Give layers their own `call` back where gates or rounding have taken its place; return whether there were any."""
    found = {id(one): one for _, layer in walk(model) for one in (layer, *getattr(layer, "operations", ()))}
    replaced = [one for one in found.values() if getattr(vars(one).get("call"), "replaces_call", False)]
    for operation in replaced:
        del vars(operation)["call"]
    return bool(replaced)
