"""A window as two: one along the first axis, then one along the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tfprune.factorization.base import Array, Factorization, Ranks, factorizations
from tfprune.factorization.equation import Equation
from tfprune.factorization.geometry import Geometry
from tfprune.factorization.metric import Metric, truncate
from tfprune.factorization.pieces import Step, convolution

__all__ = ["Spatial"]


@factorizations.register("spatial")
@dataclass(frozen=True)
class Spatial(Factorization):
    """`W[h, w, c, o] = Σ_r A[h, c, r] B[w, r, o]`: k × 1, then 1 × k; of three axes the last two stay together.

    Jaderberg et al., "Speeding up Convolutional Neural Networks with Low Rank Expansions", 2014; solved as by Tai et
    al., "Convolutional neural networks with low-rank regularization", 2016.

    Example:
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 9, 9, 4))
        >>> [part.kernel_size for part in tfprune.factorize_layer(layer, "spatial", rank=4).layers]
        [(3, 1), (1, 3)]
    """

    def check(self, geometry: Geometry) -> str | None:
        """Refuse what has no two axes to take apart."""
        if len(geometry.window) < 2:
            return "it is no convolution along two or three axes"
        if geometry.window[0] == 1 or math.prod(geometry.window[1:]) == 1:
            return "its window has size 1 along an axis"
        return None

    def equation(self, geometry: Geometry) -> Equation:
        """Return how the two make the kernel."""
        return Equation("hcr,wro->hwco")

    def sizes(self, geometry: Geometry) -> dict[str, int]:
        """Return the window in two parts, inputs and outputs."""
        first, *others = geometry.window
        return {"h": first, "w": math.prod(others), "c": geometry.inputs, "o": geometry.outputs}

    def full(self, geometry: Geometry) -> Ranks:
        """Return the smaller side of the kernel as a matrix of (h, c) and (w, o)."""
        h, w, c, o = self.shape(geometry)
        return (min(h * c, w * o),)

    def start(self, kernel: Array, ranks: Ranks, metric: Metric) -> list[Array]:
        """Return the best for inputs as the first window sees them."""
        h, w, c, o = kernel.shape
        flat = kernel.transpose(0, 2, 1, 3).reshape(h * c, w * o)
        left, right, _ = truncate(flat, ranks[0], metric.along((h, w, c), (0, 2)))
        return [left.reshape(h, c, -1), right.reshape(-1, w, o).transpose(1, 0, 2)]

    def pieces(self, geometry: Geometry, factors: Sequence[Array]) -> list[Step]:
        """Return two convolutions."""
        first, *others = geometry.window
        left = factors[0].reshape(-1, first, *(1 for _ in others), *factors[0].shape[2:])
        right = factors[1].reshape(-1, 1, *others, *factors[1].shape[2:])
        axes = list(range(1, len(geometry.window)))
        return [
            convolution(geometry, left, (0,), last=False),
            convolution(geometry, right, axes, last=True),
        ]

    def unfoldings(self, kernel: Array, metric: Metric) -> list[list[Array]]:
        """Return the kernel as a matrix of (h, c) and (w, o)."""
        h, w, c, o = kernel.shape
        flat = kernel.transpose(0, 2, 1, 3).reshape(h * c, w * o)
        root = metric.along((h, w, c), (0, 2)).root()
        return [[flat if root is None else root[0] @ flat]]
