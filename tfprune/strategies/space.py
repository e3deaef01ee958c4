"""What a search chooses among: some choices, each with levels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError

__all__ = ["Point", "Space", "SubSpace"]

Point = tuple[int, ...]
"""A level for each choice."""


@dataclass(frozen=True)
class Space:
    """Choices, each with some levels. Level 0 changes nothing, and each further one saves more.

    Args:
        names: Name of each choice.
        sizes: How many levels each has.
        used: Returns the part of the budget that a point uses; it is allowed up to 1. It is asked often, so it has to
            be cheap. None allows every point.
        losses: What each level of each choice is thought to lose, for strategies that look at it; None if nobody knows.
        path: Points from level 0 of all choices to the last, each no lower in any choice than the one before: a good
            order in which to save. None raises all choices evenly.

    Example:
        >>> space = Space(("a", "b"), (4, 4), used=lambda point: 1.5 - sum(point) / 6)
        >>> space.repair((0, 1)), space.allowed((0, 1))
        ((2, 2), False)
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    used: Callable[[Point], float] | None = field(default=None, repr=False)
    losses: tuple[NDArray[Any], ...] | None = field(default=None, repr=False)
    path: tuple[Point, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.sizes or len(self.names) != len(self.sizes) or min(self.sizes) < 1:
            raise InputError(
                f"A space needs a name for each choice and at least one level; {self.names} with {self.sizes} levels "
                "were given."
            )

    @property
    def count(self) -> float:
        """How many points there are."""
        return float(np.prod(np.array(self.sizes, dtype=float)))

    @property
    def whole(self) -> Point:
        """The point that changes nothing."""
        return (0,) * len(self.sizes)

    @property
    def least(self) -> Point:
        """The point that saves most."""
        return tuple(size - 1 for size in self.sizes)

    def allowed(self, point: Point) -> bool:
        """Whether a point is within the budget."""
        return self.used is None or self.used(point) <= 1.0

    def point(self, levels: Sequence[float] | NDArray[Any]) -> Point:
        """Return the nearest point to some numbers."""
        found = np.clip(np.rint(np.asarray(levels, dtype=float)), 0, np.array(self.sizes) - 1)
        return tuple(int(level) for level in found)

    def random(self, rng: np.random.Generator) -> Point:
        """Return any point, each as likely."""
        return tuple(int(rng.integers(size)) for size in self.sizes)

    @cached_property
    def way(self) -> tuple[Point, ...]:
        """The path, or an even one."""
        if self.path is not None:
            return self.path
        steps = max(self.sizes)
        parts = np.linspace(0.0, 1.0, steps)
        return tuple(dict.fromkeys(self.point(np.array(self.least) * part) for part in parts))

    def repair(self, point: Point) -> Point:
        """Return a point within the budget: no level is lower, and those rise that come first on the path.

        A point is returned as it is where even the last one of the path is over the budget.
        """
        if self.allowed(point):
            return point
        low, high = 0, len(self.way) - 1
        if not self.allowed(higher(point, self.way[high])):
            return point
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.allowed(higher(point, self.way[middle])) else (middle, high)
        return higher(point, self.way[high])

    @cached_property
    def start(self) -> Point:
        """The first point of the path within the budget."""
        return self.repair(self.whole)

    def tighter(self, part: float) -> Space:
        """Return the same choices with some part of the budget."""
        used = self.used
        return self if used is None else replace(self, used=lambda point: used(point) / part)

    def sub(self, levels: Sequence[Iterable[int]]) -> SubSpace:
        """Return the part of the space with some levels of each choice."""
        return SubSpace(self, tuple(tuple(sorted(set(own))) for own in levels))


@dataclass(frozen=True)
class SubSpace:
    """Some levels of each choice of a space.

    Args:
        whole: The space.
        levels: The levels of each choice, rising.
    """

    whole: Space
    levels: tuple[tuple[int, ...], ...]

    @cached_property
    def space(self) -> Space:
        """It as a space of its own."""
        whole, used = self.whole, self.whole.used
        return Space(
            whole.names,
            tuple(map(len, self.levels)),
            None if used is None else lambda point: used(self.outer(point)),
            None if whole.losses is None else tuple(
                loss[list(own)] for loss, own in zip(whole.losses, self.levels, strict=True)
            ),
            tuple(dict.fromkeys(map(self.inner, whole.way))),
        )  # fmt: skip

    def outer(self, point: Point) -> Point:
        """Return a point of it as one of the whole space."""
        return tuple(own[level] for own, level in zip(self.levels, point, strict=True))

    def inner(self, point: Point) -> Point:
        """Return the nearest point of it to one of the whole space, of two the one that saves more."""
        return tuple(
            min(range(len(own)), key=lambda n, own=own, level=level: (abs(own[n] - level), -n))  # type: ignore[misc]
            for own, level in zip(self.levels, point, strict=True)
        )


def higher(left: Point, right: Point) -> Point:
    """Return the higher of two levels of each choice."""
    return tuple(map(max, left, right))
