"""Movement: weights that training moves towards zero matter little, however large they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Movement"]


@criteria.register("movement")
@dataclass(frozen=True)
class Movement(Criterion):
    """Score of a weight: `−Σ g w` over the steps of training: positive for weights that move away from zero.

    (Sanh et al., "Movement Pruning: Adaptive Sparsity by Fine-Tuning", 2020.) In `PruneCallback` and `Pruner` what is
    summed is what each step did, `w Δw`, which for plain gradient descent is the same but for the learning rate. With
    data and without training it is the first step alone. A training that is resumed begins to sum anew.

    Example:
        >>> Movement().score(np.array([0.5, -3.0])).tolist()
        [0.5, -3.0]
    """

    def score(self, movement: Array) -> Array:
        """Return the sum."""
        return np.asarray(movement)
