"""The diagonal of the Hessian as curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Hessian"]


@criteria.register("hessian")
@dataclass(frozen=True)
class Hessian(Criterion):
    """Score of a weight: `½ w² |h|`, with the diagonal h of the Hessian of the mean loss, estimated by random probes.

    `h = E[z ⊙ Hz]` over vectors z of random signs (Hutchinson's estimator; Yao et al., "Hessian-Aware Pruning and
    Optimal Neural Implant", 2022). The Hessian of a network that is not at a minimum may be negative, hence `|h|`.

    Example:
        >>> Hessian().score(np.array([2.0, 2.0]), np.array([3.0, -1.0])).tolist()
        [6.0, 2.0]
    """

    def score(self, weights: Array, hessian_diagonal: Array) -> Array:
        """Return `½ w² |h|`."""
        return 0.5 * np.square(weights) * np.abs(hessian_diagonal)
