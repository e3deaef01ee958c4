"""What a schedule is: a frozen rule from the training step to the sparsity wanted there."""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import dataclass
from typing import Any

from tfprune.errors import InputError
from tfprune.numbers import is_integer, is_real
from tfprune.registry import Configurable, Registry

__all__ = ["Moment", "Ramp", "Schedule", "check_sparsity", "schedules"]

Moment = int | float
"""A moment of training: an int is a step, a float in [0, 1] a fraction of all steps."""

UPDATES_PER_RAMP = 100
"""Mask updates over a ramp when no `frequency` is given."""


def check_sparsity(value: Any, name: str = "sparsity") -> float:
    """Return `value` as a float if it is a sparsity.

    Args:
        value: What was given.
        name: What it is called in the message.

    Raises:
        InputError: If it is not a number in [0, 1).

    Example:
        >>> check_sparsity(0)
        0.0
        >>> try:
        ...     check_sparsity(80, "final_sparsity")
        ... except InputError as error:
        ...     print(error)
        final_sparsity is 80; give a number from 0 up to but not including 1 (0.8 removes 80 %).
    """
    if not is_real(value) or not 0.0 <= float(value) < 1.0:
        raise InputError(f"{name} is {value!r}; give a number from 0 up to but not including 1 (0.8 removes 80 %).")
    return float(value)


class Schedule(Configurable, abc.ABC):
    """A rule from the training step to the sparsity wanted there.

    A schedule is written in steps or in fractions of the training; `resolve` turns the second into the first once the
    length of the training is known. Calling a resolved schedule is pure: no state, no clock of its own.

    Example:
        A schedule of your own:

        >>> from dataclasses import dataclass, replace
        >>> from tfprune.schedules import Schedule, schedules
        >>> @schedules.register("in_two_steps")
        ... @dataclass(frozen=True)
        ... class InTwoSteps(Schedule):
        ...     "Half of the sparsity after a third of the training, all of it after two thirds."
        ...     final_sparsity: float = 0.8
        ...     third: int | None = None
        ...     @property
        ...     def end_step(self):
        ...         return None if self.third is None else 2 * self.third
        ...     def resolve(self, total_steps, steps_per_epoch=None):
        ...         return replace(self, third=max(total_steps // 3, 1))
        ...     def __call__(self, step):
        ...         return self.final_sparsity * min(step // self.third, 2) / 2
        ...     def last_update(self, step, after=-1):
        ...         update = min(step // self.third, 2) * self.third
        ...         return update if update > after else None
        >>> schedule = schedules.get("in_two_steps").resolve(total_steps=90)
        >>> [schedule(step) for step in (0, 30, 60)], schedule.last_update(59)
        ([0.0, 0.4, 0.8], 30)
    """

    @property
    @abc.abstractmethod
    def final_sparsity(self) -> float:
        """The sparsity that the schedule ends at."""

    @property
    @abc.abstractmethod
    def end_step(self) -> int | None:
        """The step at which `final_sparsity` is reached; None before `resolve`, or where it can't be known."""

    @abc.abstractmethod
    def __call__(self, step: int) -> float:
        """Return the sparsity wanted at `step` (an optimizer update, counted from 0)."""

    @abc.abstractmethod
    def last_update(self, step: int, after: int = -1) -> int | None:
        """Return the latest step in (`after`, `step`] at which masks are recomputed, or None if there is none."""

    @abc.abstractmethod
    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> Schedule:
        """Return this schedule with every moment as a step, for a training of `total_steps` updates."""

    @property
    def needs_length(self) -> bool:
        """Whether `resolve` is needed before the schedule can be called."""
        return self.end_step is None


schedules: Registry[Schedule] = Registry("schedule", Schedule)


def check_moment(value: Any, name: str) -> None:
    """Raise InputError unless `value` is a step (int ≥ 0) or a fraction of training (float in [0, 1])."""
    if not (value >= 0 if is_integer(value) else is_real(value) and 0.0 <= value <= 1.0):
        raise InputError(
            f"{name} is {value!r}; give a step (an int from 0) or a fraction of training (a float in [0, 1])."
        )


def check_frequency(value: Any) -> None:
    """Raise InputError unless `value` is None or a number of steps, an int from 1."""
    if value is not None and not (is_integer(value) and value >= 1):
        raise InputError(f"frequency is {value!r}; give the number of steps between mask updates, an int from 1.")


def is_step(moment: Moment) -> bool:
    """Whether a moment is a step (an int) and not a fraction of training."""
    return is_integer(moment)


def to_step(moment: Moment, total_steps: int) -> int:
    """Return the step of a moment; the last fraction is the last step that is trained."""
    return int(moment) if is_step(moment) else min(round(moment * total_steps), max(total_steps - 1, 0))


@dataclass(frozen=True)
class Ramp(Schedule):
    """Base of the schedules that go from one sparsity to another between two moments.

    Args:
        initial_sparsity: Sparsity at `begin`; None is 5 %, or `final_sparsity` if that is less.
        final_sparsity: Sparsity from `end` on, in [0, 1).
        begin: First step with a mask, as a step (int) or a fraction of training (float).
        end: The moment at which `final_sparsity` is reached. `begin == end` jumps there at once.
        frequency: Steps between mask updates; None makes about 100 updates from `begin` to `end`. The end is an update
            too, also when it is off this grid.

    Example:
        A ramp of your own says how far it has come:

        >>> import math
        >>> from tfprune.schedules import Ramp, schedules
        >>> @schedules.register("quarter_sine")
        ... @dataclass(frozen=True)
        ... class QuarterSine(Ramp):
        ...     "Sparsity that rises along a quarter of a sine: fast at first and ever more slowly."
        ...     def covered(self, progress):
        ...         return math.sin(math.pi / 2 * progress)
        >>> schedule = schedules.get("quarter_sine", initial_sparsity=0.0, end=0.9).resolve(total_steps=100)
        >>> [round(schedule(step), 3) for step in (0, 30, 90)]
        [0.0, 0.4, 0.8]
    """

    initial_sparsity: float | None = None
    final_sparsity: float = 0.8
    begin: Moment = 0.0
    end: Moment = 0.75
    frequency: int | None = None

    def __post_init__(self) -> None:
        final = check_sparsity(self.final_sparsity, "final_sparsity")
        initial = min(0.05, final) if self.initial_sparsity is None else self.initial_sparsity
        object.__setattr__(self, "final_sparsity", final)
        object.__setattr__(self, "initial_sparsity", check_sparsity(initial, "initial_sparsity"))
        check_moment(self.begin, "begin")
        check_moment(self.end, "end")
        if is_step(self.begin) == is_step(self.end):
            self._check_order(self.begin, self.end)
        check_frequency(self.frequency)

    def _check_order(self, begin: Moment, end: Moment) -> None:
        if end < begin:
            raise InputError(f"The schedule ends ({end}) before it begins ({begin}); give end ≥ begin.")

    @abc.abstractmethod
    def covered(self, progress: float) -> float:
        """Return the fraction of the way from initial to final sparsity at `progress` in [0, 1] of the ramp."""

    @property
    def end_step(self) -> int | None:
        """The step of `end`, once known."""
        return int(self.end) if is_step(self.end) and is_step(self.begin) else None

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> Ramp:
        """Return this ramp with `begin`, `end` and `frequency` in steps."""
        begin, end = to_step(self.begin, total_steps), to_step(self.end, total_steps)
        self._check_order(begin, end)
        frequency = self.frequency or max(1, (end - begin) // UPDATES_PER_RAMP)
        return dataclasses.replace(self, begin=begin, end=end, frequency=frequency)

    def __call__(self, step: int) -> float:
        """Return the sparsity wanted at `step`; before `begin` it is `initial_sparsity`."""
        begin, end, _ = self._steps()
        progress = float(step >= begin) if begin == end else min(max((step - begin) / (end - begin), 0.0), 1.0)
        initial = self.initial_sparsity or 0.0
        if progress == 1.0:
            return self.final_sparsity
        return initial + (self.final_sparsity - initial) * self.covered(progress)

    def last_update(self, step: int, after: int = -1) -> int | None:
        """Return the latest of begin, begin + frequency, …, end in (`after`, `step`]."""
        begin, end, frequency = self._steps()
        if step < begin:
            return None
        update = end if step >= end else begin + (step - begin) // frequency * frequency
        return update if update > after else None

    def _steps(self) -> tuple[int, int, int]:
        if self.end_step is None:
            raise InputError("This schedule is in fractions of training; call resolve(total_steps) first.")
        frequency = self.frequency or max(1, (int(self.end) - int(self.begin)) // UPDATES_PER_RAMP)
        return int(self.begin), int(self.end), frequency
