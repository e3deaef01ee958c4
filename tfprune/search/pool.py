"""Who looks at plans: this process, or several."""

from __future__ import annotations

import abc
import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import keras

from tfprune.files import ELSEWHERE, NO_ROOM, atomic_path, error_number
from tfprune.search.journal import Trial
from tfprune.search.plan import Plan
from tfprune.search.plans import Plans
from tfprune.search.rungs import Evaluator
from tfprune.strategies.space import Point

__all__ = ["Here", "Pool", "evaluated", "file_of"]


class Pool(abc.ABC):
    """Looks at plans; used in a `with` block."""

    @abc.abstractmethod
    def look(self, rung: str, points: Sequence[Point]) -> Iterator[Trial]:
        """Yield the trials of some different plans, in any order. A plan that can't be made is a trial that failed."""

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 (most have nothing to clean up)
        """Clean up."""


class Here(Pool):
    """This process looks at plans, one after the other.

    Args:
        evaluator: Says what plans are worth.
        plans: The plans.
        models: The folder for the networks that are made.
    """

    def __init__(self, evaluator: Evaluator, plans: Plans, models: Path) -> None:
        self._evaluator, self._plans, self._models = evaluator, plans, models

    def look(self, rung: str, points: Sequence[Point]) -> Iterator[Trial]:
        """Yield the trials in the order of the points."""
        for point in points:
            if rung == "estimate":
                yield Trial(rung, point, self._plans.estimate(point))
            else:
                yield evaluated(self._evaluator, rung, point, self._plans.plan(point), self._models)


def evaluated(evaluator: Evaluator, rung: str, point: Point, plan: Plan, models: Path) -> Trial:
    """Return the trial of one plan, whatever goes wrong with it, and write its network.

    Args:
        evaluator: Says what it is worth.
        rung: The rung.
        point: Its point.
        plan: The plan.
        models: The folder for its network.

    Raises:
        OSError: If the disk is full, or can't be written.
    """
    begin = time.perf_counter()
    try:
        metrics, model = evaluator(rung, plan)
        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        if bad:
            raise ValueError(f"{', '.join(bad)} is not finite")
        with atomic_path(models / file_of(rung, point)) as temporary:
            model.save(temporary)
    except Exception as error:  # whatever goes wrong with one plan, the search goes on
        if error_number(error) in (*NO_ROOM, *ELSEWHERE):  # as it would with each
            raise
        return Trial(rung, point, {}, time.perf_counter() - begin, f"{type(error).__name__}: {error}"[:500])
    finally:
        keras.backend.clear_session(free_memory=False)
    return Trial(rung, point, metrics, time.perf_counter() - begin)


def file_of(rung: str, point: Point) -> str:
    """Return the name of the file with a plan's network."""
    return f"{rung}-{hashlib.blake2b(repr(point).encode(), digest_size=8).hexdigest()}.keras"
