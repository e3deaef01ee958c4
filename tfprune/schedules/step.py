"""A staircase of sparsities, by epoch."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tfprune.errors import InputError
from tfprune.numbers import is_real
from tfprune.schedules.base import Schedule, check_sparsity, schedules

__all__ = ["StepSchedule"]


@schedules.register("step")
@dataclass(frozen=True)
class StepSchedule(Schedule):
    """Jumps to a sparsity at the start of each given epoch and holds it until the next.

    Args:
        milestones: Pairs (sparsity, epoch), in the order of the epochs; epochs count from 0 and may be fractions.
        steps_per_epoch: Steps in an epoch; filled in by `resolve`.

    Example:
        >>> schedule = StepSchedule([(0.5, 1), (0.75, 2), (0.9, 3)]).resolve(total_steps=400, steps_per_epoch=100)
        >>> [schedule(step) for step in (0, 100, 250, 399)]
        [0.0, 0.5, 0.75, 0.9]
    """

    milestones: Sequence[tuple[float, float]]
    steps_per_epoch: int | None = None

    def __post_init__(self) -> None:
        try:
            pairs = tuple((sparsity, epoch) for sparsity, epoch in self.milestones)
        except (TypeError, ValueError) as error:
            raise InputError(f"milestones is {self.milestones!r}; give pairs (sparsity, epoch).") from error
        pairs = tuple((checked(sparsity, epoch), epoch) for sparsity, epoch in pairs)
        epochs = [epoch for _, epoch in pairs]
        if not pairs or any(not is_real(e) or e < 0 for e in epochs):
            raise InputError(f"milestones is {self.milestones!r}; give at least one (sparsity, epoch), epochs from 0.")
        if any(later <= earlier for earlier, later in itertools.pairwise(epochs)):
            raise InputError(f"The epochs of the milestones are {epochs}; give them in rising order, each once.")
        object.__setattr__(self, "milestones", pairs)

    @property
    def final_sparsity(self) -> float:
        """The sparsity of the last milestone."""
        return self.milestones[-1][0]

    @property
    def end_step(self) -> int | None:
        """The step of the last milestone, once the length of an epoch is known."""
        return None if self.steps_per_epoch is None else self._step(self.milestones[-1][1])

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> StepSchedule:
        """Return this schedule with the length of an epoch filled in."""
        if self.steps_per_epoch is not None:
            return self
        if steps_per_epoch is None:
            raise InputError("A StepSchedule counts in epochs; give resolve(total_steps, steps_per_epoch).")
        return dataclasses.replace(self, steps_per_epoch=steps_per_epoch)

    def __call__(self, step: int) -> float:
        """Return the sparsity of the last milestone at or before `step`, 0 before the first."""
        reached = [sparsity for sparsity, epoch in self.milestones if self._step(epoch) <= step]
        return reached[-1] if reached else 0.0

    def last_update(self, step: int, after: int = -1) -> int | None:
        """Return the step of the last milestone in (`after`, `step`]."""
        reached = [self._step(epoch) for _, epoch in self.milestones if after < self._step(epoch) <= step]
        return reached[-1] if reached else None

    def _step(self, epoch: float) -> int:
        if self.steps_per_epoch is None:
            raise InputError("This schedule is in epochs; call resolve(total_steps, steps_per_epoch) first.")
        return math.floor(epoch * self.steps_per_epoch + 0.5)


def checked(sparsity: Any, epoch: Any) -> float:
    """Return the sparsity of a pair, refusing one that is none, and pairs the wrong way round."""
    if is_real(epoch) and 0.0 < epoch < 1.0 and is_real(sparsity) and sparsity >= 1.0:
        raise InputError(f"({sparsity}, {epoch}) is given; the sparsity comes first: give ({epoch}, {sparsity}).")
    return check_sparsity(sparsity, f"In the pair {(sparsity, epoch)} the sparsity")
