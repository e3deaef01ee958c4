"""MOEA/D: one trade-off for each member of the population, solved with the help of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.scalar import Scalar, simplex
from tfprune.strategies.space import Space
from tfprune.strategies.variation import Fresh, crossed, first_points, mutated

__all__ = ["Moead"]


@strategies.register("moead")
@dataclass(frozen=True)
class Moead(Strategy):
    """Every member has a trade-off of its own; children of neighbours replace those that they beat.

    Zhang & Li, "MOEA/D: A Multiobjective Evolutionary Algorithm Based on Decomposition", 2007, with the Tchebycheff
    distance. With one objective all have the same, and it is an evolution.

    Args:
        population: How many trade-offs there are.
        neighbours: How many are near each.
        replaced: How many a child may replace at most.

    Example:
        >>> from tfprune.strategies import front_of, optimize
        >>> space = Space(("a",), (8,))
        >>> found = optimize(Moead(), space, lambda point: (point[0], abs(5.0 - point[0])), objectives=2)
        >>> [found.points[number] for number in front_of(found.values)]
        [(0,), (1,), (2,), (3,), (4,), (5,)]
    """

    population: int = 32
    neighbours: int = 6
    replaced: int = 2

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield generations."""
        weights = simplex(objectives, self.population, rng)
        distance = np.square(weights[:, None] - weights[None]).sum(axis=-1)
        near = np.argsort(distance + 1e-9 * rng.uniform(size=distance.shape), axis=1)[:, : self.neighbours]
        scalar, fresh = Scalar(objectives), Fresh(space, rng)
        points = first_points(space, objectives, self.population, rng)
        values = yield points
        while len(points) < self.population:  # a space with few points
            points, values = points + points, values + values
        points, values = points[: self.population], values[: self.population]
        scalar.see(values)
        if objectives > 1:  # each gets the point that suits it best
            best = scalar.table(values, weights).argmin(axis=0)
            points, values = [points[n] for n in best], [values[n] for n in best]
        while True:
            children = []
            for own in near:
                left, right = (points[int(n)] for n in rng.choice(own, size=2))
                children.append(fresh(mutated(space, crossed(space, left, right, rng), rng)))
            made = yield children
            scalar.see(made)
            for number, (child, value) in enumerate(zip(children, made, strict=True)):
                own = rng.permutation(near[number])
                new = scalar.table([value], weights[own])[0]
                old = np.diagonal(scalar.table([values[n] for n in own], weights[own]))
                for n in own[new < old][: self.replaced]:
                    points[n], values[n] = child, value
