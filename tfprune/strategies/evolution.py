"""A genetic algorithm with tournaments and an elite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.scalar import Scalar, simplex
from tfprune.strategies.space import Space
from tfprune.strategies.variation import Fresh, crossed, first_points, mutated

__all__ = ["Evolution"]


@strategies.register("evolution", "genetic")
@dataclass(frozen=True)
class Evolution(Strategy):
    """A population is crossed and varied; each child is of two parents that won a tournament; the best stay.

    Real et al., "Regularized Evolution for Image Classifier Architecture Search", 2019, with an elite instead of ages.
    Of several objectives it takes turns with trade-offs between them.

    Args:
        population: How many points there are at a time.
        tournament: Of how many random ones the best becomes a parent.
        elite: Part of the population that stays.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> optimize(Evolution(), space, lambda point: (point[0] + 3.0 * point[1],), trials=30).best(space)
        ((7, 0), (7.0,))
    """

    population: int = 32
    tournament: int = 3
    elite: float = 0.25

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield generations."""
        scalar, fresh = Scalar(objectives), Fresh(space, rng)
        trade_offs = simplex(objectives, 1 if objectives == 1 else 8, rng)
        points = first_points(space, objectives, self.population, rng)
        values = yield points
        turn = 0
        while True:
            scalar.see(values)
            weights = trade_offs[turn % len(trade_offs)]
            worth = scalar.table(values, weights[None])[:, 0]
            order = np.argsort(worth, kind="stable")[: self.population]
            points, values = [points[n] for n in order], [values[n] for n in order]

            def parent(points: list[tuple[int, ...]] = points) -> tuple[int, ...]:
                return points[int(rng.integers(len(points), size=self.tournament).min())]  # they are sorted

            kept = max(1, round(self.elite * len(points)))
            stay = kept if objectives == 1 else self.population  # the next trade-off is another
            children = [
                fresh(mutated(space, crossed(space, parent(), parent(), rng), rng))
                for _ in range(self.population - kept)
            ]
            made = yield children
            points, values = points[:stay] + children, values[:stay] + made
            turn += 1
