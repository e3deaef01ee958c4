"""Wanda: weights times what they are multiplied with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Wanda"]


@criteria.register("wanda")
@dataclass(frozen=True)
class Wanda(Criterion):
    """Score of a weight: `|w| · ‖x‖₂`, with the root mean square over data of the input that it is multiplied with.

    (Sun et al., "A Simple and Effective Pruning Approach for Large Language Models", 2024.) Labels are not needed. The
    paper compares the weights of each output; a granularity such as `"2:4"`, or `scope="layer"`, says among which.

    Example:
        >>> Wanda().score(np.array([[2.0, -1.0], [1.0, 3.0]]), np.array([[0.5, 0.5], [2.0, 2.0]])).tolist()
        [[1.0, 0.5], [2.0, 6.0]]
    """

    def score(self, weights: Array, input_norm: Array) -> Array:
        """Return `|w| · ‖x‖`."""
        return np.abs(weights) * input_norm
