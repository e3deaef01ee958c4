"""Fewer channels before and after the window: 1 × 1, k × k, 1 × 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tfprune.factorization.base import Array, Factorization, Ranks, factorizations
from tfprune.factorization.equation import Equation
from tfprune.factorization.geometry import Geometry, why_no_window
from tfprune.factorization.metric import Metric, truncate
from tfprune.factorization.pieces import Step, convolution

__all__ = ["Tucker"]


@factorizations.register("tucker")
@dataclass(frozen=True)
class Tucker(Factorization):
    """`W[p, c, o] = Σ_ab U[c, a] G[p, a, b] V[b, o]`, Tucker-2: the window sees a channels and makes b of them.

    Kim et al., "Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile Applications", 2016.
    A rank is a pair, (a, b); one number or fraction stands for both.

    Example:
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 9, 9, 16))
        >>> [part.filters for part in tfprune.factorize_layer(layer, "tucker", rank=(4, 2)).layers]
        [4, 2, 8]
    """

    def check(self, geometry: Geometry) -> str | None:
        """Refuse what has no window."""
        return why_no_window(geometry)

    def equation(self, geometry: Geometry) -> Equation:
        """Return how the three make the kernel."""
        return Equation("ca,pab,bo->pco")

    def sizes(self, geometry: Geometry) -> dict[str, int]:
        """Return positions of the window, inputs and outputs."""
        return {"p": math.prod(geometry.window), "c": geometry.inputs, "o": geometry.outputs}

    def full(self, geometry: Geometry) -> Ranks:
        """Return what the kernel may have along inputs and outputs."""
        p, c, o = self.shape(geometry)
        return min(c, p * o), min(o, p * c)

    def start(self, kernel: Array, ranks: Ranks, metric: Metric) -> list[Array]:
        """Return the best for outputs, then for inputs as one position of the window sees them (as in HOSVD)."""
        p, c, o = kernel.shape
        core, right, _ = truncate(kernel.reshape(p * c, o), ranks[1], metric)
        flat = core.reshape(p, c, -1).transpose(1, 0, 2).reshape(c, -1)
        rank = min(ranks[0], *flat.shape)
        left, inner, _ = truncate(flat, rank, metric.along((p, c), (1,)))
        return [left, inner.reshape(rank, p, -1).transpose(1, 0, 2), right]

    def pieces(self, geometry: Geometry, factors: Sequence[Array]) -> list[Step]:
        """Return three convolutions."""
        ones = tuple(1 for _ in geometry.window)
        left, core, right = factors
        return [
            convolution(geometry, left.reshape(-1, *ones, *left.shape[1:]), (), last=False),
            convolution(geometry, core.reshape(-1, *geometry.window, *core.shape[2:]), last=False),
            convolution(geometry, right.reshape(-1, *ones, *right.shape[1:]), (), last=True),
        ]

    def unfoldings(self, kernel: Array, metric: Metric) -> list[list[Array]]:
        """Return the kernel as matrices of inputs, and of outputs, and all else."""
        p, c, o = kernel.shape
        inputs, outputs = kernel.transpose(1, 0, 2).reshape(c, p * o), kernel.reshape(p * c, o)
        roots = metric.along((p, c), (1,)).root(), metric.root()
        pairs = zip(roots, (inputs, outputs), strict=True)
        return [[flat if root is None else root[0] @ flat] for root, flat in pairs]
