"""NSGA-II: fronts of fronts, and room between the points of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.strategies.base import Proposals, Strategy, Values, strategies
from tfprune.strategies.front import crowding, layers_of
from tfprune.strategies.space import Point, Space
from tfprune.strategies.variation import Fresh, crossed, first_points, mutated

__all__ = ["Nsga2"]


@strategies.register("nsga2")
@dataclass(frozen=True)
class Nsga2(Strategy):
    """A population that moves towards the whole Pareto front: the default with several objectives.

    Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002, with levels as genes: they are
    crossed at random or by stretches, and vary by a geometric number of levels.

    Args:
        population: How many points there are at a time.

    Example:
        >>> from tfprune.strategies import front_of, optimize
        >>> space = Space(("a",), (8,))
        >>> found = optimize(Nsga2(), space, lambda point: (point[0], abs(5.0 - point[0])), objectives=2)
        >>> [found.points[number] for number in front_of(found.values)]
        [(0,), (1,), (2,), (3,), (4,), (5,)]
    """

    population: int = 32

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield generations."""
        fresh = Fresh(space, rng)
        points = first_points(space, objectives, self.population, rng)
        values = yield points
        while True:
            order = self._sorted(values)
            points, values = [points[n] for n in order], [values[n] for n in order]

            def parent(points: list[Point] = points) -> Point:
                return points[int(rng.integers(len(points), size=2).min())]  # they are sorted

            children = [
                fresh(mutated(space, crossed(space, parent(), parent(), rng), rng)) for _ in range(self.population)
            ]
            made = yield children
            known = dict(zip([*points, *children], [*values, *made], strict=True))
            points, values = list(known), list(known.values())

    def _sorted(self, values: list[Values]) -> list[int]:
        """Return which ones live on, the best first."""
        kept: list[int] = []
        for layer in layers_of(values):
            far = crowding(np.array([values[n] for n in layer]))
            kept += [layer[int(n)] for n in np.argsort(-far, kind="stable")]
            if len(kept) >= self.population:
                break
        return kept[: self.population]
