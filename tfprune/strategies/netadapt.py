"""NetAdapt: the budget is tightened step by step, each met by cutting one choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.greedy import raised
from tfprune.strategies.space import Point, Space

__all__ = ["NetAdapt"]


@strategies.register("netadapt")
@dataclass(frozen=True)
class NetAdapt(Strategy):
    """Each round saves a fixed part of the budget with one choice: all are tried, and the one that loses least is kept.

    Yang et al., "NetAdapt: Platform-Aware Neural Network Adaptation for Mobile Applications", 2018. With one objective
    it ends within the budget, with several at the smallest point; of several the first is the loss.

    Args:
        rounds: In how many rounds the budget is met.
        decay: Each round's saving over that of the round before.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> optimize(NetAdapt(), space, lambda point: (point[0] + 3.0 * point[1],), trials=30).best(space)
        ((7, 0), (7.0,))
    """

    rounds: int = 20
    decay: float = 0.98

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield for each round the ways to save so much."""
        at = space.whole
        yield [at, space.start]
        used = space.used or (lambda point: 1.0 - sum(point) / max(sum(space.least), 1))
        end = min(1.0, used(at)) if objectives == 1 and space.used is not None else used(space.least)
        step = (used(at) - end) / self.rounds
        while objectives > 1 or not space.allowed(at):
            ways = self.ways(space, used, at, used(at) - max(step, 1e-12))
            if not ways:
                return
            values = yield ways
            at = ways[int(np.argmin([value[0] for value in values]))]
            step *= self.decay

    @staticmethod
    def ways(space: Space, used: Callable[[Point], float], at: Point, wanted: float) -> list[Point]:
        """Return for each choice the point that saves enough; where none does, those that save most."""
        found: list[Point] = []
        rest: list[Point] = []
        for n, size in enumerate(space.sizes):
            if at[n] + 1 >= size:
                continue
            points = [raised(at, n, rise) for rise in range(1, size - at[n])]
            enough = next((point for point in points if used(point) <= wanted), None)
            (rest if enough is None else found).append(points[-1] if enough is None else enough)
        return found or rest
