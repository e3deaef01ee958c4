"""Progressive search: coarse first, then finer around what was best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfprune.strategies.base import Proposals, Strategy, Values, strategies
from tfprune.strategies.front import front_of
from tfprune.strategies.space import Point, Space

__all__ = ["Progressive"]

IDLE = 10
"""After so many batches without a new point a round is over."""


@strategies.register("progressive")
@dataclass(frozen=True)
class Progressive(Strategy):
    """Another strategy on a few levels of each choice, then on finer ones near the best of that, and so on.

    Args:
        inner: The strategy.
        rounds: How many rounds there are. In the last one all levels next to the best are looked at, in each before
            those twice as far apart.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> strategy = Progressive("random", rounds=2)
        >>> optimize(strategy, space, lambda point: (point[0] + 3.0 * point[1],), trials=30).best(space)
        ((7, 0), (7.0,))
    """

    inner: Any = "evolution"
    rounds: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner", strategies.get(self.inner))

    def get_config(self) -> dict[str, Any]:
        """Return the fields, the strategy as a config."""
        return {"inner": keras.saving.serialize_keras_object(self.inner), "rounds": self.rounds}

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield points of ever finer levels."""
        known: dict[Point, Values] = {}
        around: list[Point] = [space.start]
        share = max(trials // self.rounds, 1)
        for number in range(self.rounds):
            sub = space.sub(levels_near(space, around, 2 ** (self.rounds - 1 - number), everywhere=number == 0))
            inner: Proposals = self.inner.propose(sub.space, objectives, share, rng)
            points, new, idle = next(inner, None), 0, 0
            while points is not None and idle < IDLE and (new < share or number == self.rounds - 1):
                outer = [sub.outer(point) for point in points]
                fresh = len({point for point in outer if point not in known})
                new, idle = new + fresh, 0 if fresh else idle + 1
                values = yield outer
                known.update(zip(outer, values, strict=True))
                try:
                    points = inner.send(values)
                except StopIteration:
                    points = None
            inner.close()
            around = best_of(space, known, objectives)


def levels_near(space: Space, around: list[Point], step: int, *, everywhere: bool) -> list[set[int]]:
    """Return levels of each choice: those of some points, and others some steps from them.

    Args:
        space: The space.
        around: The points.
        step: How far apart levels are; never more than a third of what there is.
        everywhere: Whether they go from the first to the last level.
    """
    found = []
    for n, size in enumerate(space.sizes):
        apart = max(1, min(step, (size - 1) // 3))
        own = {point[n] for point in around}
        near = {min(max(level + move * apart, 0), size - 1) for level in own for move in (-2, -1, 0, 1, 2)}
        found.append({0, *range(0, size, apart), size - 1, *own} if everywhere else near)
    return found


def best_of(space: Space, known: dict[Point, Values], objectives: int) -> list[Point]:
    """Return the points to look around: the best two, or some of the front."""
    allowed = [point for point in known if space.allowed(point)] or list(known)
    if objectives == 1:
        return sorted(allowed, key=lambda point: known[point])[:2]
    front = [allowed[n] for n in front_of([known[point] for point in allowed])]
    return [front[round(n)] for n in np.linspace(0, len(front) - 1, min(6, len(front)))] or allowed[:1]
