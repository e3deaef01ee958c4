"""The greedy path: always the step that loses least for what it saves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.space import Point, Space

__all__ = ["Greedy"]


@strategies.register("greedy")
@dataclass(frozen=True)
class Greedy(Strategy):
    """From the whole network downwards, always the step with the least loss for what it saves of the budget.

    What a step loses is asked again only for the few that look best: a loss mostly rises while others are cut, so that
    an old one is a lower bound (lazy greedy; Minoux, "Accelerated greedy algorithms for maximizing submodular set
    functions", 1978). With one objective it ends within the budget, with several at the smallest point. Of several the
    first is the loss.

    Args:
        look: How many steps are looked at anew each time.
        ahead: A step goes up to so many levels, as a costly one may come before cheap ones.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> optimize(Greedy(), space, lambda point: (point[0] + 3.0 * point[1],), trials=30).best(space)
        ((7, 0), (7.0,))
    """

    look: int = 4
    ahead: int = 1

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield the points of the path, and what is next to it."""
        at = space.whole
        ((loss, *_),) = yield [at]
        prices: dict[tuple[int, int], float] = {}  # of raising a choice by some levels
        fresh: set[tuple[int, int]] = set()
        while not space.allowed(at) or objectives > 1:
            steps = [
                (n, rise)
                for n, size in enumerate(space.sizes)
                for rise in range(1, self.ahead + 1)
                if at[n] + rise < size
            ]
            if not steps:
                return
            while True:
                steps.sort(key=lambda step: prices.get(step, -np.inf))
                best = steps[0]
                if best in fresh:
                    break
                stale = [step for step in steps if step not in fresh][: self.look if best in prices else len(steps)]
                values = yield [raised(at, *step) for step in stale]
                for step, (lost, *_) in zip(stale, values, strict=True):
                    prices[step] = (lost - loss) / saved(space, at, raised(at, *step))
                    fresh.add(step)
            at = raised(at, *best)
            ((loss, *_),) = yield [at]
            fresh.clear()
            for rise in range(1, self.ahead + 1):
                prices.pop((best[0], rise), None)


def raised(point: Point, choice: int, rise: int) -> Point:
    """Return a point with one level raised."""
    return (*point[:choice], point[choice] + rise, *point[choice + 1 :])


def saved(space: Space, before: Point, after: Point) -> float:
    """Return what a step saves of the budget; 1 where there is none."""
    return 1.0 if space.used is None else max(space.used(before) - space.used(after), 1e-9)
