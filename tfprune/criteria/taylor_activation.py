"""First-order Taylor expansion of the loss in the activations of channels."""

from __future__ import annotations

from dataclasses import dataclass

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["ActivationTaylor"]


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
