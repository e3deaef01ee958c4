"""The Optimal Brain Surgeon: what the other weights can't make up for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["LayerSurgeon", "WoodFisher"]


@criteria.register("obs")
@dataclass(frozen=True)
class LayerSurgeon(Criterion):
    """Score of a weight: `w² / [H⁻¹]_jj`, with the second moments H of the inputs of its layer.

    It is what the layer's squared output error grows by when the weight goes and all others of its output make up for
    it (Hassibi & Stork, "Optimal Brain Surgeon", 1993; layer by layer as in Frantar & Alistarh, "Optimal Brain
    Compression", 2022). Labels are not needed. Let a refit do the making up: `prune(…, refit=data)`. For whole channels
    `prune_filters(…, data=…)` has its own, which takes them out one by one.

    Example:
        >>> LayerSurgeon().score(np.array([[2.0], [2.0]]), np.array([[1.0], [4.0]])).tolist()
        [[4.0], [1.0]]
    """

    def score(self, weights: Array, inverse_moments: Array) -> Array:
        """Return `w² / [H⁻¹]_jj`."""
        return np.square(weights) / inverse_moments


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
