"""The greedy path through a space, by what is thought to be lost and what is used."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from tfprune.strategies.space import Point

__all__ = ["greedy_path"]

AHEAD = 3
"""A step goes up to so many levels, as a costly one may come before cheap ones."""


def greedy_path(losses: Sequence[NDArray[Any]], used: Callable[[Point], float]) -> tuple[Point, ...]:
    """Return points from level 0 of all choices to the last: always the step that loses least for what it saves.

    What a step saves falls while others are made, so that only the first in line is asked again.

    Args:
        losses: What each level of each choice loses, which is added up.
        used: Returns the part of the budget that a point uses.

    Example:
        >>> import numpy as np
        >>> greedy_path([np.array([0.0, 1.0]), np.array([0.0, 3.0])], lambda point: 2.0 - sum(point))
        ((0, 0), (1, 0), (1, 1))
    """
    at: Point = (0,) * len(losses)
    now = used(at)
    path = [at]

    def price(n: int) -> tuple[float, int]:
        best = (float("inf"), 1)
        for level in range(at[n] + 1, min(at[n] + AHEAD + 1, len(losses[n]))):
            after = used((*at[:n], level, *at[n + 1 :]))
            lost = max(float(losses[n][level] - losses[n][at[n]]), 1e-12)
            best = min(best, (lost / max(now - after, 1e-12), level))
        return best

    queue = [(*price(n), n) for n, own in enumerate(losses) if len(own) > 1]
    heapq.heapify(queue)
    while queue:
        _, _, n = heapq.heappop(queue)
        cost, level = price(n)
        if queue and cost > queue[0][0] * (1 + 1e-9):
            heapq.heappush(queue, (cost, level, n))
            continue
        at = (*at[:n], level, *at[n + 1 :])
        now = used(at)
        path.append(at)
        if level + 1 < len(losses[n]):
            heapq.heappush(queue, (*price(n), n))
    return tuple(path)
