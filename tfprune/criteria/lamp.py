"""LAMP: magnitudes that compare across layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Lamp"]


@criteria.register("lamp")
@dataclass(frozen=True)
class Lamp(Criterion):
    """Score of a weight: `w² / Σ u²` over the weights u of its kernel that are not smaller than it.

    It bounds what the removal adds to the output's error relative to what is left, so that with `scope="global"` each
    layer finds its own sparsity and none is emptied: the largest weight of each kernel scores 1 (Lee et al.,
    "Layer-adaptive Sparsity for the Magnitude-based Pruning", 2021). A channel counts as one weight, with the sum of
    the squares of all that goes with it.

    Example:
        >>> Lamp().score(np.array([1.0, -2.0, 3.0])).round(3).tolist()  # 1/14, 4/13, 9/9
        [0.071, 0.308, 1.0]
    """

    def score(self, weights: Array) -> Array:
        """Return the squares, each divided by the sum of those that are not smaller."""
        return lamp(np.square(weights, dtype=np.float64))

    def score_channels(self, weights: Array) -> Array:
        """Return the same for channels."""
        return lamp(np.square(weights, dtype=np.float64).sum(axis=1))


def lamp(squares: Array) -> Array:
    """Return squares divided by the sum of those that are not smaller; of equal ones the earlier counts as larger."""
    flat = squares.reshape(-1)
    order = flat.size - 1 - np.argsort(flat[::-1], kind="stable")
    sums = np.cumsum(flat[order][::-1])[::-1]
    scores = np.zeros(flat.size)
    scores[order] = np.divide(flat[order], sums, out=np.zeros(flat.size), where=sums > 0)
    return scores.reshape(squares.shape)
