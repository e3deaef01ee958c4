"""Budgets of latency: how many channels each group keeps so that what is left is fast enough on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from tfprune.cost import Budget, Cost
from tfprune.cost.budget import as_arguments
from tfprune.errors import InputError
from tfprune.granularity import Filter
from tfprune.graph import ChannelGroup, Graph
from tfprune.latency import LatencyTable, NetworkLatency
from tfprune.pruning.channels.allocation import Allocation
from tfprune.pruning.channels.limits import Limits

__all__ = ["fast_multiple", "find_timing", "limits_of", "within_latency"]

TRIALS = 12
CLOSER = 0.995
"""By how much more than needed a bound is drawn in, further each time: single operations are no smooth function."""

NEAR = 0.98
"""From this part of what a network may take on, nothing is given back to it."""

GIVEN_BACK = 4
"""So often channels are given back."""


def find_timing(graph: Graph, budget: Any, *, progress: bool = False) -> NetworkLatency | None:
    """Return what a network takes with fewer channels; None if the budget has no bound of latency."""
    if not isinstance(budget, Budget) or budget.latency is None:
        return None
    timing = NetworkLatency(graph, LatencyTable(quantize=budget.quantize), progress=progress)
    timing.prepare()
    return timing


def fast_multiple(timing: NetworkLatency, groups: Iterable[ChannelGroup]) -> int:
    """Return the multiple that numbers of channels are fast at, at most half of the smallest group that can be cut."""
    return timing.multiple(min((group.size for group in groups if group.prunable), default=1) // 2)


def limits_of(granularity: Filter, timing: NetworkLatency | None, groups: Iterable[ChannelGroup]) -> Limits:
    """Return how many channels a group may keep: multiples of what is asked for, or of what is fast if time counts."""
    multiple = granularity.round_to
    if multiple is None:
        multiple = 1 if timing is None else fast_multiple(timing, groups)
    return Limits(multiple, granularity.min_channels)


def within_latency(
    allocation: Allocation,
    budget: Budget,
    timing: NetworkLatency | None,
    count: Callable[[Budget], list[int]] | None = None,
) -> tuple[list[int], Cost]:
    """Return how many channels each group keeps within a budget, and what that costs.

    Latencies in between are interpolated; if the very operations that are left take longer, the bound is drawn in by as
    much. As they go up in steps, what takes much less than it may is given some channels back.

    Args:
        allocation: Chooses the channels.
        budget: What the network may cost.
        timing: What it takes; None without a bound of latency.
        count: Says how many channels each group keeps within a budget; by default the allocation does.
    """
    count = count or allocation.by_budget
    if timing is None:
        counts = count(budget)
        return counts, allocation.cost(counts)
    bounds = budget.bounds(allocation.costs.whole)
    wanted = bound = bounds["latency"]
    best: tuple[list[int], float] | None = None
    within, beyond, more = 0.0, None, GIVEN_BACK
    for trial in range(TRIALS):
        counts = count(Budget(**as_arguments({**bounds, "latency": bound})))
        real = timing.exact(allocation.kept(counts))
        if real > wanted:
            beyond = bound
        else:
            within = bound
            best = (counts, real) if best is None or real >= best[1] else best
        if best is None:
            bound *= wanted / real * CLOSER ** (trial + 1)
        elif best[1] > NEAR * wanted or not more or (beyond is not None and within > NEAR * beyond):
            break
        else:
            more -= 1
            bound = within * wanted / best[1] if beyond is None else (within + beyond) / 2
    if best is None:
        raise InputError(
            f"No plan was found that takes {wanted:.4g} ms: after {TRIALS} tries it takes {real:.4g} ms. Give a "
            f"latency of {real:.4g} ms or more, or let go of round_to, min_channels or layers that are kept."
        )
    counts, real = best
    return counts, replace(allocation.cost(counts), latency=real)
