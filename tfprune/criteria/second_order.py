"""Second-order Taylor expansions of the loss with a diagonal curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Fisher", "Hessian", "JacobianHessian", "OptimalBrainDamage"]


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

    def score_channels(self, weights: Array, squared_gate_gradient: Array) -> Array:
        """Return `½ E[(Σ g w)²]`."""
        return 0.5 * squared_gate_gradient.sum(axis=1)


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
