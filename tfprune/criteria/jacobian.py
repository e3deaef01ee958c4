"""How much the outputs change, whatever the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["JacobianHessian"]


@criteria.register("jacobian")
@dataclass(frozen=True)
class JacobianHessian(Criterion):
    """Score of a weight: `½ w² E[Σ (∂y/∂w)²]` over the outputs y: how much the outputs change, whatever the labels.

    It is the Hessian diagonal of the squared distance from the network's own outputs, so it needs no labels and no
    loss. Estimated by random vectors of output signs, one a sample.

    Example:
        >>> JacobianHessian().score(np.array([2.0]), np.array([3.0])).tolist()
        [6.0]
    """

    def score(self, weights: Array, jacobian: Array) -> Array:
        """Return `½ w² E[Σ (∂y/∂w)²]`."""
        return 0.5 * np.square(weights) * jacobian
