"""Fisher: the mean squared gradient of single samples as curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Fisher"]


@criteria.register("fisher")
@dataclass(frozen=True)
class Fisher(Criterion):
    """Score of a weight: `½ w² E[gₙ²]`, with the gradient of each sample's loss (the empirical Fisher diagonal).

    (Theis et al., "Faster gaze prediction with dense networks and Fisher pruning", 2018.) The squares are of single
    samples' gradients, not of their mean, which is near zero in a trained network. Of a channel it is
    `½ E[(Σ gₙ w)²]`, the same of a gate on the channel (Liu et al., "Group Fisher Pruning", 2021).

    Example:
        >>> Fisher().score(np.array([2.0]), np.array([3.0])).tolist()
        [6.0]
    """

    def score(self, weights: Array, squared_gradient: Array) -> Array:
        """Return `½ w² E[g²]`."""
        return 0.5 * np.square(weights) * squared_gradient

    def score_channels(self, squared_gate_gradient: Array) -> Array:
        """Return `½ E[(Σ g w)²]`."""
        return 0.5 * squared_gate_gradient.sum(axis=1)
