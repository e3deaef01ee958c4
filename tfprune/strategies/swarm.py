"""Particle swarm optimisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.scalar import Scalar, simplex
from tfprune.strategies.space import Space
from tfprune.strategies.variation import Fresh, first_points

__all__ = ["Swarm"]


@strategies.register("swarm", "pso")
@dataclass(frozen=True)
class Swarm(Strategy):
    """Particles fly towards the best that they and all have seen; where one is, levels are rounded.

    `v ← ω v + φ₁ r₁ (own best − x) + φ₂ r₂ (best − x)` (Kennedy & Eberhart, "Particle Swarm Optimization", 1995), with
    the constants of Clerc & Kennedy, 2002. Of several objectives each particle has a trade-off of its own.

    Args:
        particles: How many there are.
        inertia: ω.
        own: φ₁.
        common: φ₂.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> optimize(Swarm(), space, lambda point: (point[0] + 3.0 * point[1],), trials=30).best(space)
        ((7, 0), (7.0,))
    """

    particles: int = 24
    inertia: float = 0.73
    own: float = 1.5
    common: float = 1.5

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield where the particles are."""
        limits = np.array(space.sizes, dtype=float) - 1
        weights = simplex(objectives, self.particles, rng)
        scalar, fresh = Scalar(objectives), Fresh(space, rng)
        points = first_points(space, objectives, self.particles, rng)
        points = [points[n % len(points)] for n in range(self.particles)]
        x = np.array(points, dtype=float)
        v = rng.uniform(-0.5, 0.5, size=x.shape) * np.maximum(limits / 4, 0.5)
        best = x.copy()
        values = yield points
        bests = list(values)
        while True:
            scalar.see(values)
            new, old = (np.diagonal(scalar.table(some, weights)) for some in (values, bests))
            for n in np.flatnonzero(new <= old):
                best[n], bests[n] = points[n], values[n]
            leaders = best[scalar.table(bests, weights).argmin(axis=0)]
            r = rng.uniform(size=(2, *x.shape))
            v = self.inertia * v + self.own * r[0] * (best - x) + self.common * r[1] * (leaders - x)
            v = np.clip(v, -limits / 2 - 0.5, limits / 2 + 0.5)
            still = np.abs(v).max(axis=1, initial=0.0) < 0.25  # a particle that stands still starts again
            v[still] = rng.uniform(-1.0, 1.0, size=v[still].shape) * np.maximum(limits / 4, 0.5)
            x = np.clip(x + v, 0.0, limits)
            points = [fresh(space.repair(space.point(position))) for position in x]
            values = yield points
