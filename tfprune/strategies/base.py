"""Strategies of search: each proposes points, is told what they are worth, and proposes better ones."""

from __future__ import annotations

import abc
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tfprune.errors import InputError
from tfprune.registry import Configurable, Registry
from tfprune.strategies.space import Point, Space

__all__ = ["Exploration", "Found", "Proposals", "Strategy", "Values", "optimize", "strategies", "visit"]

Values = tuple[float, ...]
"""What a point is worth by each objective; less is better, and a point that failed is infinitely bad."""

Proposals = Generator[list[Point], list[Values], None]
"""Yields points and is sent their values."""

STALE = 30
"""After so many batches without a new point a strategy has nothing more to say."""


class Strategy(Configurable, abc.ABC):
    """A way to search.

    A strategy of your own is one generator: it yields a batch of points and is sent what they are worth.

    Example:
        A strategy of your own:

        >>> from dataclasses import dataclass
        >>> from tfprune.strategies import Space, Strategy, optimize, strategies
        >>> @strategies.register("hill_climb")
        ... @dataclass(frozen=True)
        ... class HillClimb(Strategy):
        ...     def propose(self, space, objectives, trials, rng):
        ...         best, least = space.start, np.inf
        ...         while True:
        ...             points = [space.repair(space.point(best + rng.integers(-1, 2, len(best)))) for _ in range(4)]
        ...             values = yield points
        ...             least, best = min([(least, best), *((value[0], p) for value, p in zip(values, points))])
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> optimize("hill_climb", space, lambda point: (point[0] + 3.0 * point[1],)).best(space)
        ((7, 0), (7.0,))
    """

    @abc.abstractmethod
    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield batches of points, and be sent their values.

        It may end, or go on forever. What it yields may depend on nothing but its arguments and what it is sent, so
        that a search can be repeated, and go on where it was stopped.

        Args:
            space: What there is to choose.
            objectives: How many objectives there are.
            trials: How many different points it will be allowed, for schedules.
            rng: Draws all random numbers.
        """


strategies: Registry[Strategy] = Registry("strategy of search", Strategy)


class Exploration:
    """A strategy at work: `ask` for points, `tell` what they are worth.

    Args:
        strategy: The strategy: a name, or an instance.
        space: What there is to choose.
        objectives: How many objectives there are.
        trials: How many different points there will be.
        seed: Seed of its random numbers.

    Example:
        >>> exploration = Exploration("random", Space(("a", "b"), (3, 3)), trials=4)
        >>> points = exploration.ask()
        >>> exploration.tell([(float(sum(point)),) for point in points])
    """

    def __init__(
        self, strategy: str | Strategy, space: Space, *, objectives: int = 1, trials: int = 100, seed: int = 0
    ) -> None:
        if objectives < 1 or trials < 1:
            raise InputError(f"{objectives} objectives and {trials} trials were given; give at least one of each.")
        self.strategy = strategies.get(strategy)
        self._proposals = self.strategy.propose(space, objectives, trials, np.random.default_rng(seed))
        self._objectives = objectives
        self._asked: list[Point] | None = None
        self._told: list[Values] | None = None
        self._ended = False

    def ask(self) -> list[Point]:
        """Return the next points; none if the strategy has come to its end."""
        if self._asked is None and not self._ended:
            try:
                self._asked = next(self._proposals) if self._told is None else self._proposals.send(self._told)
            except StopIteration:
                self._ended = True
        return list(self._asked or ())

    def tell(self, values: Sequence[Values]) -> None:
        """Say what the points are worth that were asked for, in their order."""
        if self._asked is None or len(values) != len(self._asked):
            asked = 0 if self._asked is None else len(self._asked)
            raise InputError(f"{len(values)} values were told for {asked} points; ask first, then tell as many.")
        self._told = [cleaned(value, self._objectives) for value in values]
        self._asked = None


def cleaned(value: Values, objectives: int) -> Values:
    """Return values as floats, infinitely bad ones if any of them is no number."""
    if len(value) != objectives:
        raise InputError(f"{value} was told; there are {objectives} objectives.")
    found = tuple(float(one) for one in value)
    return found if not any(np.isnan(found)) else (np.inf,) * objectives


@dataclass(frozen=True)
class Found:
    """All points that a search has looked at, in order.

    Args:
        points: The points.
        values: What they are worth.

    Example:
        >>> found = Found([(0, 0), (1, 2)], [(0.3,), (0.1,)])
        >>> found.best(Space(("a", "b"), (3, 3)))
        ((1, 2), (0.1,))
    """

    points: list[Point] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)

    def best(self, space: Space) -> tuple[Point, Values] | None:
        """Return the point with the lowest first value among those within the budget; None if there is none."""
        allowed = [n for n, point in enumerate(self.points) if space.allowed(point)]
        if not allowed:
            return None
        best = min(allowed, key=lambda n: self.values[n])
        return self.points[best], self.values[best]


def optimize(
    strategy: str | Strategy,
    space: Space,
    function: Callable[[Point], Values],
    *,
    trials: int = 100,
    objectives: int = 1,
    seed: int = 0,
) -> Found:
    """Search, and return all points that were looked at. No point is looked at twice.

    Args:
        strategy: The strategy: a name, or an instance.
        space: What there is to choose.
        function: Returns what a point is worth.
        trials: How many different points are looked at, at most.
        objectives: How many objectives there are.
        seed: Seed of the strategy.

    Returns:
        The points, and what they are worth.

    Example:
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> found = optimize("greedy", space, lambda point: (point[0] + 3.0 * point[1],))
        >>> found.best(space)
        ((7, 0), (7.0,))
    """
    exploration = Exploration(strategy, space, objectives=objectives, trials=trials, seed=seed)
    known = visit(exploration, space, trials, lambda points: [cleaned(function(point), objectives) for point in points])
    return Found(list(known), list(known.values()))


def visit(
    exploration: Exploration, space: Space, trials: int, look: Callable[[list[Point]], list[Values]]
) -> dict[Point, Values]:
    """Let a strategy look at points, none of them twice; return what they are worth.

    Args:
        exploration: The strategy at work.
        space: What there is to choose.
        trials: How many different points are looked at, at most.
        look: Returns what some points are worth, in their order.
    """
    known: dict[Point, Values] = {}
    trials, stale = int(min(trials, space.count)), 0
    while len(known) < trials and stale < STALE and (points := exploration.ask()):
        new = [point for point in dict.fromkeys(points) if point not in known][: trials - len(known)]
        stale = 0 if new else stale + 1
        known.update(zip(new, look(new), strict=True))
        if any(point not in known for point in points):
            break  # the last batch is cut short
        exploration.tell([known[point] for point in points])
    return known
