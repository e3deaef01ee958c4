"""Random search: the baseline that every other strategy has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.space import Space
from tfprune.strategies.variation import first_points

__all__ = ["RandomSearch"]


@strategies.register("random")
@dataclass(frozen=True)
class RandomSearch(Strategy):
    """Points around the greedy path and anywhere, moved into the budget.

    It is competitive: Li et al., "Revisiting Random Channel Pruning for Neural Network Compression", CVPR 2022.

    Args:
        batch: How many points at a time, so many of which can be evaluated side by side.
        greedy: Whether it begins with the path; without it every point is drawn anywhere.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> optimize(RandomSearch(), space, lambda point: (point[0] + 3.0 * point[1],), trials=30).best(space)
        ((7, 0), (7.0,))
    """

    batch: int = 16
    greedy: bool = True

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield random points."""
        if self.greedy:
            yield first_points(space, objectives, self.batch, rng)
        while True:
            yield [space.repair(scaled(space, rng)) for _ in range(self.batch)]


def scaled(space: Space, rng: np.random.Generator) -> tuple[int, ...]:
    """Return a random point of which all levels are low, high, or anything in between."""
    return space.point(rng.uniform(0, 1) * np.array(space.random(rng)))
