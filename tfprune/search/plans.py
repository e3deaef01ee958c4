"""All plans of a network that a search chooses among, what each costs, and what it is thought to lose."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.cost import Budget, Cost, CostModel
from tfprune.cost.budget import LIMITS
from tfprune.cost.memory import ActivationMemory
from tfprune.errors import InputError
from tfprune.factorization.allocation import changed
from tfprune.graph import Graph
from tfprune.latency import NetworkLatency
from tfprune.search.choices import WIDTHS, ChannelChoice, FormChoice, PrecisionChoice
from tfprune.search.plan import Plan
from tfprune.strategies.path import greedy_path
from tfprune.strategies.space import Point, Space

__all__ = ["Plans"]

REMEMBERED = 200_000


class Plans:
    """The plans that some choices allow.

    `tfprune.search.find_plans` makes one of a model.

    Args:
        graph: The network.
        choices: What there is to choose.
        budget: What the network may cost; None if that is open.
        timing: What it takes on this machine; None if nobody asks for that.

    Attributes:
        graph: The network.
        choices: What there is to choose.
        whole: What the network costs as it is.

    Example:
        >>> from tfprune.search import find_plans
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"), keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
        >>> plans, _ = find_plans(model, x, Budget(macs=0.5), choose_from=["channels"], levels=4)
        >>> plans.space.names, plans.whole.macs
        (('channels of a',), 160)
        >>> print(plans.plan(plans.space.start))
        a: 10 channels fewer; float32
        >>> plans.cost(plans.space.start).macs
        60
    """

    def __init__(
        self,
        graph: Graph,
        choices: Sequence[ChannelChoice | FormChoice | PrecisionChoice],
        budget: Budget | None,
        timing: NetworkLatency | None = None,
    ) -> None:
        self.graph, self.choices, self.timing = graph, tuple(choices), timing
        self._model = CostModel(graph, timing)
        self._memory = ActivationMemory(graph)
        self.whole = self._model.whole
        self._bounds = {} if budget is None else budget.bounds(self.whole)
        self._costs: dict[Point, Cost] = {}
        self._forms: dict[tuple[str, int, float, float], tuple[Cost, Cost]] = {}

    @cached_property
    def space(self) -> Space:
        """The choices as a space, with the greedy path."""
        names = tuple(choice.name for choice in self.choices)
        losses = tuple(choice.losses for choice in self.choices)
        path = greedy_path(losses, self.part if self._bounds else lambda point: self._share(point))
        return Space(names, tuple(map(len, losses)), self.part if self._bounds else None, losses, path)

    def _share(self, point: Point) -> float:
        cost = self.cost(point)
        return cost.macs / max(self.whole.macs, 1) + cost.bytes / max(self.whole.bytes, 1)

    def part(self, point: Point) -> float:
        """Return what part of the budget a plan uses: of the bound that it uses most of."""
        cost = self.cost(point)
        return max(
            (getattr(cost, LIMITS[name]) / max(bound, 1e-12) for name, bound in self._bounds.items()), default=0.0
        )

    def met(self, costs: dict[str, float]) -> bool:
        """Whether costs that have been measured are within the budget."""
        return all(costs[name] <= bound * (1 + 1e-9) for name, bound in self._bounds.items())

    def kept(self, point: Point) -> NDArray[np.bool_]:
        """Return for each label of the graph whether it is kept, bool (labels,)."""
        return self.graph.kept(self.gone(point))

    def gone(self, point: Point) -> list[int]:
        """Return the labels of the channels that go."""
        return [
            int(label)
            for choice, level in zip(self.choices, point, strict=True)
            if isinstance(choice, ChannelChoice) and level
            for label in choice.gone(level)
        ]

    def cost(self, point: Point) -> Cost:
        """Return what the network of a plan costs."""
        if point not in self._costs:
            if len(self._costs) >= REMEMBERED:
                self._costs.clear()
            self._costs[point] = self._price(point)
        return self._costs[point]

    def _price(self, point: Point) -> Cost:
        kept = self.kept(point)
        total = self._model.cost(kept)
        precision = None
        for choice, level in zip(self.choices, point, strict=True):
            if isinstance(choice, FormChoice) and level:
                total = changed(total, *self._of_form(choice, level, *choice.part.channels(kept)))
            elif isinstance(choice, PrecisionChoice):
                precision = choice, level
        return total if precision is None else precision[0].change(precision[1], total)

    def _of_form(self, choice: FormChoice, level: int, inputs: float, outputs: float) -> tuple[Cost, Cost]:
        key = choice.name, level, inputs, outputs
        if key not in self._forms:
            self._forms[key] = choice.price(level, inputs, outputs)
        return self._forms[key]

    def loss(self, point: Point) -> float:
        """Return what a plan is thought to lose: the sum of what its choices do."""
        return float(sum(choice.losses[level] for choice, level in zip(self.choices, point, strict=True)))

    def memory(self, point: Point) -> int:
        """Return the bytes of activations at the fullest moment, for one sample."""
        width = WIDTHS["int8"] if self.plan(point).precision == "int8" else 1.0
        return round(self._memory.peak(self.kept(point)) * width)

    def estimate(self, point: Point) -> dict[str, float]:
        """Return what a plan is thought to lose and to cost, by name, without making it."""
        cost = self.cost(point)
        found = {"error": self.loss(point)}
        found |= {name: getattr(cost, of) for name, of in LIMITS.items() if getattr(cost, of) is not None}
        return {**found, "memory": float(self.memory(point))}

    def plan(self, point: Point) -> Plan:
        """Return what a point stands for."""
        remove: dict[str, list[int]] = {}
        forms: dict[str, tuple[str, tuple[float, ...]]] = {}
        precision = "float32"
        for choice, level in zip(self.choices, point, strict=True):
            if isinstance(choice, PrecisionChoice):
                precision = choice.precisions[level]
            elif level and isinstance(choice, ChannelChoice):
                remove[choice.group.name] = choice.order[: choice.group.size - choice.counts[level]].tolist()
            elif level and isinstance(choice, FormChoice):
                form = choice.options[level - 1].form
                forms[choice.candidate.layer.name] = (name_of(form), choice.fractions[level - 1])
        return Plan(remove, forms, precision)

    def check(self) -> None:
        """Refuse a budget that no plan meets.

        Raises:
            InputError: If there is none; with what the smallest network costs.
        """
        space = self.space
        if space.allowed(space.least):
            return
        least = self.cost(space.least)
        wanted = ", ".join(
            f"{name} ≤ {bound:,.6g}" for name, bound in self._bounds.items() if getattr(least, LIMITS[name]) > bound
        )
        raise InputError(
            f"The budget ({wanted}) can't be met: with the least of all {len(self.choices)} choices the network still "
            f"has {least}. Give a larger budget, more layers, or other kinds of choices."
        )


def name_of(form: Any) -> str:
    """Return the name by which a form of factorisation is known."""
    from tfprune.factorization import factorizations

    return next(
        (name for name in factorizations.names if type(factorizations.get(name)) is type(form)),
        keras.saving.get_registered_name(type(form)),
    )
