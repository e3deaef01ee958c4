"""What an error in a kernel costs: alike everywhere, or what it does to outputs on the inputs that a layer gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Metric", "truncate"]

Array = NDArray[Any]


class Metric:
    """Measures the error of a kernel, `tr(Eᵀ G E)`, with the moments `G` of a layer's inputs.

    Args:
        moments: Float (inputs, inputs); None counts all errors of weights alike, `‖E‖²`; a vector is a diagonal.
    """

    def __init__(self, moments: Array | None = None) -> None:
        self.moments = moments
        self._memo: dict[Hashable, Any] = {}

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Return something that follows from the moments, computed the first time only: each rank asks for it anew."""
        if key not in self._memo:
            self._memo[key] = compute()
        return self._memo[key]

    def __call__(self, error: Array) -> float:
        """Return the squared error, of float (inputs, outputs)."""
        return float((error * self.times(error)).sum())

    def single(self) -> Metric:
        """Return the same in single precision."""
        return self if self.moments is None else Metric(self.moments.astype(np.float32))

    def times(self, matrix: Array) -> Array:
        """Return `G @ matrix`."""
        if self.moments is None:
            return matrix
        if self.moments.ndim == 1:
            return self.moments[:, None] * matrix
        found: Array = self.moments @ matrix
        return found

    def along(self, shape: Sequence[int], axes: Sequence[int]) -> Metric:
        """Return the metric of some axes of the inputs, averaged over the positions along the others.

        Args:
            shape: Shape of the inputs.
            axes: The axes that stay, in order.
        """
        if self.moments is None:
            return self
        found: Metric = self.once((tuple(shape), tuple(axes)), lambda: self._along(shape, axes))
        return found

    def _along(self, shape: Sequence[int], axes: Sequence[int]) -> Metric:
        if self.moments is None:
            return self
        moved = np.moveaxis(np.arange(self.size).reshape(shape), axes, range(len(axes)))
        index = moved.reshape(math.prod(shape[axis] for axis in axes), -1)
        if self.moments.ndim == 1:
            return Metric(self.moments[index].mean(axis=1))
        return Metric(np.mean([self.moments[np.ix_(own, own)] for own in index.T], axis=0))

    def part(self, index: NDArray[np.integer]) -> Metric:
        """Return the metric of some of the inputs."""
        moments = self.moments
        if moments is None:
            return self
        picked: Any = index if moments.ndim == 1 else np.ix_(index, index)
        found: Metric = self.once(("part", index.tobytes()), lambda: Metric(moments[picked]))
        return found

    @property
    def size(self) -> int:
        """Number of inputs; 0 if they are all alike."""
        return 0 if self.moments is None else len(self.moments)

    def root(self) -> tuple[Array, Array] | None:
        """Return a matrix `R` with `RᵀR = G`, and its inverse; None if they are all alike."""
        if self.moments is None:
            return None
        if self.moments.ndim == 1:
            values = np.sqrt(np.maximum(self.moments, self.moments.max() * 1e-9 + 1e-30))
            return np.diag(values), np.diag(1 / values)
        found, vectors = np.linalg.eigh(self.moments)
        values = np.sqrt(np.maximum(found, found.max() * 1e-9 + 1e-30))
        return values[:, None] * vectors.T, vectors / values


def truncate(matrix: Array, rank: int, metric: Metric) -> tuple[Array, Array, Array]:
    """Return the matrices of some rank whose product is nearest, and the part of the whole that each rank carries.

    Without moments this is the truncated singular value decomposition, with them reduced-rank regression: with `V` the
    first eigenvectors of `MᵀGM`, the best of rank r is `(M V) Vᵀ` (Izenman, "Reduced-rank regression for the
    multivariate linear model", 1975).

    Args:
        matrix: Float (inputs, outputs).
        rank: At most the smaller of both.
        metric: What errors cost.

    Returns:
        Float (inputs, rank), float (rank, outputs), and the squared singular values in decreasing order.

    Example:
        >>> matrix = np.outer([1.0, 2.0], [3.0, 4.0, 5.0])
        >>> left, right, energies = truncate(matrix, 1, Metric())
        >>> bool(np.allclose(left @ right, matrix)), bool(energies[1] < 1e-12 * energies[0])
        (True, True)
    """
    key = matrix.shape, hash(matrix.tobytes())
    energies, vectors = metric.once(key, lambda: singular(matrix, metric))
    right = vectors[:, :rank].T
    return matrix @ right.T, right, energies


def singular(matrix: Array, metric: Metric) -> tuple[Array, Array]:
    """Return the squared singular values of a matrix on inputs with some moments, and its right singular vectors."""
    inputs, outputs = matrix.shape
    if outputs <= inputs:
        energies, vectors = np.linalg.eigh(matrix.T @ metric.times(matrix))
        return np.maximum(energies[::-1], 0.0), vectors[:, ::-1]
    root = metric.root()
    _, values, turned = np.linalg.svd(matrix if root is None else root[0] @ matrix, full_matrices=False)
    return values**2, turned.T
