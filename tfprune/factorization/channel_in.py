"""Fewer channels before the window: 1 × 1, then k × k."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tfprune.factorization.base import Array, Factorization, Ranks, factorizations
from tfprune.factorization.equation import Equation
from tfprune.factorization.geometry import Geometry, why_no_window
from tfprune.factorization.metric import Metric, truncate
from tfprune.factorization.pieces import Step, convolution

__all__ = ["ChannelIn"]


@factorizations.register("channel_in")
@dataclass(frozen=True)
class ChannelIn(Factorization):
    """`W[p, c, o] = Σ_r A[c, r] B[p, r, o]`: the channels are first mixed down to r, which alone the window sees.

    Of all forms it leaves the fewest multiply-accumulates in convolutions with few channels.

    Example:
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 9, 9, 16))
        >>> [part.kernel_size for part in tfprune.factorize_layer(layer, "channel_in", rank=4).layers]
        [(1, 1), (3, 3)]
    """

    def check(self, geometry: Geometry) -> str | None:
        """Refuse what has no window."""
        return why_no_window(geometry)

    def equation(self, geometry: Geometry) -> Equation:
        """Return how the two make the kernel."""
        return Equation("cr,pro->pco")

    def sizes(self, geometry: Geometry) -> dict[str, int]:
        """Return positions of the window, inputs and outputs."""
        return {"p": math.prod(geometry.window), "c": geometry.inputs, "o": geometry.outputs}

    def full(self, geometry: Geometry) -> Ranks:
        """Return the smaller of the inputs and what is made of each."""
        p, c, o = self.shape(geometry)
        return (min(c, p * o),)

    def start(self, kernel: Array, ranks: Ranks, metric: Metric) -> list[Array]:
        """Return the best for inputs as one position of the window sees them."""
        p, c, o = kernel.shape
        flat = kernel.transpose(1, 0, 2).reshape(c, p * o)
        left, right, _ = truncate(flat, ranks[0], metric.along((p, c), (1,)))
        return [left, right.reshape(-1, p, o).transpose(1, 0, 2)]

    def pieces(self, geometry: Geometry, factors: Sequence[Array]) -> list[Step]:
        """Return two convolutions."""
        left = factors[0].reshape(-1, *(1 for _ in geometry.window), *factors[0].shape[1:])
        right = factors[1].reshape(-1, *geometry.window, *factors[1].shape[2:])
        return [convolution(geometry, left, (), last=False), convolution(geometry, right, last=True)]

    def unfoldings(self, kernel: Array, metric: Metric) -> list[list[Array]]:
        """Return the kernel as a matrix of inputs and all else."""
        p, c, o = kernel.shape
        flat = kernel.transpose(1, 0, 2).reshape(c, p * o)
        root = metric.along((p, c), (1,)).root()
        return [[flat if root is None else root[0] @ flat]]
