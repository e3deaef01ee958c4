"""Exponential decay of the density: each step removes the same share of what is left."""

from __future__ import annotations

from dataclasses import dataclass

from tfprune.schedules.base import Ramp, schedules

__all__ = ["ExponentialDecay"]


@schedules.register("exponential")
@dataclass(frozen=True)
class ExponentialDecay(Ramp):
    """Sparsity that removes the same share of the remaining weights at every step.

    `1 − s(t) = (1 − s_i) · ((1 − s_f) / (1 − s_i)) ** ((t − begin) / (end − begin))`: the continuous form of iterative
    magnitude pruning, which removes a fixed percentage of the survivors each round (Frankle & Carbin, "The Lottery
    Ticket Hypothesis", 2019).

    Args:
        initial_sparsity: Sparsity at `begin`; None is 5 %, or `final_sparsity` if that is less.
        final_sparsity: Sparsity from `end` on, in [0, 1).
        begin: First step with a mask, as a step (int) or a fraction of training (float).
        end: The moment at which `final_sparsity` is reached.
        frequency: Steps between mask updates; None makes about 100 updates from `begin` to `end`.

    Example:
        >>> round(ExponentialDecay(0.0, 0.75, begin=0, end=100)(50), 3)  # a quarter left: √¼ half way
        0.5
    """

    def covered(self, progress: float) -> float:
        """Return the fraction of the way from `s_i` to `s_f` at which the density has decayed by `progress`."""
        start, end = 1.0 - (self.initial_sparsity or 0.0), 1.0 - self.final_sparsity
        return 1.0 if start == end else (start - start * (end / start) ** progress) / (start - end)
