"""How hard gates are pressed to close: a Lagrangian for each bound of a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tfprune.gates.base import Array

__all__ = ["Pressure"]


@dataclass
class Pressure:
    """Multipliers of the constraints `cost / whole ≤ target`, one for each bound.

    `λ g + μ/2 max(g, 0)²` is added to the loss, g by how much a bound is exceeded. Each step λ rises by `rate · g`; it
    starts over from zero where the bound is met, so that gates are not pressed on when enough is closed.
    (Gallego-Posada et al., "Controlled Sparsity via Constrained Optimization", NeurIPS 2022, with dual restarts; the
    ramp and the quadratic term as in Xia, Zhong & Chen, "Structured Pruning Learns Compact and Accurate Models", ACL
    2022.)

    Args:
        targets: Parts of the whole cost that are to be left, by bound.
        rate: How fast λ rises.
        quadratic: μ.

    Attributes:
        multipliers: λ of each bound.
    """

    targets: Mapping[str, float]
    rate: float = 0.05
    quadratic: float = 5.0
    multipliers: dict[str, float] = field(default_factory=dict)

    def press(self, costs: Mapping[str, float], slopes: Mapping[str, Array], ramp: float) -> Array:
        """Return the gradient of the Lagrangian along the gates, and let λ rise.

        Args:
            costs: What is expected to be left of each cost, as a part of the whole.
            slopes: Its gradient along the gates' opening, by bound.
            ramp: How far the targets have come from the whole cost, in [0, 1].
        """
        total = np.zeros_like(next(iter(slopes.values())))
        for name, target in self.targets.items():
            excess = costs[name] - (1.0 + (target - 1.0) * ramp)
            value = self.multipliers.get(name, 0.0) + self.rate * excess
            self.multipliers[name] = max(value, 0.0) if excess > 0 else 0.0
            total += (self.multipliers[name] + self.quadratic * max(excess, 0.0)) * slopes[name]
        return total
