"""The mean activation: channels that are quiet matter little."""

from __future__ import annotations

from dataclasses import dataclass

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["ActivationMean"]


@criteria.register("activation")
@dataclass(frozen=True)
class ActivationMean(Criterion):
    """Score of a channel: the mean of `|a|` over samples and positions, where other layers read it.

    (Molchanov et al., "Pruning Convolutional Neural Networks for Resource Efficient Inference", 2017.) Labels are not
    needed.

    Example:
        >>> ActivationMean().score_channels(np.array([[0.5, 1.5], [0.0, 0.0]])).tolist()  # read by two layers
        [1.0, 0.0]
    """

    def score_channels(self, activation_mean: Array) -> Array:
        """Return the mean over what is read."""
        return activation_mean.mean(axis=1)
