"""Cosine decay of the density: slow, fast, slow."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tfprune.schedules.base import Ramp, schedules

__all__ = ["CosineDecay"]


@schedules.register("cosine")
@dataclass(frozen=True)
class CosineDecay(Ramp):
    """Sparsity that rises along half a cosine: slow at both ends, fastest in the middle.

    `s(t) = s_f + (s_i − s_f) · (1 + cos(π · (t − begin) / (end − begin))) / 2`, the annealing of Loshchilov & Hutter,
    "SGDR" (2017), equation 5, applied to the sparsity.

    Args:
        initial_sparsity: Sparsity at `begin`; None is 5 %, or `final_sparsity` if that is less.
        final_sparsity: Sparsity from `end` on, in [0, 1).
        begin: First step with a mask, as a step (int) or a fraction of training (float).
        end: The moment at which `final_sparsity` is reached.
        frequency: Steps between mask updates; None makes about 100 updates from `begin` to `end`.

    Example:
        >>> round(CosineDecay(0.0, 0.8, begin=0, end=100)(50), 3)
        0.4
    """

    def covered(self, progress: float) -> float:
        """Return `(1 − cos(π · progress)) / 2`."""
        return (1.0 - math.cos(math.pi * progress)) / 2.0
