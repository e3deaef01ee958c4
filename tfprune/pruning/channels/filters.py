"""`tfprune.prune_filters`: whole filters, neurons and heads removed in one shot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfprune import criteria
from tfprune import scope as scopes
from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.pruning.channels.allocation import Allocation, best_channels
from tfprune.pruning.channels.importance import channel_scores
from tfprune.pruning.channels.limits import Limits, make_limits, resolve_choices
from tfprune.pruning.channels.plan import ChannelPlan, GroupPlan
from tfprune.pruning.mask import read
from tfprune.pruning.masks import check_finite
from tfprune.pruning.selection import LayerChoice
from tfprune.schedules import check_sparsity

__all__ = ["plan_filters", "prune_filters"]


def plan_filters(
    model: keras.Model,
    budget: Budget | float | None = None,
    *,
    criterion: Any = "magnitude",
    scope: Any = "layer",
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float | int] | None = None,
    round_to: int = 1,
    min_channels: int | Mapping[keras.Layer | str, int] = 1,
    seed: int = 0,
) -> ChannelPlan:
    """Choose the channels to remove, and change nothing.

    Args:
        model: A built model of any kind.
        budget: What the network may cost (`Budget(macs=0.5)`), or the fraction of channels to remove, in [0, 1); None
            removes only what `per_layer` asks for.
        criterion: What makes a weight matter; see `tfprune.criteria`. Scores are gathered over all slices of a channel.
        scope: `"layer"` takes the same fraction of each group, `"global"` compares scores across groups,
            `"isomorphic"` across groups of the same structure.
        layers: Only channels that these layers make (objects, types, names, paths).
        skip: No channels that these layers make.
        per_layer: For the channels that a layer makes: the fraction to remove as a float, or the number to keep.
        round_to: Kept channels are a multiple of this, or all that there are.
        min_channels: No group keeps fewer; or how many those keep at least that some layers make, `{"conv_1": 16}`.
        seed: Seed of criteria that draw random numbers.

    Returns:
        The plan; print it, look at `before` and `after`, then `apply` it.

    Raises:
        InputError: If an argument is not one of the allowed values, the model can't be traced, or the budget can't be
            met; the message says what the smallest network costs and what holds it up.
        SparsityError: If the model has weights that are not finite.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3), keras.layers.Conv2D(16, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> plan = plan_filters(model, Budget(macs=0.5))
        >>> plan.after.macs <= plan.before.macs / 2
        True
    """
    rule, area = criteria.get(criterion), scopes.get(scope)
    if not isinstance(min_channels, Mapping):
        Limits(round_to, min_channels)  # refuses what is out of range before the model is looked at
    if budget is None and not per_layer:
        raise InputError("Nothing is asked for; give a budget such as Budget(macs=0.5), a fraction, or per_layer.")
    if budget is not None and not isinstance(budget, Budget):
        check_sparsity(budget, "The fraction of channels to remove")
    graph = trace(model)
    for variable in model.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            check_finite(variable.path, read(variable))
    groups, own = resolve_choices(graph, layers, skip, per_layer)
    limits = make_limits(graph, groups, round_to, min_channels)
    prunable = [group for group in groups if group.prunable]
    if not prunable:
        reasons = sorted({group.reason or "" for group in groups}) or ["there are no channels"]
        raise InputError(f"No channels of {model.name!r} can be removed ({'; '.join(reasons[:5])}).")
    scores = [channel_scores(group, rule, seed + index) for index, group in enumerate(prunable)]
    allocation = Allocation(graph, prunable, scores, area, limits, own, [g for g in groups if not g.prunable])
    counts = allocation.by_budget(budget) if isinstance(budget, Budget) else allocation.by_sparsity(budget or 0.0)
    keep = {
        group.name: best_channels(own_scores, count)
        for group, own_scores, count in zip(prunable, scores, counts, strict=True)
    }
    plans = [GroupPlan(group, keep.get(group.name, np.ones(group.size, dtype=bool))) for group in groups]
    return ChannelPlan(graph, tuple(plans), allocation.costs.whole, allocation.cost(counts))


def prune_filters(
    model: keras.Model,
    budget: Budget | float | None = None,
    *,
    verbose: int = 1,
    optimizer: bool = False,
    **choices: Any,
) -> keras.Model:
    """Return a smaller model without the channels that matter least: filters, neurons, units and heads, really removed.

    Nothing is trained; the given model is only read.

    Args:
        model: A built model of any kind.
        budget: What the network may cost (`Budget(macs=0.5)`), or the fraction of channels to remove.
        verbose: 1 prints what is removed, 0 nothing.
        optimizer: Whether the new optimizer remembers what the old one did.
        **choices: `criterion`, `scope`, `layers`, `skip`, `per_layer`, `round_to`, `min_channels`, `seed`, as for
            `plan_filters`.

    Returns:
        A plain functional model of stock Keras layers; see `tfprune.shrink`.

    Raises:
        InputError: As for `plan_filters`.
        SparsityError: If the model has weights that are not finite.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3), keras.layers.Conv2D(16, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> prune_filters(model, 0.5, verbose=0).layers[1].filters
        8
    """
    plan = plan_filters(model, budget, **choices)
    if verbose:
        print(plan)
    return plan.apply(optimizer=optimizer)
