"""What a criterion is: a pure rule from weights to scores."""

from __future__ import annotations

import abc

import numpy as np
from numpy.typing import NDArray

from tfprune.registry import Configurable, Registry

__all__ = ["Criterion", "criteria"]


class Criterion(Configurable, abc.ABC):
    """A rule that says how much each weight matters; the lowest scores are removed first.

    To add one, extend this class as a frozen dataclass and register it:

        @criteria.register("distance")
        @dataclass(frozen=True)
        class Distance(Criterion):
            def score(self, weights, rng):
                return np.abs(weights - weights.mean())
    """

    @abc.abstractmethod
    def score(self, weights: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
        """Return a score for each weight.

        Args:
            weights: A kernel, float, any shape. Removed weights are exactly 0.
            rng: Random numbers; the same ones at each call for the same kernel and seed.

        Returns:
            Finite scores of the same shape.
        """


criteria: Registry[Criterion] = Registry("criterion", Criterion)
