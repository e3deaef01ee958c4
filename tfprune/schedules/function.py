"""Any callable as a schedule: a function of the step, or another library's schedule object."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tfprune.errors import InputError
from tfprune.schedules.base import Schedule, check_sparsity, schedules

__all__ = ["FunctionSchedule"]

LOOK_BACK = 10_000
"""How many steps before the present one are asked for an update that a resumed training may have missed."""


@schedules.register("function")
@dataclass(frozen=True)
class FunctionSchedule(Schedule):
    """A schedule made of any callable.

    Args:
        function: `function(step)` returns the sparsity, or a pair (update here?, sparsity) as the schedules of
            TensorFlow Model Optimization do. To be saved in a config it has to be registered with Keras.
        frequency: Steps between mask updates, where the function does not say it itself.
        total_steps: Length of the training; filled in by `resolve`.

    Example:
        >>> schedule = FunctionSchedule(lambda step: min(step / 1000, 0.9)).resolve(total_steps=2000)
        >>> schedule(500), schedule.final_sparsity
        (0.5, 0.9)
    """

    function: Callable[[int], Any]
    frequency: int | None = None
    total_steps: int | None = None
    _says_when: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(f"{self.function!r} is not callable; give a function from the step to the sparsity.")
        try:
            probe = self.function(0)
        except Exception as error:
            raise InputError(f"The schedule {self.function!r} fails at step 0: {error}") from error
        object.__setattr__(self, "_says_when", isinstance(probe, tuple | list) and len(probe) == 2)
        self(0)

    @property
    def final_sparsity(self) -> float:
        """The sparsity at the end of training (or what the function's own attribute says)."""
        for attribute in ("final_sparsity", "target_sparsity"):
            if hasattr(self.function, attribute):
                return check_sparsity(float(getattr(self.function, attribute)), attribute)
        if self.total_steps is None:
            raise InputError("The final sparsity of a function is known once resolve(total_steps) has been called.")
        return self(max(self.total_steps - 1, 0))

    @property
    def end_step(self) -> int | None:
        """The function's own `end_step` if it has one, else the last step of training once that is known."""
        end = getattr(self.function, "end_step", None)
        if end is not None and int(end) >= 0:
            return int(end)
        return None if self.total_steps is None else max(self.total_steps - 1, 0)

    @property
    def needs_length(self) -> bool:
        """Whether the length of training has still to be filled in."""
        return self.total_steps is None

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> FunctionSchedule:
        """Return this schedule with the length of training filled in."""
        return dataclasses.replace(self, total_steps=total_steps)

    def __call__(self, step: int) -> float:
        """Return the sparsity that the function gives at `step`."""
        value = self.function(step)
        sparsity = value[1] if self._says_when else value
        return check_sparsity(float(sparsity), f"The schedule's sparsity at step {step}")

    def last_update(self, step: int, after: int = -1) -> int | None:
        """Return the latest step in (`after`, `step`] at which the function, or `frequency`, asks for an update."""
        if not self._says_when:
            frequency = self.frequency or max(1, (self.total_steps or 0) // 100)
            update = step // frequency * frequency
            return update if update > after else None
        earliest = max(after + 1, step - LOOK_BACK, 0)
        return next((s for s in range(step, earliest - 1, -1) if bool(self.function(s)[0])), None)

    def get_config(self) -> dict[str, Any]:
        """Return the fields; the function by its registered name."""
        return {"function": self.function, "frequency": self.frequency, "total_steps": self.total_steps}
