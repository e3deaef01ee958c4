"""SynFlow: what signals flow through, without any data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["SynFlow"]


@criteria.register("synflow")
@dataclass(frozen=True)
class SynFlow(Criterion):
    """Score of a weight: `|w| · ∂R/∂|w|`, with the sum R of the outputs of the network with all weights positive.

    The input is all ones, so there is no need of data (Tanaka et al., "Pruning neural networks without any data by
    iteratively conserving synaptic flow", 2020). The paper prunes in a hundred steps with new scores each; so does
    `PruneCallback`, at each mask update.

    Example:
        >>> SynFlow().score(np.array([2.0, -1.0]), np.array([0.5, 3.0])).tolist()
        [1.0, 3.0]
    """

    def score(self, weights: Array, synaptic_flow: Array) -> Array:
        """Return `|w| · ∂R/∂|w|`."""
        return np.abs(weights) * synaptic_flow

    def score_channels(self, weights: Array, synaptic_flow: Array) -> Array:
        """Return `Σ |w| · ∂R/∂|w|`."""
        return (np.abs(weights) * synaptic_flow).sum(axis=1)
