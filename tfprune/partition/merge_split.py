"""Cuts moved, merged and split as long as that helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tfprune.partition.costs import Costs

__all__ = ["merge_split"]

Cuts = tuple[int, ...]

SOMEWHERE = 4
"""So many random places each cut is moved to at a time."""


def merge_split(costs: Costs, value: Callable[[Cuts], float], *, trials: int, seed: int = 0) -> Cuts:
    """Return a partition that no single step makes better.

    It begins with stages that take about as long on each device, and with all on one device, the best first. The steps:
    a cut moves, by far steps, by small ones, or somewhere at random between its neighbours; a stage merges with a
    neighbour, so that its device does nothing; a stage is split with a device beside it that does nothing. When no step
    helps, it begins anew, later somewhere at random, as long as there are trials.

    Args:
        costs: What stages take.
        value: Returns what a partition is worth; less is better.
        trials: How many partitions it looks at.
        seed: Seed of the further beginnings.
    """
    rng = np.random.default_rng(seed)
    seen: dict[Cuts, float] = {}

    def worth(cuts: Cuts) -> float:
        if cuts not in seen and len(seen) < trials:
            seen[cuts] = value(cuts)
        return seen.get(cuts, np.inf)

    count, links = costs.count, len(costs.devices) - 1
    alone = [(0,) * place + (count - 1,) * (links - place) for place in range(links + 1)]
    starts = sorted({balanced(costs), *alone}, key=worth, reverse=True)
    best = at = starts.pop()
    lowest = worth(best)
    for _ in range(100 * trials):
        while len(seen) < trials:
            step = min(steps(at, count - 1, rng), key=worth)
            if worth(step) >= worth(at):
                break
            at = step
        if worth(at) < lowest or not np.isfinite(lowest):
            best, lowest = at, worth(at)
        if len(seen) >= min(trials, count**links):
            break
        at = starts.pop() if starts else tuple(sorted(int(n) for n in rng.integers(count, size=links)))
    return best


def balanced(costs: Costs) -> Cuts:
    """Return cuts between stages that take about as long on each device."""
    speeds = np.cumsum([one.speed for one in costs.devices.devices])
    wanted = costs.times[-1] * speeds[:-1] / speeds[-1]
    return tuple(int(n) for n in np.searchsorted(costs.times, wanted))


def steps(cuts: Cuts, last: int, rng: np.random.Generator) -> Iterator[Cuts]:
    """Yield the partitions one step away."""
    ends = (0, *cuts, last)
    for n in range(len(cuts)):
        low, at, high = ends[n : n + 3]
        rises = {low, high, (low + at) // 2, (at + high) // 2}  # merged with a neighbour, or split in half
        rises |= {int(place) for place in rng.integers(low, high + 1, size=SOMEWHERE)}
        reach = 1
        while reach < max(high - low, 2):
            rises |= {at - reach, at + reach}
            reach *= 2
        for moved in sorted(rises):
            if low <= moved <= high and moved != at:
                yield (*cuts[:n], moved, *cuts[n + 1 :])
    for n in range(len(cuts) - 1):  # an idle device may lie behind others: all cuts between move together
        for moved in (ends[n], ends[n + 3]):
            yield (*cuts[:n], moved, moved, *cuts[n + 2 :])
    yield (0,) * len(cuts)
    yield (last,) * len(cuts)
