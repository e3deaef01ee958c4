"""Adam on an array: the optimizer of the gates, apart from that of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfprune.gates.base import Array

__all__ = ["Adam"]


class Adam:
    """Moves an array down its gradient.

    (Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.)

    Args:
        size: How many numbers there are.
        rate: The learning rate.
    """

    def __init__(self, size: int, rate: float) -> None:
        self.rate = rate
        self._mean, self._square, self._steps = np.zeros(size), np.zeros(size), 0

    def step(self, values: Array, gradient: Array) -> Array:
        """Return the values after a step."""
        self._steps += 1
        self._mean += 0.1 * (gradient - self._mean)
        self._square += 0.001 * (gradient**2 - self._square)
        mean = self._mean / (1 - 0.9**self._steps)
        square = self._square / (1 - 0.999**self._steps)
        found: Array = values - self.rate * mean / (np.sqrt(square) + 1e-8)
        return found

    def state(self) -> dict[str, Any]:
        """Return what it remembers, as arrays."""
        return {"adam_mean": self._mean, "adam_square": self._square, "adam_steps": np.array(self._steps)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._mean = np.array(state["adam_mean"])
        self._square, self._steps = np.array(state["adam_square"]), int(state["adam_steps"])
