"""All that is known of a network's channels before a budget is: any number of plans can be made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.cost import Budget
from tfprune.graph import ChannelGroup, Graph
from tfprune.latency.network import NetworkLatency
from tfprune.pruning.channels.allocation import Allocation, best_channels
from tfprune.pruning.channels.greedy import greedy_counts
from tfprune.pruning.channels.latency import within_latency
from tfprune.pruning.channels.limits import Limits
from tfprune.pruning.channels.plan import ChannelPlan, GroupPlan
from tfprune.refit import Curve
from tfprune.refit.unlabelled import Unlabelled

__all__ = ["Prepared"]


@dataclass(frozen=True)
class Prepared:
    """The channel groups of a network, scored.

    Args:
        graph: The network.
        groups: All groups, also those that stay whole.
        scores: The scores of the channels of each group that can be cut, in their order.
        curves: What the channels of each group cost, by its name; only where data told.
        limits: How many channels a group may keep.
        allocation: Chooses how many channels each group keeps.
        timing: What the network takes on a device; None if nobody asks for that.
        given: The data that told.
        greedy: Whether a budget is met by the cheapest cuts, one after the other.
    """

    graph: Graph
    groups: Sequence[ChannelGroup]
    scores: Sequence[NDArray[np.floating[Any]]]
    curves: Mapping[str, Curve]
    limits: Limits
    allocation: Allocation
    timing: NetworkLatency | None
    given: Unlabelled | None
    greedy: bool

    def plan(self, budget: Budget | float | None, *, greedy: bool | None = None) -> ChannelPlan:
        """Return the plan that meets a budget, or removes a fraction.

        Args:
            budget: What the network may cost, or the fraction of channels to remove.
            greedy: Whether a budget is met by the cheapest cuts; None is as it was prepared.

        Raises:
            InputError: If the budget can't be met.
        """
        allocation, greedy = self.allocation, self.greedy if greedy is None else greedy
        prunable = [group for group in self.groups if group.prunable]

        def count(bounds: Budget) -> list[int]:
            if greedy:
                fixed = allocation.fixed()
                found = greedy_counts(
                    self.graph, allocation.costs, list(self.curves.values()), self.limits, fixed, bounds
                )
                if found is not None:
                    return [found[group.name] for group in prunable]
            return allocation.by_budget(bounds)

        short = 0
        if isinstance(budget, Budget):
            counts, after = within_latency(allocation, budget, self.timing, count)
        else:
            counts, short = allocation.by_sparsity(budget or 0.0), allocation.short(budget or 0.0)
            after = allocation.cost(counts)
        keep = {
            group.name: best_channels(own_scores, count)
            for group, own_scores, count in zip(prunable, self.scores, counts, strict=True)
        }
        plans = [GroupPlan(group, keep.get(group.name, np.ones(group.size, dtype=bool))) for group in self.groups]
        return ChannelPlan(self.graph, tuple(plans), allocation.costs.whole, after, self.curves, self.given, short)
