"""Polynomial decay of the density: fast while weights are plenty, slow near the end."""

from __future__ import annotations

from dataclasses import dataclass

from tfprune.errors import InputError
from tfprune.numbers import is_real
from tfprune.schedules.base import Ramp, schedules

__all__ = ["PolynomialDecay"]


@schedules.register("polynomial")
@dataclass(frozen=True)
class PolynomialDecay(Ramp):
    """Sparsity that rises along a polynomial, fast at first and ever more slowly.

    `s(t) = s_f + (s_i − s_f) · (1 − (t − begin) / (end − begin)) ** power`, with `power` 3 in Zhu & Gupta, "To prune,
    or not to prune" (2017), equation 1. Step for step the values of TFMOT's `PolynomialDecay`.

    Args:
        initial_sparsity: Sparsity at `begin`; None is 5 %, or `final_sparsity` if that is less.
        final_sparsity: Sparsity from `end` on, in [0, 1).
        begin: First step with a mask, as a step (int) or a fraction of training (float).
        end: The moment at which `final_sparsity` is reached; the rest of training is the hold phase.
        frequency: Steps between mask updates; None makes about 100 updates from `begin` to `end`.
        power: Exponent, above 0; 1 is a straight line.

    Example:
        >>> schedule = PolynomialDecay(0.0, 0.8, begin=0, end=100, frequency=10)
        >>> [round(schedule(step), 3) for step in (0, 50, 100)]
        [0.0, 0.7, 0.8]
    """

    power: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_real(self.power) or not self.power > 0:
            raise InputError(f"power is {self.power!r}; give a number above 0 (3 is usual, 1 is linear).")

    def covered(self, progress: float) -> float:
        """Return `1 − (1 − progress) ** power`."""
        return float(1.0 - (1.0 - progress) ** self.power)
