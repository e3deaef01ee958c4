"""Gates that are open or closed, by a coin that is learned: the gradient goes straight through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.gates.base import Array, Gate, gates, sigmoid

__all__ = ["Bernoulli"]


@gates.register("sigmoid", "straight_through")
@dataclass(frozen=True)
class Bernoulli(Gate):
    """`z = 1` with the probability `p = sigmoid(logit)`, else 0; the gradient is taken as if z were p.

    (Bengio, Léonard & Courville, "Estimating or Propagating Gradients Through Stochastic Neurons for Conditional
    Computation", 2013: the straight-through estimator.)

    Example:
        >>> Bernoulli().draw(np.array([0.0, 0.0]), np.array([0.4, 0.6]))
        (array([1., 0.]), array([0.25, 0.25]))
    """

    def draw(self, logits: Array, chance: Array) -> tuple[Array, Array]:
        """Return zeros and ones."""
        p = sigmoid(logits)
        return (chance < p).astype(np.float64), p * (1 - p)

    def opening(self, logits: Array) -> tuple[Array, Array]:
        """Return the probability of a one."""
        p = sigmoid(logits)
        return p, p * (1 - p)

    def settled(self, logits: Array) -> Array:
        """Return one where it is the likelier."""
        return (np.asarray(logits) >= 0).astype(np.float64)
