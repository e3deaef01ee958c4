"""From a model and samples to all plans that a search chooses among."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune.console import track
from tfprune.cost import Budget
from tfprune.cost.budget import network_only
from tfprune.errors import InputError, nearest
from tfprune.factorization.choices import all_forms, choose, find_forms, timed
from tfprune.factorization.options import find_grid, find_options, operations_of
from tfprune.factorization.survey import candidates_of, measures
from tfprune.graph import Graph, trace
from tfprune.graph.choice import LayerChoice
from tfprune.latency import LatencyTable, NetworkLatency, parts_of
from tfprune.numbers import is_integer
from tfprune.pruning.channels.filters import prepare
from tfprune.pruning.channels.latency import fast_multiple
from tfprune.refit import Network, Unlabelled
from tfprune.search.choices import WIDTHS, ChannelChoice, FormChoice, PrecisionChoice, channel_choice, form_choice
from tfprune.search.plans import Plans
from tfprune.search.precision import precision_choice

__all__ = ["KINDS", "find_plans"]

KINDS = ("channels", "forms")
"""What can be chosen besides the precision."""


def find_plans(
    model: keras.Model,
    data: Any,
    budget: Budget | None = None,
    *,
    choose_from: Sequence[str] = KINDS,
    precisions: Sequence[str] = ("float32",),
    form: Any = None,
    levels: int = 8,
    latency: bool = False,
    samples: int = 1024,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    round_to: int | None = None,
    min_channels: int | Mapping[keras.Layer | str, int] = 1,
    seed: int = 0,
    verbose: int = 0,
) -> tuple[Plans, Unlabelled]:
    """Return the plans of a model, and the samples that told what they lose.

    Args:
        model: A built model of any kind.
        data: Samples of what the model is used on; labels are put aside.
        budget: What the network may cost.
        choose_from: What is chosen: `"channels"` that each group keeps, `"forms"` of factorisation of each layer.
        precisions: The precisions to choose from; the first is that of the whole network. Where int8 is the only one,
            latencies are those of int8 operations.
        form: The forms to choose from; by default all of `tfprune.factorization.FORMS`.
        levels: How many levels each choice has at most.
        latency: Whether latencies are asked for although the budget has no bound of them.
        samples: How many samples are used at most.
        layers: Only these layers.
        skip: None of these.
        round_to: Kept channels and ranks are multiples of this; by default 1, and where latencies are asked for what
            measurements show to be fast here (mostly 8 or 16), at most half of the smallest group.
        min_channels: No group keeps fewer.
        seed: Seed of the choice of rows that layers are seen with.
        verbose: 1 shows progress bars on a terminal.

    Raises:
        InputError: If an argument is not one of the allowed values, there is nothing to choose, or no plan meets the
            budget.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3, name="a"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> images = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")
        >>> plans, _ = find_plans(model, images, Budget(macs=0.5), choose_from=["channels"], levels=4)
        >>> print(plans.plan(plans.space.start))
        a: 10 channels fewer; float32
    """
    check(budget, choose_from, precisions, levels)
    given = Unlabelled(model, data, samples)
    stored = "int8" if tuple(precisions) == ("int8",) else None
    by_time = latency or (budget is not None and budget.latency is not None)
    if round_to is None and by_time:
        whole = trace(model)
        of_whole = NetworkLatency(whole, LatencyTable(quantize=stored), progress=verbose > 0)
        of_whole.prepare()
        round_to = fast_multiple(of_whole, whole.groups)
    round_to = 1 if round_to is None else round_to
    prepared = prepare(
        model, Budget(macs=0.5), data=data, samples=samples, layers=layers, skip=skip, round_to=round_to,
        min_channels=min_channels, seed=seed, verbose=verbose,
    ) if "channels" in choose_from else None  # fmt: skip
    graph = Graph(model) if prepared is None else prepared.graph
    timing = None
    if by_time:
        timing = NetworkLatency(graph, LatencyTable(quantize=stored), progress=verbose > 0)
        timing.prepare()
    choices: list[ChannelChoice | FormChoice | PrecisionChoice] = []
    if prepared is not None:
        found = [channel_choice(curve, prepared.limits, levels) for curve in prepared.curves.values()]
        choices += [choice for choice in found if choice is not None]
    if "forms" in choose_from:
        choices += form_choices(graph, given, timing, form, layers, skip, levels, round_to, seed, verbose)
    if len(precisions) > 1:
        choices.append(precision_choice(model, given, tuple(precisions), by_time))
    if not choices:
        raise InputError(f"There is nothing to choose in {model.name!r}; give other layers or kinds of choices.")
    plans = Plans(graph, choices, budget, timing)
    plans.check()
    return plans, given


def check(budget: Any, choose_from: Any, precisions: Any, levels: Any) -> None:
    """Check what can be checked without the model.

    Raises:
        InputError: If one of them is not one of the allowed values.
    """
    if budget is not None and not isinstance(budget, Budget):
        raise InputError(f"The budget is {budget!r}; give a Budget, such as Budget(latency=0.5).")
    network_only(budget)
    if budget is not None and budget.quantize is not None:
        raise InputError(f"{budget} says how the file is stored; a search takes that as precisions=('int8',).")
    for value in choose_from:
        if value not in KINDS:
            raise InputError(f"Unknown kind of choice {value!r}. {nearest(value, KINDS)}")
    for value in precisions:
        if value not in WIDTHS:
            raise InputError(f"Unknown precision {value!r}. {nearest(value, WIDTHS)}")
    if not precisions or len(set(precisions)) != len(precisions):
        raise InputError(f"precisions is {precisions!r}; give each once, as ('float32', 'int8').")
    if not is_integer(levels) or levels < 2:
        raise InputError(f"levels is {levels!r}; give an int from 2.")


def form_choices(
    graph: Graph,
    given: Unlabelled,
    timing: NetworkLatency | None,
    form: Any,
    layers: Any,
    skip: Any,
    levels: int,
    round_to: int,
    seed: int,
    verbose: int,
) -> list[FormChoice]:
    """Return the choices of forms, one for each layer that has any that pays."""
    forms = find_forms(form) or all_forms()
    parts = {id(part.layer): part for part in parts_of(graph) if part.layer is not None}
    names = Counter(node.operation.name for node in {id(node.operation): node for node in graph.nodes}.values())
    open_ones = [
        candidate
        for candidate in choose(graph, candidates_of(graph), layers, skip)
        if candidate.reason is None and id(candidate.layer) in parts and names[candidate.layer.name] == 1
    ]
    counted = ["macs"] if timing is None else ["macs", "latency"]
    if timing is not None:
        open_ones = [one for one in (timed(candidate, timing) for candidate in open_ones) if one.reason is None]
    grids = {one.path: find_grid(one, forms, ["macs"], (round_to,)) for one in open_ones}
    if timing is not None:
        timing.table.measure(
            (operation for one in open_ones for operation in operations_of(one, grids[one.path])), progress=verbose > 0
        )
    each = measures(graph, open_ones, given.samples, seed=seed, network=Network(graph))
    found = []
    for candidate, measure in track(each, len(open_ones), "factorise", verbose > 0):
        options = find_options(candidate, measure, grids[candidate.path], counted)
        choice = form_choice(candidate, parts[id(candidate.layer)], options, levels)
        if choice is not None:
            found.append(choice)
    order = {id(candidate.layer): n for n, candidate in enumerate(open_ones)}
    return sorted(found, key=lambda choice: order[id(choice.candidate.layer)])
