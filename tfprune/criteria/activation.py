"""What channels do on data: channels that are quiet, or mostly zero, matter little."""

from __future__ import annotations

from dataclasses import dataclass

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["ActivationMean", "ActiveShare"]


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


@criteria.register("apoz")
@dataclass(frozen=True)
class ActiveShare(Criterion):
    """Score of a channel: the share of its activations that are not zero, one minus the average percentage of zeros.

    (Hu et al., "Network Trimming", 2016.) Meant for channels after a ReLU; labels are not needed.

    Example:
        >>> ActiveShare().score_channels(np.array([[0.25], [1.0]])).tolist()
        [0.25, 1.0]
    """

    def score_channels(self, activation_share: Array) -> Array:
        """Return the mean share over what is read."""
        return activation_share.mean(axis=1)
