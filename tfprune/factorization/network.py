"""`tfprune.plan_factorization`: which layers become chains of smaller ones, chosen on samples without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune.arguments import named_arguments
from tfprune.console import track
from tfprune.cost import Budget, CostModel
from tfprune.cost.budget import LIMITS, network_only
from tfprune.errors import InputError
from tfprune.factorization.allocation import allocate, total_cost
from tfprune.factorization.base import Factorization
from tfprune.factorization.choices import all_forms, asked, cheaper, choose, find_forms, own_ranks, timed, why_not
from tfprune.factorization.options import Option, error_of, find_grid, find_options, operations_of
from tfprune.factorization.plan import FactorizationPlan, LayerPlan
from tfprune.factorization.ranks import check_rank, find_ranks
from tfprune.factorization.survey import Candidate, Measure, candidates_of, measures
from tfprune.graph import trace
from tfprune.graph.choice import LayerChoice
from tfprune.latency import LatencyTable, NetworkLatency
from tfprune.refit import Network, Unlabelled

__all__ = ["OTHER_NAMES", "plan_factorization"]

FAST = 8
"""Ranks in multiples of this run fast; with a budget of latency they are tried too."""

OTHER_NAMES = {
    "ratio": "give a Budget, such as Budget(macs=0.5), or rank=0.25 for a quarter of each full rank",
    "amount": "give a Budget, such as Budget(macs=0.5), or rank=0.25 for a quarter of each full rank",
    "method": "give form='svd', 'spatial', 'tucker' or another one",
    "ranks": "give rank=8 for all layers, or per_layer={'conv_1': ('tucker', (8, 16))}",
}
"""How other tools call what there is."""


@named_arguments(**OTHER_NAMES)
def plan_factorization(
    model: keras.Model,
    budget: Budget | None = None,
    *,
    form: Any = None,
    rank: Any = None,
    energy: float | None = None,
    data: Any = None,
    samples: int = 1024,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, Any] | None = None,
    round_to: int = 1,
    seed: int = 0,
    verbose: int = 0,
) -> FactorizationPlan:
    """Choose which layers are factorised and how, and change nothing.

    Args:
        model: A built model of any kind.
        budget: What the network may cost, such as `Budget(macs=0.5)`: form and rank of each layer are chosen so that
            the errors' sum is small. Or else give `rank`, `energy` or `per_layer`.
        form: The form or forms to choose from (`tfprune.factorization`): names or instances. By default, with a
            budget, all of `tfprune.factorization.FORMS`; without, `"svd"` for products without a window, else
            `"spatial"`, or `"channel_out"` along one axis.
        rank: The rank of every layer: a number, a fraction of the full rank, or `"vbmf"`.
        energy: The part of the squared singular values that every layer keeps.
        data: Samples of what the model is used on, without labels: anything `fit` takes. With them an error is what it
            does to the layer's outputs, without them all errors of weights are alike.
        samples: How many of them are used at most.
        layers: Only these layers (objects, types, names, paths).
        skip: None of these.
        per_layer: Ranks of their own for some layers: what `rank` takes, or a pair of a form and that. It is done even
            if it does not pay.
        round_to: Ranks are multiples of this where they are chosen.
        seed: Seed of the choice of rows that layers are seen with.
        verbose: 1 shows a progress bar on a terminal.

    Returns:
        The plan; print it, look at `table()`, then `apply` or `repair` it.

    Raises:
        InputError: If an argument is not one of the allowed values, a rank is 0 or above full, the data don't fit the
            model, the model can't be traced, no layer can be factorised, or the budget can't be met.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 8)), keras.layers.Conv2D(16, 3), keras.layers.Conv2D(16, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> plan = plan_factorization(model, Budget(macs=0.5))
        >>> plan.after.macs <= plan.before.macs / 2
        True
    """
    check_wanted(budget, rank, energy, per_layer)
    forms = find_forms(form)
    given = None if data is None else Unlabelled(model, data, samples)
    graph = trace(model)
    candidates = choose(graph, candidates_of(graph), layers, skip)
    own = own_ranks(graph, candidates, per_layer)
    if all(candidate.reason for candidate in candidates):
        reasons = sorted({candidate.reason or "" for candidate in candidates}) or ["it has no kernels"]
        raise InputError(f"No layer of {model.name!r} can be factorised ({'; '.join(reasons[:5])}).")
    wanted = {
        candidate.path: own.get(candidate.path) or asked(candidate, forms, rank, energy, budget)
        for candidate in candidates
        if candidate.reason is None
    }
    timing = None
    if budget is not None and budget.latency is not None:
        timing = NetworkLatency(graph, LatencyTable(quantize=budget.quantize), progress=verbose > 0)
    whole = CostModel(graph, timing).whole
    names = [LIMITS[name] for name in budget.bounds(whole)] if budget is not None else list(LIMITS.values())
    steps = (1, FAST) if timing and round_to == 1 else (round_to,)
    counted = [name for name in names if name != "latency"] or ["macs"]
    grids = {
        candidate.path: find_grid(candidate, forms or all_forms(), counted, steps)
        for candidate in candidates
        if candidate.reason is None and budget is not None and wanted[candidate.path] is None
    }
    if timing is not None:
        candidates = [timed(candidate, timing) for candidate in candidates]
        timing.table.measure(
            (one for candidate in candidates for one in operations_of(candidate, grids.get(candidate.path, []))),
            progress=verbose > 0,
        )
    network, seen = (None, None) if given is None else (Network(graph), given.samples)
    each = measures(graph, candidates, seen, seed=seed, network=network)
    found: dict[str, Measure] = {}
    options: dict[str, list[Option]] = {}
    for candidate, measure in track(each, len(wanted), "factorise", verbose > 0):
        found[candidate.path] = measure
        fixed = wanted[candidate.path]
        if fixed is not None:
            options[candidate.path] = [resolve(candidate, measure, *fixed, round_to=round_to)]
        elif budget is not None:
            options[candidate.path] = find_options(candidate, measure, grids[candidate.path], names)
    chosen = pick(whole, options, {c.path: c for c in candidates}, budget, set(own))
    plans = tuple(
        LayerPlan(
            candidate,
            chosen.get(candidate.path),
            None if candidate.path in chosen else candidate.reason or why_not(options.get(candidate.path), budget),
            found.get(candidate.path),
        )
        for candidate in candidates
    )
    after = total_cost(whole, [(plan.candidate, plan.option) for plan in plans])
    return FactorizationPlan(graph, plans, whole, after, given)


def check_wanted(
    budget: Budget | None, rank: Any, energy: float | None, per_layer: Mapping[keras.Layer | str, Any] | None
) -> None:
    """Raise InputError unless it is said how far to go, in one way."""
    if budget is not None and (rank is not None or energy is not None):
        raise InputError("A budget chooses the ranks; give either a budget, or rank or energy.")
    if budget is None and rank is None and energy is None and not per_layer:
        raise InputError(
            "Nothing says how far to go; give a budget such as Budget(macs=0.5), or rank=0.25, energy=0.9 or "
            "per_layer={'conv_1': 8}."
        )
    if budget is None and not per_layer:
        check_rank(rank, energy)
    if budget is not None and not isinstance(budget, Budget):
        raise InputError(f"The budget is {budget!r}; give a Budget, such as Budget(macs=0.5), or rank=….")
    network_only(budget)


def resolve(
    candidate: Candidate,
    measure: Measure,
    form: Factorization,
    rank: Any,
    energy: float | None,
    *,
    round_to: int,
) -> Option:
    """Return what a layer becomes with the rank that is asked for."""
    geometry = candidate.geometry
    if geometry is None:
        raise RuntimeError(f"{candidate.path} has no form")
    full = form.full(geometry)
    if isinstance(rank, int) and not isinstance(rank, bool) and rank > max(full):
        rank = full  # one number for all layers: what is smaller than that keeps its full rank
    ranks = find_ranks(form, geometry, rank, energy, metrics=measure.metrics, round_to=round_to)
    return Option(form, ranks, error_of(form, geometry, ranks, measure), candidate.price(form.priced(geometry, ranks)))


def pick(
    whole: Any,
    options: Mapping[str, list[Option]],
    candidates: Mapping[str, Candidate],
    budget: Budget | None,
    fixed: set[str],
) -> dict[str, Option]:
    """Return what each layer becomes; `fixed` ones whatever it costs."""
    if budget is None:
        return {path: own[0] for path, own in options.items() if path in fixed or cheaper(own[0], candidates[path])}
    chosen = {path: options[path][0] for path in fixed if path in options}
    start = total_cost(whole, [(candidates[path], option) for path, option in chosen.items()])
    bounds = budget.absolute(whole)
    free = {path: own for path, own in options.items() if path not in fixed}
    found = allocate(start, free, candidates, bounds)
    if found is None:
        over = LIMITS[next(iter(bounds.excess(start, start)))]
        least = [(candidates[path], min(own, key=lambda o: getattr(o.cost, over))) for path, own in free.items() if own]
        raise InputError(
            f"{budget} can't be met: with the smallest factors of every layer the network has "
            f"{total_cost(start, least)}. Give a larger budget, or more forms or layers."
        )
    return {**chosen, **found}
