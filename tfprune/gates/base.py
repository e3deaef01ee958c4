"""What a gate is: a rule from a learned number and chance to how far something is open."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tfprune.registry import Configurable, Registry

__all__ = ["Gate", "gates", "logit", "sigmoid"]

Array = NDArray[np.float64]


class Gate(Configurable, abc.ABC):
    """A rule that opens and closes what it stands before: channels, heads, blocks or single weights.

    Each gate learns one number, its logit. In each step all are drawn with uniform random numbers; what they multiply
    is trained with them, and they by it. To add one, extend this class as a frozen dataclass and register it.

    Attributes:
        start: The logit that gates begin with: nearly open.

    Example:
        A gate of your own, which `tfprune.GateCallback(0.5, gate="mean_field")` finds:

        >>> from dataclasses import dataclass
        >>> from tfprune.gates import Gate, gates
        >>> from tfprune.gates.base import sigmoid
        >>> @gates.register("mean_field")
        ... @dataclass(frozen=True)
        ... class MeanField(Gate):
        ...     "As far open as it is likely to be: no chance is in it."
        ...     def draw(self, logits, chance):
        ...         return self.opening(logits)
        ...     def opening(self, logits):
        ...         p = sigmoid(logits)
        ...         return p, p * (1 - p)
        ...     def settled(self, logits):
        ...         return sigmoid(logits)
        >>> gates.get("mean_field").draw(np.array([0.0, 2.5]), np.array([0.1, 0.9]))[0].round(3)
        array([0.5  , 0.924])
    """

    start: ClassVar[float] = 2.5

    @abc.abstractmethod
    def draw(self, logits: Array, chance: Array) -> tuple[Array, Array]:
        """Return how far gates are open in a step, in [0, 1], and its slope along the logits.

        Args:
            logits: Float (gates,).
            chance: Uniform random numbers in (0, 1), float (gates,).
        """

    @abc.abstractmethod
    def opening(self, logits: Array) -> tuple[Array, Array]:
        """Return the probability that gates are not closed, and its slope along the logits.

        Args:
            logits: Float (gates,).
        """

    @abc.abstractmethod
    def settled(self, logits: Array) -> Array:
        """Return how far gates are open without chance, when the network is evaluated and in the end.

        Args:
            logits: Float (gates,).
        """


gates: Registry[Gate] = Registry("gate", Gate)


def sigmoid(x: Array) -> Array:
    """Return `1 / (1 + exp(−x))`, whatever the size of x."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))


def logit(p: Any) -> Array:
    """Return `log p − log(1 − p)`."""
    inside = np.clip(np.asarray(p, dtype=np.float64), 1e-12, 1.0 - 1e-12)
    found: Array = np.log(inside) - np.log1p(-inside)
    return found
