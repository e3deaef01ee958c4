"""The oracle: really remove it, and measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Oracle"]


@criteria.register("oracle")
@dataclass(frozen=True)
class Oracle(Criterion):
    """Score of a weight or channel: by how much the loss on data rises when it alone is set to zero.

    The yardstick for all others, and slow: one pass over the data for each. What others would make up for afterwards,
    and what goes together, it does not know.

    Example:
        >>> Oracle().score(np.array([0.5, -0.1])).tolist()
        [0.5, -0.1]
    """

    def score(self, loss_increase: Array) -> Array:
        """Return the rise of the loss."""
        return np.asarray(loss_increase)

    def score_channels(self, loss_increase: Array) -> Array:
        """Return the rise of the loss."""
        return np.asarray(loss_increase).reshape(len(loss_increase))
