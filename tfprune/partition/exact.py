"""The best partition there is along the order of a network's operations, by dynamic programming."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfprune.partition.costs import Costs

__all__ = ["solve_exactly"]

Array = NDArray[np.float64]

ROUNDING = 1 + 1e-9


def solve_exactly(costs: Costs, objective: str, stages: int | None = None) -> tuple[int, ...] | None:
    """Return the best cuts for an objective; None if no partition fits the devices.

    With `f_k(q)` for the best value of the first k devices doing everything before cut q,

        f_{k+1}(q) = min_{p ≤ q} f_k(p) ∘ link_k(p) ∘ stage_{k+1}(p, q)

    where ∘ adds for the latency and takes the larger for the throughput; O(devices × cuts²), a matrix at a time. Of
    the partitions with the best throughput, that with the lowest latency is returned: the same sum, with whatever is
    slower than the bottleneck left out.

    Args:
        costs: Times and memory of every stage.
        objective: `"latency"` or `"throughput"`.
        stages: How many devices have to do something; None for any number.

    Returns:
        The number of the cut that each link carries, rising.
    """
    if objective == "latency":
        return search(costs, np.inf, stages)
    bottleneck = search(costs, np.inf, stages, largest=True)
    if bottleneck is None:
        return None
    return search(costs, costs.price(bottleneck).bottleneck * ROUNDING, stages) or bottleneck


def search(costs: Costs, limit: float, stages: int | None, *, largest: bool = False) -> tuple[int, ...] | None:
    """Return the cuts with the lowest sum, or lowest largest term, of which no term is above a limit."""
    join = np.maximum if largest else np.add
    count, used = costs.count, 1 if stages is None else stages + 1
    best: Array = np.full((used, count), np.inf)  # by how many devices do something, and by cut
    best[0, 0] = 0.0
    back: list[NDArray[np.int64]] = []
    for device in range(len(costs.devices)):
        if device:
            link = np.where(costs.links[device - 1] > limit, np.inf, costs.links[device - 1])
            best = join(best, link)
        times = costs.stages(device)
        times[times > limit] = np.inf
        after = np.full_like(best, np.inf)
        came = np.zeros(best.shape, dtype=np.int64)
        for number in range(used):
            if stages is None:
                values = join(best[0][:, None], times)
                came[0] = np.argmin(values, axis=0)
                after[0] = values[came[0], np.arange(count)]
                continue
            after[number], came[number] = best[number], np.arange(count)  # it does nothing
            if number:
                moved = times.copy()
                np.fill_diagonal(moved, np.inf)
                values = join(best[number - 1][:, None], moved)
                first = np.argmin(values, axis=0)
                value = values[first, np.arange(count)]
                better = value < after[number]
                after[number] = np.where(better, value, after[number])
                came[number] = np.where(better, first, came[number])
        best = after
        back.append(came)
    at, number = count - 1, used - 1
    if not np.isfinite(best[number, at]):
        return None
    cuts: list[int] = []
    for device in range(len(costs.devices) - 1, 0, -1):
        before = int(back[device][number, at])
        number -= 1 if stages is not None and before != at else 0
        at = before
        cuts.append(at)
    return tuple(reversed(cuts))
