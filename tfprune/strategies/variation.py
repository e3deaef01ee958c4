"""Where to begin, and how points are crossed and varied: what several strategies share."""

from __future__ import annotations

import numpy as np

from tfprune.strategies.space import Point, Space

__all__ = ["Fresh", "crossed", "first_points", "mutated"]


def first_points(space: Space, objectives: int, count: int, rng: np.random.Generator) -> list[Point]:
    """Return points to begin with, all different where the space is large enough.

    One is the first of the path within the budget. With several objectives others are spread along the path beyond it.
    The rest are these, varied, and random ones.
    """
    way = [point for point in space.way if space.allowed(point)] or [space.start]
    wanted = np.linspace(0, len(way) - 1, max(count // 2, 1)) if objectives > 1 else np.zeros(1)
    found = dict.fromkeys(way[round(n)] for n in wanted)
    roots = list(found)
    for _ in range(20 * count):
        if len(found) >= count:
            break
        near = mutated(space, roots[int(rng.integers(len(roots)))], rng, rate=0.3)
        found.setdefault(near if rng.uniform() < 0.7 else space.repair(space.random(rng)))
    return list(found)[:count]


def crossed(space: Space, left: Point, right: Point, rng: np.random.Generator) -> Point:
    """Return a point that has the levels of one or the other: those of a random stretch, or any."""
    count = len(left)
    if rng.uniform() < 0.5:
        chosen = rng.uniform(size=count) < 0.5
    else:
        start, end = sorted(int(n) for n in rng.integers(count + 1, size=2))
        chosen = (np.arange(count) >= start) & (np.arange(count) < end)
    return tuple(b if take else a for a, b, take in zip(left, right, chosen, strict=True))


def mutated(space: Space, point: Point, rng: np.random.Generator, rate: float | None = None) -> Point:
    """Return a point with some levels changed, within the budget: most a little, one up and another down, or any.

    Args:
        space: The space.
        point: The point.
        rng: Draws random numbers.
        rate: Part of the levels that change; None changes one or two on average.
    """
    levels = np.array(point)
    sizes = np.array(space.sizes)
    open_ones = np.flatnonzero(sizes > 1)
    if not len(open_ones):
        return point
    rate = 1.5 / len(open_ones) if rate is None else rate
    chosen = open_ones[rng.uniform(size=len(open_ones)) < rate]
    if not len(chosen):
        chosen = rng.choice(open_ones, size=1)
    for n in chosen:
        if rng.uniform() < 0.1:
            levels[n] = rng.integers(sizes[n])
        else:
            step = int(rng.geometric(0.5)) * (1 if rng.uniform() < 0.5 else -1)
            levels[n] = np.clip(levels[n] + step, 0, sizes[n] - 1)
    return space.repair(tuple(int(level) for level in levels))


class Fresh:
    """Varies points that have been proposed before, so that a strategy that has settled goes on looking around.

    Args:
        space: The space.
        rng: Draws random numbers.
    """

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self._space, self._rng = space, rng
        self._seen: set[Point] = set()

    def __call__(self, point: Point) -> Point:
        """Return a point, varied a little and then more if it is known."""
        found = point
        for tries in range(8):
            if found not in self._seen:
                break
            found = mutated(self._space, point, self._rng, None if tries < 4 else 0.3)
        self._seen.add(found)
        return found
