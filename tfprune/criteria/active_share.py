"""The share of activations that are not zero: channels that are mostly off matter little."""

from __future__ import annotations

from dataclasses import dataclass

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["ActiveShare"]


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
