"""The scale of batch normalisations: channels that are scaled down matter little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["BatchNormScale"]


@criteria.register("bn_scale", "slimming")
@dataclass(frozen=True)
class BatchNormScale(Criterion):
    """Score of a channel: `|γ|` of the batch normalisation that it goes through, the mean of several.

    It says most after a training that pulls scales to zero, `RegularizeCallback("slimming")` (Liu et al., "Learning
    Efficient Convolutional Networks through Network Slimming", 2017).

    Example:
        >>> BatchNormScale().score_channels(np.array([[-2.0], [0.5]])).tolist()
        [2.0, 0.5]
    """

    def score_channels(self, scale: Array) -> Array:
        """Return the mean size of the scales."""
        return np.abs(scale).mean(axis=1)
