"""SNIP: the sensitivity of the loss to gates on connections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Snip"]


@criteria.register("snip")
@dataclass(frozen=True)
class Snip(Criterion):
    """Score of a weight: `|g w|`, the sensitivity of the loss to a gate on the connection.

    Meant for networks before training, with `scope="global"` (Lee et al., "SNIP: Single-shot Network Pruning based on
    Connection Sensitivity", 2019; the paper divides by the sum over all weights, which changes no order). Of a channel
    the sensitivities are summed.

    Example:
        >>> Snip().score_channels(np.array([[2.0, -1.0]]), np.array([[0.5, 3.0]])).tolist()
        [4.0]
    """

    def score(self, weights: Array, gradient: Array) -> Array:
        """Return `|g w|`."""
        return np.abs(weights * gradient)

    def score_channels(self, weights: Array, gradient: Array) -> Array:
        """Return `Σ |g w|`."""
        return np.abs(weights * gradient).sum(axis=1)
