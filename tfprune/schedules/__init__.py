"""Schedules: how sparse the network is to be at each step of training.

A new schedule is one class in one file: extend `Schedule` (or `Ramp`), decorate it with
`@schedules.register("name")`, and `PruneCallback(schedule="name")` finds it.
"""

from __future__ import annotations

from typing import Any

from tfprune.schedules.base import Ramp, Schedule, check_sparsity, schedules
from tfprune.schedules.constant import ConstantSparsity
from tfprune.schedules.cosine import CosineDecay
from tfprune.schedules.exponential import ExponentialDecay
from tfprune.schedules.function import FunctionSchedule
from tfprune.schedules.polynomial import PolynomialDecay
from tfprune.schedules.step import StepSchedule

__all__ = [
    "ConstantSparsity",
    "CosineDecay",
    "ExponentialDecay",
    "FunctionSchedule",
    "PolynomialDecay",
    "Ramp",
    "Schedule",
    "StepSchedule",
    "check_sparsity",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

schedules.alias("linear", "polynomial", power=1.0)
serialize = schedules.serialize
deserialize = schedules.deserialize


def get(identifier: object, **overrides: Any) -> Schedule:
    """Return the schedule that `identifier` stands for.

    Args:
        identifier: A name (`"polynomial"`, `"linear"`, `"constant"`, `"cosine"`, `"exponential"`), a class, an
            instance, a saved config, pairs (sparsity, epoch) as of `StepSchedule`, or any callable from the step to the
            sparsity (or to a pair (update here?, sparsity)).
        **overrides: Constructor arguments, where `identifier` is a name or a class.

    Raises:
        InputError: If it is none of these.

    Example:
        >>> get("constant", final_sparsity=0.5)(0)
        0.5
        >>> get([(0.5, 1), (0.9, 2)])
        StepSchedule(milestones=((0.5, 1), (0.9, 2)), steps_per_epoch=None)
    """
    if isinstance(identifier, list | tuple):
        return StepSchedule(identifier)
    if callable(identifier) and not isinstance(identifier, Schedule | type):
        return FunctionSchedule(identifier, frequency=overrides.get("frequency"))
    return schedules.get(identifier, **overrides)
