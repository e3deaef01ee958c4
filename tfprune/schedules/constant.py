"""One sparsity from a moment on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tfprune.errors import InputError
from tfprune.schedules.base import (
    Moment,
    Schedule,
    check_frequency,
    check_moment,
    check_sparsity,
    is_step,
    schedules,
    to_step,
)

__all__ = ["ConstantSparsity"]


@schedules.register("constant")
@dataclass(frozen=True)
class ConstantSparsity(Schedule):
    """The same sparsity from `begin` to the end of training: all at once, then time to recover.

    Given the sparsity that a model has already, it fine-tunes the model with its zeros held.

    Args:
        final_sparsity: The sparsity, in [0, 1).
        begin: First step with a mask, as a step (int) or a fraction of training (float).
        frequency: Steps between mask updates; None computes the masks once.

    Example:
        >>> ConstantSparsity(0.5, begin=10).last_update(9), ConstantSparsity(0.5, begin=10)(10)
        (None, 0.5)
    """

    final_sparsity: float = 0.8
    begin: Moment = 0.0
    frequency: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "final_sparsity", check_sparsity(self.final_sparsity, "final_sparsity"))
        check_moment(self.begin, "begin")
        check_frequency(self.frequency)

    @property
    def end_step(self) -> int | None:
        """The step of `begin`, once known."""
        return int(self.begin) if is_step(self.begin) else None

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> ConstantSparsity:
        """Return this schedule with `begin` in steps."""
        return dataclasses.replace(self, begin=to_step(self.begin, total_steps))

    def __call__(self, step: int) -> float:
        """Return the sparsity."""
        return self.final_sparsity

    def last_update(self, step: int, after: int = -1) -> int | None:
        """Return `begin`, or the latest of begin, begin + frequency, … in (`after`, `step`]."""
        begin = self.end_step
        if begin is None:
            raise InputError("This schedule is in fractions of training; call resolve(total_steps) first.")
        if step < begin:
            return None
        update = begin + (step - begin) // self.frequency * self.frequency if self.frequency else begin
        return update if update > after else None
