"""Windows that see a group of the inputs each, then 1 × 1 over what all of them make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.factorization.base import Array, Factorization, Ranks, factorizations
from tfprune.factorization.equation import Equation
from tfprune.factorization.geometry import Geometry, why_no_window
from tfprune.factorization.metric import Metric, truncate
from tfprune.factorization.pieces import Step, convolution

__all__ = ["ChannelOut", "Grouped"]


@factorizations.register("grouped")
@dataclass(frozen=True)
class Grouped(Factorization):
    """`W[p, (g, c), o] = Σ_r A[p, g, c, r] B[g, r, o]`: block-diagonal k × k, then 1 × 1.

    Peng et al., "Extreme Network Compression via Filter Group Approximation", 2018.

    Args:
        groups: How many groups the inputs are in; it divides their number.

    Example:
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 9, 9, 8))
        >>> [part.groups for part in tfprune.factorize_layer(layer, Grouped(groups=2), rank=4).layers]
        [2, 1]
    """

    groups: int = 4

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise InputError(f"groups is {self.groups!r}; give an int from 1.")

    def check(self, geometry: Geometry) -> str | None:
        """Refuse what has no window, or a number of inputs that is no multiple."""
        if (reason := why_no_window(geometry)) is not None:
            return reason
        if geometry.inputs % self.groups or geometry.inputs == self.groups > 1:
            return f"{geometry.inputs} inputs are not {self.groups} groups of several"
        return None

    def equation(self, geometry: Geometry) -> Equation:
        """Return how the two make the kernel."""
        return Equation("pgcr,gro->pgco")

    def sizes(self, geometry: Geometry) -> dict[str, int]:
        """Return positions of the window, groups, inputs of each, and outputs."""
        groups = self.groups
        return {
            "p": math.prod(geometry.window), "g": groups, "c": geometry.inputs // groups, "o": geometry.outputs
        }  # fmt: skip

    def full(self, geometry: Geometry) -> Ranks:
        """Return what the kernel of a group may have."""
        p, _, c, o = self.shape(geometry)
        return (min(p * c, o),)

    def start(self, kernel: Array, ranks: Ranks, metric: Metric) -> list[Array]:
        """Return the best for each group of inputs alone; of one group it is the best there is."""
        p, g, c, o = kernel.shape
        index = np.arange(p * g * c).reshape(p, g, c)
        parts = [
            truncate(kernel[:, n].reshape(p * c, o), ranks[0], metric.part(index[:, n].ravel())) for n in range(g)
        ]  # fmt: skip
        left = np.stack([part[0].reshape(p, c, -1) for part in parts], axis=1)
        return [left, np.stack([part[1] for part in parts])]

    def pieces(self, geometry: Geometry, factors: Sequence[Array]) -> list[Step]:
        """Return a convolution in groups, and one over all that they make."""
        left, right = factors
        blocks, _, groups, inputs, rank = left.shape
        moved = np.moveaxis(left, 2, -2).reshape(blocks, *geometry.window, inputs, groups * rank)
        flat = right.reshape(blocks, *(1 for _ in geometry.window), groups * rank, -1)
        return [
            convolution(geometry, moved, groups=groups, last=False),
            convolution(geometry, flat, (), last=True),
        ]

    def unfoldings(self, kernel: Array, metric: Metric) -> list[list[Array]]:
        """Return the kernel of each group."""
        p, g, c, o = kernel.shape
        index = np.arange(p * g * c).reshape(p, g, c)
        found = []
        for n in range(g):
            root = metric.part(index[:, n].ravel()).root()
            flat = kernel[:, n].reshape(p * c, o)
            found.append(flat if root is None else root[0] @ flat)
        return [found]


@factorizations.register("channel_out")
@dataclass(frozen=True)
class ChannelOut(Grouped):
    """`W[p, c, o] = Σ_r A[p, c, r] B[r, o]`: k × k to r channels, then 1 × 1.

    With data this is reduced-rank regression, the best there is for a rank (Zhang et al., "Accelerating Very Deep
    Convolutional Networks for Classification and Detection", 2016).

    Args:
        groups: How many groups the inputs are in: one.

    Example:
        >>> layer = keras.layers.Conv2D(16, 3)
        >>> layer.build((None, 9, 9, 8))
        >>> [part.kernel_size for part in tfprune.factorize_layer(layer, "channel_out", rank=4).layers]
        [(3, 3), (1, 1)]
    """

    groups: int = 1
    best = True
