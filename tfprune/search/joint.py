"""`tfprune.search.joint`: several structures trained together in one network, the best of which is cut out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.table import Table
from rich.text import Text

from tfprune.arguments import named_arguments
from tfprune.backend import need_tensorflow
from tfprune.console import console, track
from tfprune.cost import Budget, Cost
from tfprune.distillation.teacher import snapshot
from tfprune.errors import InputError
from tfprune.gates.channels import Channels
from tfprune.gates.multiply import Multiplied
from tfprune.granularity import Filter
from tfprune.graph import trace
from tfprune.graph.choice import LayerChoice
from tfprune.numbers import is_integer
from tfprune.recipe.work import Work
from tfprune.refit import Unlabelled, cut_and_refit
from tfprune.search.find_plans import find_plans
from tfprune.search.plan import Plan
from tfprune.search.plans import Plans
from tfprune.search.tuning import BATCH, taught, tuned
from tfprune.strategies.base import optimize
from tfprune.strategies.space import Point
from tfprune.surgery import shrink

__all__ = ["Candidate", "Joined", "joint"]

need_tensorflow(__name__)

LOOKED_AT = 600
"""So many plans are estimated to find candidates."""

GROWN = 0.5
"""The part of the training in which smaller and smaller candidates join."""


@dataclass(frozen=True)
class Candidate:
    """A structure that was trained along.

    Args:
        plan: Which channels it has not got.
        cost: What it costs.
        fits: Whether it is within the budget; others lead the way there.
        error: Its error on the validation data, cut out of the common network and repaired; None of those that do not
            fit.
    """

    plan: Plan = field(repr=False)
    cost: Cost
    fits: bool
    error: float | None = None


@dataclass(frozen=True)
class Joined:
    """The result of a joint training.

    Args:
        model: The best candidate, cut out, repaired and trained on.
        best: Which one it is.
        candidates: All of them, the largest first.
        whole: The error of the whole network on the validation data.
        before: The best candidate's error before the last training.
        after: And after it.

    Example:
        >>> small = Candidate(Plan({"conv": [0, 1]}), Cost(200, 800, 2_500), fits=True, error=0.12)
        >>> large = Candidate(Plan(), Cost(400, 1_600, 9_000), fits=False)
        >>> found = Joined(keras.Sequential(), small, (large, small), whole=0.1, before=0.12, after=0.11)
        >>> found.best.plan.remove, found.best.cost.macs, [one.fits for one in found.candidates]
        ({'conv': [0, 1]}, 2500, [False, True])
    """

    model: keras.Model = field(repr=False)
    best: Candidate
    candidates: tuple[Candidate, ...] = field(repr=False)
    whole: float
    before: float
    after: float

    def table(self) -> Table:
        """Return a rich table of the candidates."""
        title = f"joint: error {self.whole:.4g} whole -> {self.before:.4g} cut out -> {self.after:.4g} trained on"
        table = Table(title=Text(title), title_justify="left", title_style="")
        for name in ("parameters", "MACs", "error"):
            table.add_column(name, justify="right")
        table.add_column("")
        for one in self.candidates:
            error = "" if one.error is None else f"{one.error:.4g}"
            mark = "best" if one is self.best else "" if one.fits else "on the way"
            table.add_row(f"{one.cost.parameters:,}", f"{one.cost.macs:,}", error, mark)
        return table


@named_arguments()
def joint(
    model: keras.Model,
    train: Any,
    val: Any,
    budget: Budget,
    *,
    candidates: int = 6,
    epochs: int = 3,
    tune_epochs: int = 1,
    levels: int = 8,
    samples: int = 1024,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    round_to: int | None = None,
    min_channels: int | Mapping[keras.Layer | str, int] = 1,
    seed: int = 0,
    verbose: int = 1,
) -> Joined:
    """Train several structures together as parts of one network, cut out the best and train it on.

    1. Selection: the best plans within the budget that differ, by what they are thought to lose; and some larger ones
       along the greedy path.
    2. Initialisation: all share the weights of a copy of the network, each through a mask of its own.
    3. Optimisation: each batch trains one of them, with the whole network as the teacher. Larger ones come first, and
       smaller and smaller ones join (progressive shrinking; Cai et al., "Once-for-All", 2020).
    4. Cutting: each that fits is cut out of the common network and repaired without labels; the best on `val` wins.
    5. Fine-tuning: it is trained on by itself.

    Args:
        model: A built model, compiled with a loss and metrics.
        train: Training data with labels: anything `fit` takes.
        val: Data with labels to judge on.
        budget: What the network may cost.
        candidates: How many structures within the budget are trained together.
        epochs: How long that is.
        tune_epochs: How long the winner is trained on; 0 leaves that out.
        levels: How many numbers of channels each group chooses from.
        samples: How many samples of `train` channels are chosen and repaired with, without their labels.
        layers: Only channels that these layers make.
        skip: None that these layers make.
        round_to: Kept channels are a multiple of this; by default 1, and with latencies what is fast here.
        min_channels: No group keeps fewer.
        seed: Seed of everything that draws random numbers.
        verbose: 1 prints what is done, 0 nothing.

    Returns:
        The best candidate, and what each is worth.

    Raises:
        InputError: If an argument is not one of the allowed values, the model is not compiled, or the budget can't be
            met.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3), keras.layers.Conv2D(16, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        >>> data = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32"), np.arange(64) % 2
        >>> found = joint(model, data, data, Budget(macs=0.5), candidates=2, epochs=1, verbose=0)
        >>> found.best.cost.macs <= tfprune.cost.CostModel(tfprune.graph.trace(model)).whole.macs / 2
        True
    """
    for name, value, least in (("candidates", candidates, 1), ("epochs", epochs, 1), ("tune_epochs", tune_epochs, 0)):
        if not is_integer(value) or value < least:
            raise InputError(f"{name} is {value!r}; give an int from {least}.")
    if not isinstance(budget, Budget):
        raise InputError(f"The budget is {budget!r}; give a Budget, such as Budget(macs=0.5).")
    tell = print if verbose else (lambda line: None)
    work = Work(
        model, model, train, val, Path(tempfile.gettempdir()), seed=seed, batch_size=BATCH, metric=None, floor=None,
        tell=lambda line: None, verbose=0,
    )  # fmt: skip
    plans, given = find_plans(
        model, train, budget, choose_from=("channels",), levels=levels, samples=samples, layers=layers, skip=skip,
        round_to=round_to, min_channels=min_channels, seed=seed, verbose=verbose,
    )  # fmt: skip
    points = [*on_the_way(plans, candidates // 2), *different(plans, candidates, seed)]
    points = sorted(dict.fromkeys(points), key=lambda point: -plans.cost(point).macs)
    chosen = [Candidate(plans.plan(point), plans.cost(point), plans.space.allowed(point)) for point in points]
    tell(f"tfprune: {len(chosen)} structures are trained together for {epochs} epochs")
    common = snapshot(model)
    train_together(common, model, chosen, work, train, epochs=epochs, seed=seed)
    work.compile(common)
    judged: list[Candidate] = []
    models: dict[int, keras.Model] = {}
    for one in track(chosen, len(chosen), "cut out", verbose > 0):
        if one.fits:
            models[len(judged)], error = cut_out(common, one.plan, given, work, seed)
            one = Candidate(one.plan, one.cost, one.fits, error)
        judged.append(one)
    errors = {n: float(judged[n].error or 0.0) for n in models}
    best = min(errors, key=lambda n: errors[n])
    before = errors[best]
    made, after = models[best], before
    if tune_epochs:
        trained = tuned(made, model, work, train, epochs=tune_epochs, seed=seed)
        if error_of(work, trained) <= before:
            made, after = trained, error_of(work, trained)
    result = Joined(made, judged[best], tuple(judged), error_of(work, model), before, after)
    if verbose:
        console().print(result.table())
    return result


def on_the_way(plans: Plans, count: int) -> list[Point]:
    """Return points of the greedy path that lie between the whole network and the budget."""
    over = [point for point in plans.space.way if not plans.space.allowed(point)]
    return [over[round(n)] for n in np.linspace(0, len(over) - 1, min(count, len(over)))] if over else []


def different(plans: Plans, count: int, seed: int) -> list[Point]:
    """Return the best points within the budget, each at least two levels from those before it where there are such."""
    found = optimize(
        "evolution", plans.space, lambda point: (plans.loss(point),), trials=LOOKED_AT, seed=seed
    )  # fmt: skip
    order = sorted(range(len(found.points)), key=lambda n: found.values[n])
    allowed = [found.points[n] for n in order if plans.space.allowed(found.points[n])]
    kept: list[Point] = []
    for apart in (3, 2, 1):
        for point in allowed:
            if len(kept) == count:
                return kept
            if all(sum(abs(a - b) for a, b in zip(point, other, strict=True)) >= apart for other in kept):
                kept.append(point)
    return kept


def train_together(
    common: keras.Model,
    teacher: keras.Model,
    candidates: Sequence[Candidate],
    work: Work,
    train: Any,
    *,
    epochs: int,
    seed: int,
) -> None:
    """Train one network so that each candidate is good as a part of it."""
    channels = Channels(common, 0.5, Filter())
    multiplied = Multiplied(common, channels.gated(), channels.count, tf.distribute.get_strategy())
    starts = dict(zip(channels.names, np.cumsum([0, *channels.names.values()]), strict=False))
    masks = []
    for one in candidates:
        mask = np.ones(channels.count)
        for name, numbers in one.plan.remove.items():
            if name in starts:
                mask[starts[name] + np.asarray(numbers)] = 0.0
        masks.append(mask)
    multiplied.attach()
    try:
        taught(common, teacher, work, train, epochs=epochs, seed=seed, callbacks=[Turns(multiplied, masks, seed)])
    finally:
        multiplied.detach()


class Turns(keras.callbacks.Callback):  # type: ignore[misc]
    """Has each batch train one of the candidates.

    Args:
        multiplied: The gates.
        masks: Which gates of each are open, the largest first.
        seed: Seed of whose turn it is.
    """

    def __init__(self, multiplied: Multiplied, masks: Sequence[Any], seed: int) -> None:
        super().__init__()
        self._multiplied, self._masks = multiplied, masks
        self._rng = np.random.default_rng(seed)
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Count epochs."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Open the gates of the next one."""
        steps = self.params.get("steps") or 1
        part = (self._epoch + batch / steps) / max(self.params.get("epochs", 1), 1)
        joined = min(len(self._masks), 1 + int(part / GROWN * len(self._masks)))
        self._multiplied.assign(self._masks[int(self._rng.integers(joined))])


def cut_out(common: keras.Model, plan: Plan, given: Unlabelled, work: Work, seed: int) -> tuple[keras.Model, float]:
    """Return a candidate cut out of the common network and repaired, if that helps; and its error."""
    graph = trace(common)
    gone = [int(x) for name, numbers in plan.remove.items() for x in graph.group(name).labels[list(numbers)]]
    result = cut_and_refit(graph, gone, given.samples, seed=seed)
    plain = shrink(common, dict(plan.remove))
    options = [(error_of(work, made), n, made) for n, made in enumerate((result.model, plain))]
    error, _, made = min(options)
    return made, error


def error_of(work: Work, model: keras.Model) -> float:
    """Return a network's error on the validation data."""
    _, value, more = work.score(work.measure(model))
    return 1.0 - value if more else value
