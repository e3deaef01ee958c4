"""Simulated annealing, some chains side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.scalar import Scalar, simplex
from tfprune.strategies.space import Space
from tfprune.strategies.variation import first_points, mutated

__all__ = ["Annealing"]


@strategies.register("annealing")
@dataclass(frozen=True)
class Annealing(Strategy):
    """A step that is worse by d, relative to the best, is taken with the probability `exp(−d ÷ T)`, T falling.

    Kirkpatrick et al., "Optimization by Simulated Annealing", 1983. Of several objectives each chain has a trade-off of
    its own.

    Args:
        chains: How many there are.
        hot: T at the beginning.
        cold: T at the end.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> optimize(Annealing(), space, lambda point: (point[0] + 3.0 * point[1],), trials=30).best(space)
        ((7, 0), (7.0,))
    """

    chains: int = 8
    hot: float = 0.3
    cold: float = 0.003

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield the next step of each chain."""
        weights = simplex(objectives, self.chains, rng)
        scalar = Scalar(objectives)
        points = first_points(space, objectives, self.chains, rng)
        points = [points[n % len(points)] for n in range(self.chains)]
        values = yield points
        scalar.see(values)
        best = list(zip(points, values, strict=True))
        done = 0
        while True:
            part = min(1.0, done * self.chains / trials)
            heat = self.hot ** (1 - part) * self.cold**part
            steps = [mutated(space, point, rng) for point in points]
            found = yield steps
            scalar.see(found)
            done += 1
            for n, (step, value) in enumerate(zip(steps, found, strict=True)):
                now, then, least = scalar.table([values[n], value, best[n][1]], weights[n][None])[:, 0]
                scale = max(abs(least), 1e-9) if objectives == 1 else 1.0
                if then <= now or rng.uniform() < np.exp(-(then - now) / (heat * scale)):
                    points[n], values[n] = step, value
                if then < least:
                    best[n] = step, value
                if rng.uniform() < 0.02:  # back to the best now and then
                    points[n], values[n] = best[n]
