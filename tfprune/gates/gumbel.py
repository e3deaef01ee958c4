"""Gumbel gates: zeros and ones, with the gradient of a soft choice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.gates.base import Array, Gate, gates, logit, sigmoid

__all__ = ["Gumbel"]


@gates.register("gumbel")
@dataclass(frozen=True)
class Gumbel(Gate):
    """`z = 1` where `s > 1/2`, `s = sigmoid((log u − log(1 − u) + logit) / τ)`; the gradient is that of s.

    The difference of two Gumbel variables is logistic, so that this is Gumbel-softmax of two classes. (Jang, Gu &
    Poole, "Categorical Reparameterization with Gumbel-Softmax", ICLR 2017; Maddison, Mnih & Teh, "The Concrete
    Distribution", ICLR 2017.)

    Args:
        temperature: τ, above 0; the lower, the harder the choice and the noisier its gradient.

    Example:
        >>> Gumbel().draw(np.array([0.0, 0.0]), np.array([0.4, 0.6]))[0]
        array([0., 1.])
    """

    temperature: float = 2 / 3

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"temperature is {self.temperature!r}; give a number above 0.")

    def draw(self, logits: Array, chance: Array) -> tuple[Array, Array]:
        """Return zeros and ones, and the slope of the soft choice."""
        s = sigmoid((logit(chance) + logits) / self.temperature)
        return (s > 0.5).astype(np.float64), s * (1 - s) / self.temperature

    def opening(self, logits: Array) -> tuple[Array, Array]:
        """Return the probability of a one."""
        p = sigmoid(logits)
        return p, p * (1 - p)

    def settled(self, logits: Array) -> Array:
        """Return one where it is the likelier."""
        return (np.asarray(logits) >= 0).astype(np.float64)
