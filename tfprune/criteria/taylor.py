"""First-order Taylor expansions of the loss: what changes little when it goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["ActivationTaylor", "Snip", "Taylor"]


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


@criteria.register("taylor_activation")
@dataclass(frozen=True)
class ActivationTaylor(Criterion):
    """Score of a channel: the mean over samples of `|Σ a ∂L/∂a|`, over the positions where other layers read it.

    (Molchanov et al., "Pruning Convolutional Neural Networks for Resource Efficient Inference", 2017, equation 7.)

    Example:
        >>> ActivationTaylor().score_channels(np.array([[0.5, 1.5], [0.0, 0.0]])).tolist()  # read by two layers
        [2.0, 0.0]
    """

    def score_channels(self, activation_gradient: Array) -> Array:
        """Return the sum over what is read."""
        return activation_gradient.sum(axis=1)
