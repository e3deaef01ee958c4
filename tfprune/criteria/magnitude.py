"""Magnitude: small weights matter little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria
from tfprune.errors import InputError

__all__ = ["Magnitude"]


@criteria.register("magnitude", "l1")
@dataclass(frozen=True)
class Magnitude(Criterion):
    """Score of a weight: `|w| ** order` (Han et al., "Learning both Weights and Connections", 2015).

    For single weights both orders rank alike; they differ where scores are pooled, as over a block.

    Args:
        order: 1 for L1, 2 for L2.

    Example:
        >>> Magnitude().score(np.array([-2.0, 0.5]))
        array([2. , 0.5])
    """

    order: int = 1

    def __post_init__(self) -> None:
        if self.order not in (1, 2):
            raise InputError(f"order is {self.order!r}; give 1 (L1) or 2 (L2).")

    def score(self, weights: Array) -> Array:
        """Return `|w| ** order`."""
        scores: Array = np.abs(weights) if self.order == 1 else np.square(weights)
        return scores


@criteria.register("l2")
@dataclass(frozen=True)
class SquaredMagnitude(Magnitude):
    """`Magnitude(order=2)`, reachable by the name `"l2"`.

    Args:
        order: 2, which makes it that of L2.

    Example:
        >>> SquaredMagnitude().score(np.array([-2.0, 0.5]))
        array([4.  , 0.25])
    """

    order: int = 2
