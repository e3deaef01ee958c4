"""Random: the baseline that every other criterion has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Random"]


@criteria.register("random")
@dataclass(frozen=True)
class Random(Criterion):
    """Uniform random scores, drawn once for a kernel and a seed, so that masks only grow as sparsity does.

    Example:
        >>> a, b = (Random().score(np.ones(3), np.random.default_rng(0)) for _ in range(2))
        >>> bool((a == b).all())
        True
    """

    def score(self, weights: Array, rng: np.random.Generator) -> Array:
        """Return uniform numbers in [0, 1)."""
        return rng.random(weights.shape, dtype=np.float32)
