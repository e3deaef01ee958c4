"""Hard concrete gates: L0 regularisation by gates that are often exactly zero or one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tfprune.errors import InputError
from tfprune.gates.base import Array, Gate, gates, logit, sigmoid

__all__ = ["HardConcrete"]


@gates.register("hard_concrete")
@dataclass(frozen=True)
class HardConcrete(Gate):
    """`z = min(1, max(0, s (ζ − γ) + γ))`, `s = sigmoid((log u − log(1 − u) + log α) / β)`, u uniform.

    Stretched beyond [0, 1] and clipped, the gate is exactly zero or one with some probability, and has a gradient in
    between. `P(z > 0) = sigmoid(log α − β log(−γ / ζ))`. (Louizos, Welling & Kingma, "Learning Sparse Neural Networks
    through L0 Regularization", ICLR 2018, eq. 10-13.)

    Args:
        beta: β, the temperature, above 0.
        gamma: γ, below 0.
        zeta: ζ, above 1.

    Example:
        >>> gate = HardConcrete()
        >>> gate.draw(np.array([0.0, 0.0, 0.0]), np.array([0.01, 0.5, 0.99]))[0]
        array([0. , 0.5, 1. ])
        >>> gate.opening(np.array([0.0]))[0].round(4)  # sigmoid(−2/3 log(0.1 / 1.1))
        array([0.8318])
    """

    beta: float = 2 / 3
    gamma: float = -0.1
    zeta: float = 1.1
    start: ClassVar[float] = 1.5

    def __post_init__(self) -> None:
        if not (self.beta > 0 and self.gamma < 0 and self.zeta > 1):
            raise InputError(f"{self} needs beta above 0, gamma below 0 and zeta above 1.")

    def draw(self, logits: Array, chance: Array) -> tuple[Array, Array]:
        """Return stretched and clipped values; clipped ones have no slope."""
        s = sigmoid((logit(chance) + logits) / self.beta)
        stretched = s * (self.zeta - self.gamma) + self.gamma
        inside = (stretched > 0) & (stretched < 1)
        return np.clip(stretched, 0.0, 1.0), np.where(inside, s * (1 - s) * (self.zeta - self.gamma) / self.beta, 0.0)

    def opening(self, logits: Array) -> tuple[Array, Array]:
        """Return the probability that the gate is not zero."""
        p = sigmoid(logits - self.beta * np.log(-self.gamma / self.zeta))
        return p, p * (1 - p)

    def settled(self, logits: Array) -> Array:
        """Return the value that log α alone gives."""
        return np.clip(sigmoid(logits) * (self.zeta - self.gamma) + self.gamma, 0.0, 1.0)
