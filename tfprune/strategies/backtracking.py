"""Backtracking with bounds: the optimum, as far as what is thought of losses holds."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.space import Point, Space

__all__ = ["Backtracking"]

Array = NDArray[Any]

OPENED = 20_000
"""So many nodes of the tree are opened at most for one batch."""


@strategies.register("backtracking", "branch_and_bound")
@dataclass(frozen=True)
class Backtracking(Strategy):
    """The tree of all points, with what can't become better than the best left out.

    It begins with the greedy path. Where the space knows what each level is thought to lose, nodes are opened in the
    order of a lower bound of that, and only whole points are evaluated. The bound is Lagrangian: what is decided, and
    for the rest `min Σ loss + λ (Σ used − what is left)`, with for each choice what it saves alone. Together they save
    less than the sum of that, so it is a bound. A node is left out if its bound, times the least that a real loss has
    been of a thought one, is above the best. So the result is the optimum if that ratio holds for what is left out.

    Where the space knows nothing, nodes are evaluated with all that is undecided at level 0: the result is the optimum
    if a loss never falls with a further cut.

    The first objective is the loss; with several it is done for several parts of the budget.

    Args:
        slack: Losses below the bound by this part are possible: more is looked at. Below 0 less is.
        batch: How many points at a time, so many of which can be evaluated side by side.
        parts: The parts of the budget, with several objectives.

    Raises:
        InputError: If `slack` is not between −1 and 1.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> optimize(Backtracking(), space, lambda point: (point[0] + 3.0 * point[1],), trials=30).best(space)
        ((7, 0), (7.0,))
    """

    slack: float = 0.0
    batch: int = 8
    parts: tuple[float, ...] = (1.0, 0.85, 0.7, 0.55, 0.4)

    def __post_init__(self) -> None:
        if not -1.0 < self.slack < 1.0:
            raise InputError(f"slack is {self.slack}; give a number between -1 and 1.")

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield points in a good order, until none can be better."""
        for part in (1.0,) if objectives == 1 else self.parts:
            own = space.tighter(part)
            if space.allowed(space.whole) and part == 1.0:
                yield [space.whole]
            elif own.losses is not None and own.used is not None:
                yield from self._by_bound(own, trials)
            else:
                yield from self._by_value(own)

    def _by_bound(self, space: Space, trials: int) -> Proposals:
        bound = Bound(space)
        best, ratio = np.inf, np.inf
        queue: list[tuple[float, int, Point]] = [(bound(()), 0, ())]
        seen: set[Point] = set()
        pending = [space.start] if space.allowed(space.start) else []
        number, done = 0, 0
        while pending or queue:
            opened = 0
            while queue and len(pending) < self.batch and opened < OPENED:
                low, _, prefix = heapq.heappop(queue)
                if low * (ratio if np.isfinite(ratio) else 1.0) * (1.0 - self.slack) >= best:
                    queue = []
                    break
                opened += 1
                n = len(prefix)
                if n == len(space.sizes):
                    if prefix not in seen and space.allowed(prefix):
                        pending.append(prefix)
                    continue
                for level in range(space.sizes[n]):
                    child = (*prefix, level)
                    if bound.possible(child):
                        number += 1
                        heapq.heappush(queue, (bound(child), -len(child) * 10**9 + number, child))
            if not pending:
                return
            values = yield pending
            for point, (loss, *_) in zip(pending, values, strict=True):
                seen.add(point)
                best = min(best, loss)
                thought = bound.loss(point)
                if thought > 0 and np.isfinite(loss):
                    ratio = min(ratio, loss / thought)
            done += len(pending)
            pending = []
            if done >= 2 * trials:
                return

    def _by_value(self, space: Space) -> Proposals:
        order = self._order(space)
        best = np.inf
        if space.allowed(space.start):
            ((best, *_),) = yield [space.start]
        ((loss, *_),) = yield [space.whole]
        stack: list[tuple[int, Point, float]] = [(0, space.whole, loss)]
        while stack:
            depth, point, low = stack.pop()
            if low * (1.0 - self.slack) >= best or depth == len(order):
                continue
            n, rest = order[depth], order[depth + 1 :]
            children = [(*point[:n], level, *point[n + 1 :]) for level in range(space.sizes[n])]
            children = [child for child in children if space.allowed(fullest(space, child, rest))]
            if not children:
                continue
            values = yield children
            further = []
            for child, (loss, *_) in zip(children, values, strict=True):
                if space.allowed(child):
                    best = min(best, loss)
                else:
                    further.append((depth + 1, child, loss))
            stack += reversed(further)

    @staticmethod
    def _order(space: Space) -> list[int]:
        """Return the choices, those first that save most."""
        if space.used is None:
            return list(range(len(space.sizes)))
        saved = [space.used(fullest(space, space.whole, [n])) for n in range(len(space.sizes))]
        return [int(n) for n in np.argsort(saved, kind="stable")]


class Bound:
    """A lower bound of what is thought to be lost within the budget.

    Args:
        space: A space that knows losses and what is used.
    """

    def __init__(self, space: Space) -> None:
        losses, used = space.losses, space.used
        if losses is None or used is None:
            raise RuntimeError("there is nothing to bound")
        self._losses = [np.asarray(own, dtype=float) for own in losses]
        whole = used(space.whole)
        self._saved: list[Array] = []
        for n, size in enumerate(space.sizes):
            alone = [(*space.whole[:n], level, *space.whole[n + 1 :]) for level in range(size)]
            self._saved.append(np.array([whole - used(point) for point in alone]))
        self._needed = whole - 1.0
        most = [float(own.max()) for own in self._saved]
        self._most = [sum(most[n:]) for n in range(len(most) + 1)]
        steps = np.concatenate(
            [(own[1:] - own[:-1]) / np.maximum(s[1:] - s[:-1], 1e-12)
             for own, s in zip(self._losses, self._saved, strict=True) if len(own) > 1] or [np.zeros(1)]
        )  # fmt: skip
        self._prices = np.unique(np.quantile(np.maximum(steps, 0.0), np.linspace(0.0, 1.0, 33)))
        rest = [
            np.array([(own - price * s).min() for price in self._prices])
            for own, s in zip(self._losses, self._saved, strict=True)
        ]
        self._rest = [np.sum(rest[n:], axis=0) if n < len(rest) else 0.0 for n in range(len(rest) + 1)]

    def loss(self, prefix: Point) -> float:
        """Return what is thought to be lost by what is decided."""
        return float(sum(own[level] for own, level in zip(self._losses, prefix, strict=False)))

    def possible(self, prefix: Point) -> bool:
        """Whether the budget may still be met when some choices are decided."""
        saved = sum(own[level] for own, level in zip(self._saved, prefix, strict=False))
        return bool(saved + self._most[len(prefix)] >= self._needed - 1e-9)

    def __call__(self, prefix: Point) -> float:
        saved = sum(own[level] for own, level in zip(self._saved, prefix, strict=False))
        lost = self.loss(prefix)
        return max(lost, float(np.max(lost + self._prices * (self._needed - saved) + self._rest[len(prefix)])))


def fullest(space: Space, point: Point, choices: list[int]) -> Point:
    """Return a point with some choices at their last level."""
    levels = list(point)
    for n in choices:
        levels[n] = space.sizes[n] - 1
    return tuple(levels)
