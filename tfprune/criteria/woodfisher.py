"""WoodFisher: the Optimal Brain Surgeon with the empirical Fisher matrix of the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["WoodFisher"]


@criteria.register("woodfisher")
@dataclass(frozen=True)
class WoodFisher(Criterion):
    """Score of a weight: `w² / (2 [F⁻¹]_jj)`, with the empirical Fisher matrix F in blocks of neighbouring weights.

    (Singh & Alistarh, "WoodFisher: Efficient Second-Order Approximation for Neural Network Compression", 2020.) The
    inverse of each block is built up from the gradients of single samples by the Woodbury identity.

    Example:
        >>> WoodFisher().score(np.array([2.0, 2.0]), np.array([1.0, 4.0])).tolist()
        [2.0, 0.5]
    """

    def score(self, weights: Array, inverse_fisher: Array) -> Array:
        """Return `w² / (2 [F⁻¹]_jj)`."""
        return np.square(weights) / (2 * inverse_fisher)
