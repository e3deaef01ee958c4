"""`tfprune.plan_filters`: which filters, neurons and heads are to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune import criteria
from tfprune import scope as scopes
from tfprune.arguments import named_arguments
from tfprune.cost import Budget
from tfprune.cost.budget import network_only
from tfprune.errors import InputError
from tfprune.graph import ChannelGroup, trace
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.channels.allocation import Allocation
from tfprune.pruning.channels.compensated import GREEDY, OBS, find_curves, rank_scores
from tfprune.pruning.channels.importance import channel_scores
from tfprune.pruning.channels.latency import fast_multiple, find_timing
from tfprune.pruning.channels.limits import Limits, make_limits, resolve_choices
from tfprune.pruning.channels.plan import ChannelPlan
from tfprune.pruning.channels.prepared import Prepared
from tfprune.pruning.mask import read
from tfprune.pruning.masks import check_finite
from tfprune.refit import Curve
from tfprune.refit.unlabelled import Unlabelled
from tfprune.schedules import check_sparsity
from tfprune.statistics import Study

__all__ = ["OTHER_NAMES", "plan_filters", "prepare"]

FloatArray = NDArray[np.floating]

OTHER_NAMES = {
    "amount": "the second argument is the fraction of channels to remove, or a Budget",
    "sparsity": "the second argument is the fraction of channels to remove, or a Budget",
    "ratio": "the second argument is the fraction of channels to remove, or a Budget",
    "pruning_ratio": "the second argument is the fraction of channels to remove, or a Budget",
    "ch_sparsity": "the second argument is the fraction of channels to remove, or a Budget",
    "pruning_ratio_dict": "give per_layer={'conv_1': 0.5}",
    "global_pruning": "give scope='global'",
    "isomorphic": "give scope='isomorphic'",
    "importance": "give criterion='taylor' or another one",
    "ignored_layers": "give skip=['conv_1']",
    "iterative_steps": "call prune_iteratively(model, Budget(macs=0.5), steps=4, fit=…, evaluate=…)",
}
"""How other tools call what there is."""


@named_arguments(**OTHER_NAMES)
def plan_filters(
    model: keras.Model,
    budget: Budget | float | None = None,
    *,
    data: Any = None,
    samples: int = 1024,
    criterion: Any = None,
    scope: Any = None,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float | int] | None = None,
    round_to: int | None = None,
    min_channels: int | Mapping[keras.Layer | str, int] = 1,
    seed: int = 0,
    verbose: int = 0,
) -> ChannelPlan:
    """Choose the channels to remove, and change nothing.

    Args:
        model: A built model of any kind.
        budget: What the network may cost (`Budget(macs=0.5)`), or the fraction of channels to remove, in [0, 1); None
            removes only what `per_layer` asks for.
        data: Samples of what the model is used on, without labels: anything `fit` takes. Labels are ignored.
        samples: How many of them are used at most.
        criterion: What makes a channel matter. `"obs"`, the default with `data`: what reads it can't do without it,
            even if the other channels make up for it (structured Optimal Brain Surgeon). `"magnitude"`, the default
            otherwise, or any of `tfprune.criteria`: scores of weights, gathered over all slices of a channel.
        scope: `"greedy"`, the default with `"obs"` and a budget: always the cut that adds least to the error for what
            it saves; of another criterion the order within each group, and the errors measured on data. `"layer"` takes
            the same fraction of each group, `"global"` compares scores across groups, `"isomorphic"` across groups of
            the same structure; `"erk"` gives small layers a smaller sparsity.
        layers: Only channels that these layers make (objects, types, names, paths).
        skip: No channels that these layers make.
        per_layer: For the channels that a layer makes: the fraction to remove as a float, or the number to keep.
        round_to: Kept channels are a multiple of this, or all that there are; by default 1, and with a budget of
            latency what measurements show to be fast here (mostly 8 or 16), at most half of the smallest group.
        min_channels: No group keeps fewer; or how many those keep at least that some layers make, `{"conv_1": 16}`.
        seed: Seed of criteria that draw random numbers, and of the choice of rows that layers are seen with.
        verbose: 1 shows a progress bar on a terminal.

    Returns:
        The plan; print it, look at `before` and `after`, then `apply` it.

    Raises:
        InputError: If an argument is not one of the allowed values, the data don't fit the model, the model can't be
            traced, or the budget can't be met; the message says what the smallest network costs and what holds it up.
        SparsityError: If the model has weights that are not finite.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3), keras.layers.Conv2D(16, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> plan = plan_filters(model, Budget(macs=0.5))
        >>> plan.after.macs <= plan.before.macs / 2
        True
    """
    return prepare(
        model, budget, data=data, samples=samples, criterion=criterion, scope=scope, layers=layers, skip=skip,
        per_layer=per_layer, round_to=round_to, min_channels=min_channels, seed=seed, verbose=verbose,
    ).plan(budget)  # fmt: skip


def prepare(
    model: keras.Model,
    budget: Budget | float | None,
    *,
    data: Any = None,
    samples: int = 1024,
    criterion: Any = None,
    scope: Any = None,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float | int] | None = None,
    round_to: int | None = None,
    min_channels: int | Mapping[keras.Layer | str, int] = 1,
    seed: int = 0,
    verbose: int = 0,
) -> Prepared:
    """Return the channels of a model, scored, so that plans for several budgets can be made.

    Args:
        model: A built model of any kind.
        budget: A budget, or a fraction, like those that are to come: it decides the defaults.
        data: As for `plan_filters`, like all that follow.
        samples: How many samples are used at most.
        criterion: What makes a channel matter.
        scope: Among which channels the lowest scores are looked for.
        layers: Only channels that these layers make.
        skip: No channels that these layers make.
        per_layer: For the channels that a layer makes: the fraction to remove, or the number to keep.
        round_to: Kept channels are a multiple of this.
        min_channels: No group keeps fewer.
        seed: Seed of what draws random numbers.
        verbose: 1 shows a progress bar on a terminal.

    Raises:
        InputError: As `plan_filters` does, except if a budget can't be met.
        SparsityError: If the model has weights that are not finite.
    """
    wanted = check_choices(budget, data, criterion, scope, per_layer)
    if not isinstance(min_channels, Mapping):  # refuses what is out of range before the model is looked at
        Limits(1 if round_to is None else round_to, min_channels)
    given = None if data is None else Unlabelled(model, data, samples)
    graph = trace(model)
    for variable in model.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            check_finite(variable.path, read(variable))
    groups, own = resolve_choices(graph, layers, skip, per_layer)
    if wanted.compensated or wanted.greedy:
        groups = [exact_only(group) if group.name not in own else group for group in groups]
    timing = find_timing(graph, budget, progress=verbose > 0)
    if timing is not None and round_to is None:
        round_to = fast_multiple(timing, groups)
    limits = make_limits(graph, groups, 1 if round_to is None else round_to, min_channels)
    prunable = [group for group in groups if group.prunable]
    if not prunable:
        reasons = sorted({group.reason or "" for group in groups}) or ["there are no channels"]
        raise InputError(f"No channels of {model.name!r} can be removed ({'; '.join(reasons[:5])}).")
    curves: dict[str, Curve] = {}
    scores: list[FloatArray]
    if not wanted.compensated:
        study = Study(model, data, samples=samples, seed=seed, progress=verbose > 0)
        study.graph = graph
        study.check(wanted.criterion, channels=True)
        scores = channel_scores(prunable, wanted.criterion, seed, study)
    if given is not None and (wanted.compensated or wanted.greedy):
        order = None if wanted.compensated else scores
        curves = find_curves(graph, prunable, given.samples, order, seed=seed, progress=verbose > 0)
        scores = [rank_scores(curves[group.name]) for group in prunable]
    rest = [group for group in groups if not group.prunable]
    allocation = Allocation(graph, prunable, scores, wanted.scope, limits, own, rest, timing)
    return Prepared(graph, groups, scores, curves, limits, allocation, timing, given, wanted.greedy)


@dataclass(frozen=True)
class Wanted:
    """What was asked for, checked.

    Args:
        criterion: Scores weights; None with compensation.
        scope: Among which channels the lowest scores are looked for.
        compensated: Whether channels are judged by what the others can't make up for.
        greedy: Whether the number of channels of each group is chosen greedily.
    """

    criterion: Any
    scope: Any
    compensated: bool
    greedy: bool


def check_choices(budget: Any, data: Any, criterion: Any, scope: Any, per_layer: Any) -> Wanted:
    """Return what was asked for with defaults filled in, refusing what does not go together."""
    network_only(budget)
    criterion = (OBS if data is not None else "magnitude") if criterion is None else criterion
    compensated = isinstance(criterion, str) and criterion == OBS
    if compensated and data is None:
        raise InputError(f"The criterion {OBS!r} needs data: samples of what the model is used on, without labels.")
    by_budget = isinstance(budget, Budget)
    scope = (GREEDY if compensated and by_budget else "layer") if scope is None else scope
    greedy = isinstance(scope, str) and scope == GREEDY
    if greedy and (data is None or not by_budget):
        raise InputError(f"The scope {GREEDY!r} needs data, with or without labels, and a Budget.")
    rule = None if compensated else criteria.get(criterion)
    area = scopes.get("layer" if greedy else scope)
    if budget is None and not per_layer:
        raise InputError("Nothing is asked for; give a budget such as Budget(macs=0.5), a fraction, or per_layer.")
    if budget is not None and not by_budget:
        check_sparsity(budget, "The fraction of channels to remove")
    return Wanted(rule, area, compensated, greedy)


def exact_only(group: ChannelGroup) -> ChannelGroup:
    """Return a group that is kept if cutting it is not exact, as no error can be predicted for it."""
    if group.reason is not None or group.inexact is None:
        return group
    return replace(group, reason=f"its error can't be predicted: {group.inexact}")
