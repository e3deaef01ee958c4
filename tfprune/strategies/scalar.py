"""Several objectives as one number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tfprune.strategies.base import Values

__all__ = ["Scalar", "simplex"]


class Scalar:
    """The augmented Tchebycheff distance to the best seen of each objective.

    `max_i w_i z_i + 0.05 Σ_i w_i z_i`, `z_i = (v_i − ideal_i) ÷ (nadir_i − ideal_i)` over what has been seen. Unlike a
    weighted sum it reaches every point of a front (Steuer & Choo, "An interactive weighted Tchebycheff procedure for
    multiple objective programming", 1983). Of one objective it is that objective.

    Args:
        objectives: How many there are.

    Example:
        >>> scalar = Scalar(2)
        >>> scalar.see([(0.0, 10.0), (1.0, 0.0)])
        >>> scalar.of((0.5, 5.0), np.array([0.5, 0.5]))
        0.275
    """

    def __init__(self, objectives: int) -> None:
        self._ideal = np.full(objectives, np.inf)
        self._nadir = np.full(objectives, -np.inf)

    def see(self, values: Iterable[Values]) -> None:
        """Take values into account."""
        finite = [one for one in values if np.isfinite(one).all()]
        if finite:
            self._ideal = np.minimum(self._ideal, np.min(finite, axis=0))
            self._nadir = np.maximum(self._nadir, np.max(finite, axis=0))

    def of(self, values: Values, weights: NDArray[np.float64]) -> float:
        """Return values as one number with some weights, which sum to 1."""
        return float(self.table([values], weights[None])[0, 0])

    def table(self, values: Sequence[Values], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return some values with some weights each, float (values, weights); of what failed infinity."""
        array = np.array(values, dtype=float)
        if array.shape[1] == 1:
            return np.repeat(array, len(weights), axis=1)
        good = np.isfinite(array).all(axis=1) & np.isfinite(self._ideal).all()
        with np.errstate(invalid="ignore"):
            spans = np.where(self._nadir > self._ideal, self._nadir - self._ideal, 1.0)
            parts = weights[None] * ((array - self._ideal) / spans)[:, None]
            found = parts.max(axis=-1) + 0.05 * parts.sum(axis=-1)
        return np.where(good[:, None], found, np.inf)


def simplex(objectives: int, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return weights spread over all trade-offs, float (count, objectives), each row with the sum 1.

    Of two objectives they are even; of more the corners and random ones.

    Example:
        >>> simplex(2, 3, np.random.default_rng(0)).tolist()
        [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    if objectives == 1:
        return np.ones((count, 1))
    if objectives == 2:
        first = np.linspace(0.0, 1.0, count) if count > 1 else np.array([0.5])
        return np.stack([first, 1 - first], axis=1)
    found = rng.dirichlet(np.ones(objectives), size=count)
    corners = np.eye(objectives)[: min(count, objectives)]
    found[: len(corners)] = corners
    return found
