"""First-order Taylor expansion of the loss: what changes little when it goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Taylor"]


@criteria.register("taylor")
@dataclass(frozen=True)
class Taylor(Criterion):
    """Score of a weight: `|g w|`, the first-order change of the loss without it; of a channel `(Σ g w)²`.

    `g` is the gradient of the mean loss, and the sum is over all that goes with the channel, signs included (Molchanov
    et al., "Importance Estimation for Neural Network Pruning", 2019, equation 8).

    Example:
        >>> Taylor().score(np.array([2.0, -1.0]), np.array([0.5, 3.0])).tolist()
        [1.0, 3.0]
        >>> Taylor().score_channels(np.array([[2.0, -1.0]]), np.array([[0.5, 3.0]])).tolist()
        [4.0]
    """

    def score(self, weights: Array, gradient: Array) -> Array:
        """Return `|g w|`."""
        return np.abs(weights * gradient)

    def score_channels(self, weights: Array, gradient: Array) -> Array:
        """Return `(Σ g w)²`."""
        return np.square((weights * gradient).sum(axis=1))
