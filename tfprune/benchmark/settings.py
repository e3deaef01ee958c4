"""How long to measure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tfprune.benchmark.timing import Samples
from tfprune.errors import InputError

__all__ = ["Settings", "check_number"]


@dataclass(frozen=True)
class Settings:
    """The numbers given to `run`, checked when the record is made."""

    warmup: int
    runs: int
    min_seconds: float
    max_seconds: float
    warmup_seconds: float
    timeout: float | None
    seed: int

    def __post_init__(self) -> None:
        for name, least in (("warmup", 0), ("runs", 1), ("seed", 0)):
            check_number(name, getattr(self, name), least, whole=True)
        for name in ("min_seconds", "warmup_seconds"):
            check_number(name, getattr(self, name), 0)
        check_number("max_seconds", self.max_seconds, 1e-6)
        if self.timeout is not None:
            check_number("timeout", self.timeout, 1e-6)

    def is_enough(self, samples: Samples) -> bool:
        """Return whether a model has run for long enough: often and long, or for the most that is allowed."""
        often = samples.count >= self.runs and samples.seconds >= self.min_seconds
        return often or samples.seconds >= self.max_seconds


def check_number(name: str, value: object, least: float, *, whole: bool = False) -> None:
    """Check an argument.

    Raises:
        InputError: If `value` is no number, not finite, smaller than `least`, or not whole where it has to be.
    """
    good = isinstance(value, int) if whole else isinstance(value, int | float)
    if not good or isinstance(value, bool) or not math.isfinite(value) or value < least:  # type: ignore[arg-type, operator]
        kind = "a whole number" if whole else "a number"
        limit = "above 0" if 0 < least < 1 else f"of at least {least:g}"
        raise InputError(f"{name}={value!r} is not possible; give {kind} {limit}.")
