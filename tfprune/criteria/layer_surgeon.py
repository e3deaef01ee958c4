"""The Optimal Brain Surgeon of each layer: what the other weights can't make up for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["LayerSurgeon"]


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
