"""Removing channels in steps, with training in between and an accuracy below which nothing is removed any more."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from tfprune.arguments import named_arguments
from tfprune.cost import Budget, Cost
from tfprune.cost.budget import LIMITS, as_arguments
from tfprune.errors import InputError
from tfprune.graph.choice import LayerChoice, inside
from tfprune.graph.tree import walk
from tfprune.numbers import is_integer, is_real
from tfprune.pruning.channels.filters import OTHER_NAMES, plan_filters
from tfprune.pruning.channels.plan import ChannelPlan
from tfprune.shown import Shown

__all__ = ["IterativeResult", "Step", "prune_iteratively"]


@dataclass(frozen=True)
class Step:
    """One removal: what the network cost then, how good it was before and after its training, and whether it stayed.

    Args:
        cost: What the network costs.
        before: Its score right after the removal.
        after: Its score after the training that followed.
        kept: Whether it was good enough.
    """

    cost: Cost
    before: float
    after: float
    kept: bool


@dataclass(frozen=True)
class IterativeResult(Shown):
    """What came of removing channels in steps.

    Args:
        model: The last network that was good enough.
        steps: All removals, in order; if the last was not kept, it is the one that went too far.
        score: The score of the model that was given.
        whole: What that model costs.

    Example:
        >>> steps = (Step(Cost(300, 1_200, 5_000), before=0.8, after=0.9, kept=True),
        ...          Step(Cost(200, 800, 2_500), before=0.5, after=0.7, kept=False))
        >>> result = IterativeResult(keras.Sequential(), steps, score=0.91, whole=Cost(400, 1_600, 9_000))
        >>> result.reached
        False
        >>> print(result)
          whole             9,000 MACs            400 parameters  score 0.9100
          step 1            5,000 MACs            300 parameters  score 0.8000 -> 0.9000
          step 2            2,500 MACs            200 parameters  score 0.5000 -> 0.7000  below the floor: taken back
    """

    model: keras.Model = field(repr=False)
    steps: tuple[Step, ...]
    score: float
    whole: Cost

    @property
    def reached(self) -> bool:
        """Whether the budget was reached."""
        return all(step.kept for step in self.steps)

    def __str__(self) -> str:
        lines = [
            f"  whole   {self.whole.macs:>15,} MACs  {self.whole.parameters:>13,} parameters  score {self.score:.4f}"
        ]
        for number, step in enumerate(self.steps, 1):
            lines.append(
                f"  step {number:<2} {step.cost.macs:>15,} MACs  {step.cost.parameters:>13,} parameters  "
                f"score {step.before:.4f} -> {step.after:.4f}{'' if step.kept else '  below the floor: taken back'}"
            )
        return "\n".join(lines)


@named_arguments(**OTHER_NAMES)
def prune_iteratively(
    model: keras.Model,
    budget: Budget,
    *,
    fit: Callable[[keras.Model], Any],
    evaluate: Callable[[keras.Model], float],
    floor: float | None = None,
    steps: int = 4,
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
    verbose: int = 1,
) -> IterativeResult:
    """Remove channels in steps, train after each, and stop before the network gets worse than a floor.

    Each step leaves the same fraction of what the one before left. A step whose network scores below the floor even
    after its training is taken back, and the last good network is returned. The given model is only read.

    Args:
        model: A built model, trained and compiled.
        budget: What the network may cost in the end.
        fit: Trains a network in place: `lambda m: m.fit(x, y, epochs=2)`. It is compiled as the given model is.
        evaluate: Returns a network's score, higher is better: `lambda m: m.evaluate(x, y, verbose=0)[1]`.
        floor: The lowest score allowed; None allows any.
        steps: Number of removals.
        data: Samples on which the channels are chosen; see `plan_filters`.
        samples: How many of them are used at most.
        criterion: What makes a channel matter; see `plan_filters`.
        scope: Among which channels the lowest scores are looked for; see `plan_filters`.
        layers: Only channels that these layers make (objects, types, names, paths).
        skip: No channels that these layers make.
        per_layer: For the channels that a layer makes: the fraction to remove as a float, or the number to keep.
        round_to: Kept channels are a multiple of this, or all that there are; see `plan_filters`.
        min_channels: No group keeps fewer; or how many those keep at least that some layers make.
        seed: Seed of criteria that draw random numbers, and of the choice of rows that layers are seen with.
        verbose: 1 prints each step, 0 nothing.

    Returns:
        The last good network, and what each step did.

    Raises:
        InputError: If an argument is not one of the allowed values, the budget can't be met, or the given model scores
            below the floor already.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(16, 3), keras.layers.Flatten(),
        ...                           keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> x, y = np.ones((8, 8, 8, 1)), np.ones((8, 2))
        >>> result = prune_iteratively(model, Budget(macs=0.5), steps=2, verbose=0, floor=-100.0,
        ...                            fit=lambda m: m.fit(x, y, verbose=0),
        ...                            evaluate=lambda m: -m.evaluate(x, y, verbose=0))
        >>> result.reached, result.model.layers[1].filters
        (True, 8)
    """
    if not isinstance(budget, Budget):
        raise InputError(f"{budget!r} is not a budget; give one such as Budget(macs=0.5).")
    if not is_integer(steps) or steps < 1:
        raise InputError(f"steps is {steps!r}; give an int from 1.")
    if floor is not None and not is_real(floor):
        raise InputError(f"floor is {floor!r}; give a number, or None for no floor.")
    plan_of = functools.partial(
        plan_filters, data=data, samples=samples, criterion=criterion, scope=scope, round_to=round_to, seed=seed
    )
    asked: dict[str, Any] = {"layers": layers, "skip": skip, "per_layer": per_layer, "min_channels": min_channels}
    final = plan_of(model, budget, **asked)  # refuses what can't be met before any training
    asked = later(final, **asked)
    score = checked(evaluate(model))
    if floor is not None and score < floor:
        raise InputError(f"The given model scores {score:g}, below the floor of {floor:g}; give a lower floor.")
    good, done = model, []
    ends = budget.absolute(final.before)  # fractions would be of what the last step has left
    bounds = {name: end / getattr(final.before, LIMITS[name]) for name, end in budget.bounds(final.before).items()}
    for number in range(1, steps + 1):
        part = {name: getattr(final.before, LIMITS[name]) * f ** (number / steps) for name, f in bounds.items()}
        aim = ends if number == steps else replace(ends, **as_arguments(part))
        plan = plan_of(good, aim, **asked)
        candidate = plan.apply(optimizer=True)
        before = checked(evaluate(candidate))
        fit(candidate)
        after = checked(evaluate(candidate))
        done.append(Step(plan.after, before, after, floor is None or after >= floor))
        if verbose:
            print(str(IterativeResult(good, tuple(done), score, final.before)).splitlines()[-1].strip())
        if not done[-1].kept:
            break
        good = candidate
    return IterativeResult(good, tuple(done), score, final.before)


def later(
    plan: ChannelPlan,
    layers: Sequence[LayerChoice] | None,
    skip: Sequence[LayerChoice] | None,
    per_layer: Mapping[keras.Layer | str, float | int] | None,
    min_channels: int | Mapping[keras.Layer | str, int],
) -> dict[str, Any]:
    """Return what is asked of some layers in words that hold for the smaller networks too.

    These have layers of their own with the names of the old ones, and a fraction of what they have is another number.
    """
    everything = dict(walk(plan.graph.model))
    makers = {path for own in plan.groups for path in own.group.layers}
    operations = {node.path: node.operation for node in plan.graph.nodes if node.path in makers}

    def names(choices: Iterable[LayerChoice]) -> list[str]:
        chosen = inside(everything, choices)
        return [operation.name for operation in operations.values() if id(operation) in chosen]

    kept = {operations[path].name: own.kept for own in plan.groups for path in own.group.layers}
    return {
        "layers": None if layers is None else names(layers),
        "skip": None if skip is None else names(skip),
        "per_layer": {name: kept[name] for choice in per_layer or {} for name in names([choice])} or None,
        "min_channels": {name: count for choice, count in min_channels.items() for name in names([choice])}
        if isinstance(min_channels, Mapping)
        else min_channels,
    }


def checked(score: Any) -> float:
    """Return a score as a float, refusing what is none."""
    value = np.asarray(score)
    if value.size != 1 or not np.isfinite(value).all():
        raise InputError(f"evaluate returned {score!r}; let it return one finite number, such as an accuracy.")
    return float(value.reshape(-1)[0])
