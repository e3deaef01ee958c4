"""Optimal Brain Damage: the diagonal of the Gauss–Newton matrix as curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["OptimalBrainDamage"]


@criteria.register("obd")
@dataclass(frozen=True)
class OptimalBrainDamage(Criterion):
    """Score of a weight: the saliency `½ w² h`, with the positive diagonal h of the Gauss–Newton approximation.

    (LeCun et al., "Optimal Brain Damage", 1990, with the Levenberg–Marquardt approximation of its equation 8.) The
    curvature of each sample's loss by the outputs is exact; what it makes of the weights is estimated by random
    vectors, one a sample.

    Example:
        >>> OptimalBrainDamage().score(np.array([2.0]), np.array([3.0])).tolist()
        [6.0]
    """

    def score(self, weights: Array, gauss_newton: Array) -> Array:
        """Return `½ w² h`."""
        return 0.5 * np.square(weights) * gauss_newton
