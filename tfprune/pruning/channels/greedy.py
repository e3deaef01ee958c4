"""Greedy allocation: always the cut that costs least for what it saves, until a budget is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tfprune.cost import Budget, CostModel
from tfprune.cost.budget import LIMITS
from tfprune.graph import ChannelGroup, Graph
from tfprune.pruning.channels.limits import Limits
from tfprune.refit import Curve

__all__ = ["greedy_counts", "summed_costs"]

AHEAD = 8
"""So many cuts of a group are looked at together, as a costly one may come before cheap ones."""

CUTS = 64
"""A group is cut down in so many steps at most."""

SHARED = 2.0
"""What channels cost that several layers write to, as those of a shortcut are, over what their readers see of it: the
error goes on along the shortcut. Chosen on a public ResNet-20, which keeps more at equal cost with it than without."""


def greedy_counts(
    graph: Graph, costs: CostModel, curves: Sequence[Curve], limits: Limits, fixed: Mapping[str, int], budget: Budget
) -> dict[str, int] | None:
    """Return how many channels each group keeps.

    Each step takes the channels of one group that add least to the error for what they save of the budget's bounds that
    are still exceeded.

    Args:
        graph: The graph.
        costs: Its cost.
        curves: What the channels of each group cost, in the order in which they go.
        limits: Numbers of channels that a group may keep.
        fixed: How many channels some groups keep, by name; they are cut first.
        budget: What the network may cost.

    Returns:
        Channels to keep by the name of the group; None if the budget can't be met.
    """
    tracks = [_Track(curve, limits, fixed.get(curve.group.name)) for curve in curves]
    removed = [label for track in tracks for label in track.gone()]
    while True:
        kept = graph.kept(removed)
        over = budget.excess(costs.cost(kept), costs.whole)
        if not over:
            return {track.group.name: track.count for track in tracks}
        shares = costs.shares(kept)
        saving = np.sum([shares[LIMITS[name]] / excess for name, excess in over.items()], axis=0)
        best = min(tracks, key=lambda track: track.price(saving), default=None)
        if best is None or not best.open:
            return None
        removed += best.cut()


def summed_costs(curve: Curve) -> NDArray[np.float64]:
    """Return what it costs when so many channels of a group go, float (channels + 1,)."""
    writers = sum(entry.role == "output" for entry in curve.group.slices)
    found: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(curve.costs)]) * (SHARED if writers > 1 else 1.0)
    return found


class _Track:
    """One group on its way down.

    Args:
        curve: What its channels cost.
        limits: Numbers of channels that it may keep.
        fixed: How many it has to keep; None if that is free.
    """

    def __init__(self, curve: Curve, limits: Limits, fixed: int | None) -> None:
        self.group: ChannelGroup = curve.group
        self.order = curve.order
        self.sums = summed_costs(curve)
        allowed = limits.allowed(self.group)[::-1]
        allowed = allowed[:: max(1, -(-len(allowed) // CUTS))] if len(allowed) > CUTS else allowed
        self.steps: list[int] = [self.group.size, fixed] if fixed is not None else [int(count) for count in allowed]
        self.at = 1 if fixed is not None else 0
        self.ahead = self._look()

    @property
    def count(self) -> int:
        """How many channels it keeps."""
        return self.steps[self.at]

    @property
    def open(self) -> bool:
        """Whether it can be cut further."""
        return self.at + 1 < len(self.steps)

    def gone(self) -> list[int]:
        """Return the labels of the channels that it has lost."""
        return [int(label) for label in self.group.labels[self.order[: self.group.size - self.count]]]

    def price(self, saving: NDArray[np.floating]) -> float:
        """Return what the next cut costs for what it saves."""
        if not self.open:
            return np.inf
        each = float(saving[self.group.labels[self.order[self.group.size - self.count]]])
        return self.ahead[1] / each if each > 0 else np.finfo(float).max

    def cut(self) -> list[int]:
        """Make the next cut; return the labels of the channels that go."""
        before = self.group.size - self.count
        self.at += self.ahead[0]
        after = self.group.size - self.count
        self.ahead = self._look()
        return [int(label) for label in self.group.labels[self.order[before:after]]]

    def _look(self) -> tuple[int, float]:
        """Return how many steps down the next cut goes, and what each of its channels costs."""
        now = self.group.size - self.count
        further = [self.group.size - count for count in self.steps[self.at + 1 : self.at + 1 + AHEAD]]
        if not further:
            return 0, np.inf
        each = [(self.sums[gone] - self.sums[now]) / (gone - now) for gone in further]
        best = int(np.argmin(each))
        return best + 1, float(each[best])
