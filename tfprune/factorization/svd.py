"""Products over channels as two smaller ones: truncated singular value decomposition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tfprune.factorization.base import Array, Factorization, Ranks, factorizations
from tfprune.factorization.equation import Equation
from tfprune.factorization.geometry import Geometry
from tfprune.factorization.metric import Metric, truncate
from tfprune.factorization.pieces import Step, product

__all__ = ["Svd"]


@factorizations.register("svd")
@dataclass(frozen=True)
class Svd(Factorization):
    """`W[c, o] = Σ_r A[c, r] B[r, o]`, for Dense, EinsumDense, Embedding and convolutions with a window of one.

    The best matrix of rank r is the first r terms of the singular value decomposition (Eckart & Young, "The
    approximation of one matrix by another of lower rank", 1936); with data, the best on what the layer gets.

    Example:
        >>> layer = keras.layers.Dense(8)
        >>> layer.build((None, 16))
        >>> [part.units for part in tfprune.factorize_layer(layer, rank=3).layers]
        [3, 8]
    """

    best = True

    def check(self, geometry: Geometry) -> str | None:
        """Refuse windows of more than one position."""
        return None if geometry.is_pointwise else "its window has more than one position"

    def equation(self, geometry: Geometry) -> Equation:
        """Return how the two make the kernel."""
        return Equation("cr,ro->co")

    def sizes(self, geometry: Geometry) -> dict[str, int]:
        """Return inputs and outputs."""
        return {"c": geometry.rows, "o": geometry.outputs}

    def full(self, geometry: Geometry) -> Ranks:
        """Return the smaller of both."""
        return (min(geometry.rows, geometry.outputs),)

    def start(self, kernel: Array, ranks: Ranks, metric: Metric) -> list[Array]:
        """Return the best there is."""
        return list(truncate(kernel, ranks[0], metric)[:2])

    def pieces(self, geometry: Geometry, factors: Sequence[Array]) -> list[Step]:
        """Return two products."""
        return [product(geometry, factors[0], last=False), product(geometry, factors[1], last=True)]

    def unfoldings(self, kernel: Array, metric: Metric) -> list[list[Array]]:
        """Return the kernel."""
        root = metric.root()
        return [[kernel if root is None else root[0] @ kernel]]
