"""What a network may cost when channels have been removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from tfprune.cost.network import Cost
from tfprune.errors import InputError
from tfprune.numbers import is_integer, is_real
from tfprune.registry import Configurable

__all__ = ["LIMITS", "Budget"]

LIMITS = {"params": "parameters", "macs": "macs", "bytes": "bytes"}
"""The names of bounds, and of what they bound in a `Cost`."""


@keras.saving.register_keras_serializable(package="tfprune")
@dataclass(frozen=True)
class Budget(Configurable):
    """Upper bounds on what a network may cost; all that are given must hold.

    Args:
        params: Parameters: a fraction of those that there are, in (0, 1], or a number of them.
        macs: Multiply-accumulates for one sample, likewise.
        bytes: Bytes of the weights, likewise.

    Raises:
        InputError: If a bound is not one of these, or none is given.

    Example:
        >>> Budget(macs=0.5).bounds(Cost(parameters=1000, bytes=4000, macs=50_000))
        {'macs': 25000}
    """

    params: float | int | None = None
    macs: float | int | None = None
    bytes: float | int | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in LIMITS if getattr(self, name) is not None}
        if not given:
            raise InputError("This budget has no bound; give one, such as Budget(macs=0.5) for half of them.")
        for name, value in given.items():
            fraction = is_real(value) and not is_integer(value)
            if not (0.0 < value <= 1.0 if fraction else is_integer(value) and value >= 1):
                raise InputError(
                    f"The budget's {name} is {value!r}; give the fraction to keep as a float in (0, 1], or a count."
                )

    def __str__(self) -> str:
        bounds = ", ".join(f"{name}={getattr(self, name)}" for name in LIMITS if getattr(self, name) is not None)
        return f"Budget({bounds})"

    def bounds(self, whole: Cost) -> dict[str, int]:
        """Return the bounds as counts, given what the whole network costs."""
        return {
            name: int(value if is_integer(value) else value * getattr(whole, field))
            for name, field in LIMITS.items()
            if (value := getattr(self, name)) is not None
        }

    def met(self, cost: Cost, whole: Cost) -> bool:
        """Whether a network is within all bounds."""
        return not self.excess(cost, whole)

    def excess(self, cost: Cost, whole: Cost) -> dict[str, int]:
        """Return by how much each bound is exceeded, for those that are."""
        over: dict[str, Any] = {name: getattr(cost, LIMITS[name]) - bound for name, bound in self.bounds(whole).items()}
        return {name: count for name, count in over.items() if count > 0}
