"""The geometric median: filters that are near to all others can be replaced by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["GeometricMedian"]


@criteria.register("fpgm", "geometric_median")
@dataclass(frozen=True)
class GeometricMedian(Criterion):
    """Score of a channel: `Σ_j ‖f − f_j‖₂`, the distance of the filter that makes it from all others of its kernel.

    Divided by the mean over the channels, so that kernels of different sizes compare.

    A filter near the geometric median has little that others have not (He et al., "Filter Pruning via Geometric Median
    for Deep Convolutional Neural Networks Acceleration", 2019). Signs count: f and −f are far apart.

    Example:
        >>> GeometricMedian().score_channels(np.array([[0.0], [1.0], [5.0]])).round(2).tolist()
        [0.9, 0.75, 1.35]
    """

    def score_channels(self, filters: Array) -> Array:
        """Return the sum of the distances from all others, 1 on average."""
        filters = filters.astype(np.float64)
        sums = np.array([np.linalg.norm(filters - own, axis=1).sum() for own in filters])
        return sums / sums.mean() if sums.any() else sums
