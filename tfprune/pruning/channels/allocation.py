"""How many channels each group keeps: by a sparsity, or as many as a budget allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tfprune.cost import Budget, Cost, CostModel
from tfprune.cost.network import Timing
from tfprune.errors import InputError
from tfprune.granularity import Units
from tfprune.graph import ChannelGroup, Graph
from tfprune.pruning.channels.limits import Limits
from tfprune.scope import Global, Scope

__all__ = ["Allocation", "best_channels", "structure_of", "units_of"]

FloatArray = NDArray[np.floating]
HALVINGS = 40


class Allocation:
    """Chooses how many channels each group keeps.

    Args:
        graph: The graph.
        groups: The groups of which something may go.
        scores: Scores of their channels.
        scope: Among which channels the lowest scores are looked for.
        limits: Numbers of channels that a group may keep.
        own: What is wanted of some groups by name: a sparsity as a float, or a number to keep.
        whole: The groups that keep all their channels, with the reason.
        timing: What the network takes on a device, for budgets of latency.
    """

    def __init__(
        self,
        graph: Graph,
        groups: Sequence[ChannelGroup],
        scores: Sequence[FloatArray],
        scope: Scope,
        limits: Limits,
        own: Mapping[str, float | int],
        whole: Sequence[ChannelGroup] = (),
        timing: Timing | None = None,
    ) -> None:
        self.graph = graph
        self.groups = groups
        self.scores = scores
        self.scope = scope
        self.limits = limits
        self.own = own
        self.whole = whole
        self.costs = CostModel(graph, timing)
        self._free = [index for index, group in enumerate(groups) if group.name not in own]
        self._units = [units_of(groups[index], scores[index], limits) for index in self._free]

    def by_sparsity(self, sparsity: float) -> list[int]:
        """Return the numbers of channels to keep so that a fraction of them goes, each rounded to an allowed one."""
        return [
            int(count) if isinstance(self.own.get(group.name), int) else self.limits.nearest(group, count)
            for group, count in zip(self.groups, self._wanted(sparsity), strict=True)
        ]

    def short(self, sparsity: float) -> int:
        """Return how many channels fewer go than a sparsity asks for, as numbers are rounded to allowed ones."""
        more = [kept - wanted for kept, wanted in zip(self.by_sparsity(sparsity), self._wanted(sparsity), strict=True)]
        rest = [int(more[index]) for index, group in enumerate(self.groups) if group.name in self.own]
        return max(0, round(sum(more[index] for index in self._free)) + sum(rest))

    def _wanted(self, sparsity: float) -> list[float]:
        """Return the numbers of channels to keep before they are rounded to allowed ones."""
        kept = [float(group.size) for group in self.groups]
        if self._free:
            chosen = self.scope.keep(self._units, [self.groups[index].size for index in self._free], sparsity)
            for index, keep in zip(self._free, chosen, strict=True):
                kept[index] = float(np.count_nonzero(keep))
        for index, group in enumerate(self.groups):
            if group.name in self.own:
                wanted = self.own[group.name]
                kept[index] = wanted if isinstance(wanted, int) else group.size * (1 - wanted)
        return kept

    def fixed(self) -> dict[str, int]:
        """Return how many channels those groups keep of which a number or a sparsity is wanted, by name."""
        return {
            group.name: wanted if isinstance(wanted, int) else self.limits.nearest(group, group.size * (1 - wanted))
            for group in self.groups
            if (wanted := self.own.get(group.name)) is not None
        }

    def by_budget(self, budget: Budget) -> list[int]:
        """Return the highest numbers of channels to keep that a budget allows.

        The sparsity is halved towards the lowest one that meets the budget. Of the step that is then left, groups are
        cut one by one, the one that loses least first, until the budget is met.

        Raises:
            InputError: If it can't be met.
        """
        most = self.scope.max_sparsity if isinstance(self.scope, Global) else 1.0
        dense, sparse = self.by_sparsity(0.0), self.by_sparsity(most)
        if self._fits(dense, budget):
            return dense
        if not self._fits(sparse, budget):
            raise InputError(self._why_not(budget, sparse))
        low, high = 0.0, most
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            counts = self.by_sparsity(middle)
            if self._fits(counts, budget):
                high, sparse = middle, counts
            else:
                low, dense = middle, counts
        counts = list(dense)
        steps = [index for index in range(len(counts)) if sparse[index] < counts[index]]
        for index in sorted(steps, key=lambda index: self._loss(index, counts[index], sparse[index])):
            counts[index] = sparse[index]
            if self._fits(counts, budget):
                break
        return counts

    def cost(self, counts: Sequence[int]) -> Cost:
        """Return the cost when each group keeps its best channels."""
        return self.costs.cost(self.kept(counts))

    def kept(self, counts: Sequence[int]) -> NDArray[np.bool_]:
        """Return for each label of the graph whether it is kept when each group keeps its best channels."""
        gone = [
            group.labels[~best_channels(scores, count)]
            for group, scores, count in zip(self.groups, self.scores, counts, strict=True)
        ]
        return self.graph.kept(np.concatenate(gone) if gone else [])

    def _fits(self, counts: Sequence[int], budget: Budget) -> bool:
        return budget.met(self.cost(counts), self.costs.whole)

    def _loss(self, index: int, before: int, after: int) -> float:
        lowest = np.sort(self.scores[index])
        size = len(lowest)
        return float(lowest[size - before : size - after].mean())

    def _why_not(self, budget: Budget, counts: Sequence[int]) -> str:
        """Say what the smallest network costs, and what holds it up."""
        smallest, whole = self.cost(counts), self.costs.whole
        over = budget.excess(smallest, whole)
        bounds = budget.bounds(whole)
        wanted = ", ".join(f"{name} ≤ {bounds[name]:,}" for name in over)
        held = sorted(self.whole, key=lambda g: -g.size * sum(entry.weights_per_channel for entry in g.slices))
        reasons = [f"{group.name} ({group.reason})" for group in held[:3]]
        reasons += [f"{name} (asked for)" for name in list(self.own)[:3]]
        least = max(self.limits.min_channels, self.limits.round_to)
        why = f"; what keeps its size: {', '.join(reasons)}" if reasons else ""
        return (
            f"The budget ({wanted}) can't be met: with as few channels as allowed in each of {len(self.groups)} groups "
            f"(at least {least}) the network still has {smallest}{why}. Give a larger budget or looser limits."
        )


def best_channels(scores: FloatArray, count: int) -> NDArray[np.bool_]:
    """Return which channels have the highest scores, bool (channels,); of equal ones the earlier.

    Example:
        >>> best_channels(np.array([1.0, 3.0, 3.0, 2.0]), 2)
        array([False,  True,  True, False])
    """
    kept = np.zeros(len(scores), dtype=bool)
    kept[np.argsort(-scores, kind="stable")[:count]] = True
    return kept


def units_of(group: ChannelGroup, scores: FloatArray, limits: Limits) -> Units:
    """Return the channels of a group as units, each of which counts as one."""
    maker = next((s for s in group.slices if s.role == "output"), group.slices[0])
    shape, least = tuple(maker.variable.shape), int(limits.allowed(group)[0])
    return Units(scores, 1, lambda kept: kept, structure_of(group), shape, least=least)


def structure_of(group: ChannelGroup) -> tuple[object, ...]:
    """Return what a group is like: two groups of the same structure compare well.

    As in Fang et al., "Isomorphic Pruning for Vision Models" (2024): the kinds of the kernels that make and read it.
    """
    return (group.kind, *sorted({(s.role, len(s.variable.shape), s.axis) for s in group.slices if s.role != "pass"}))
