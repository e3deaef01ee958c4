"""A window for each channel alone, then 1 × 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.factorization.base import Array, Factorization, Ranks, factorizations
from tfprune.factorization.equation import Equation
from tfprune.factorization.geometry import Geometry, why_no_window
from tfprune.factorization.metric import Metric, truncate
from tfprune.factorization.pieces import Step, convolution, depthwise

__all__ = ["Depthwise", "why_not_depthwise"]


def why_not_depthwise(geometry: Geometry) -> str | None:
    """Return why Keras or TensorFlow has no depthwise convolution with a layer's steps."""
    layer = geometry.layer
    if len(geometry.window) > 2:
        return "there is no depthwise convolution along three axes"
    if layer.padding == "causal":
        return "there is no causal depthwise convolution"
    if len(set(layer.strides)) > 1:
        return "a depthwise convolution has the same stride along both axes"
    if max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        return "a depthwise convolution has no stride and dilation at once"
    return None


@factorizations.register("depthwise")
@dataclass(frozen=True)
class Depthwise(Factorization):
    """`W[p, c, o] = Σ_t A[p, c, t] B[c, t, o]`: t windows for each channel, then 1 × 1 over all that they make.

    This is a sum of t depthwise-separable convolutions (Guo et al., "Network Decoupling: From Regular to Depthwise
    Separable Convolutions", 2018).

    Example:
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 9, 9, 4))
        >>> [type(part).__name__ for part in tfprune.factorize_layer(layer, "depthwise", rank=2).layers]
        ['InputLayer', 'DepthwiseConv2D', 'DepthwiseConv2D', 'Concatenate', 'Conv2D']
    """

    def check(self, geometry: Geometry) -> str | None:
        """Refuse what has no window, or steps that no depthwise convolution has."""
        return why_no_window(geometry) or why_not_depthwise(geometry)

    def equation(self, geometry: Geometry) -> Equation:
        """Return how the two make the kernel."""
        return Equation("pct,cto->pco")

    def sizes(self, geometry: Geometry) -> dict[str, int]:
        """Return positions of the window, inputs and outputs."""
        return {"p": int(np.prod(geometry.window)), "c": geometry.inputs, "o": geometry.outputs}

    def full(self, geometry: Geometry) -> Ranks:
        """Return what the kernel of one channel may have."""
        p, _, o = self.shape(geometry)
        return (min(p, o),)

    def start(self, kernel: Array, ranks: Ranks, metric: Metric) -> list[Array]:
        """Return the best for each channel alone."""
        p, c, _ = kernel.shape
        index = np.arange(p * c).reshape(p, c)
        parts = [truncate(kernel[:, n], ranks[0], metric.part(index[:, n])) for n in range(c)]
        return [np.stack([part[0] for part in parts], axis=1), np.stack([part[1] for part in parts])]

    def pieces(self, geometry: Geometry, factors: Sequence[Array]) -> list[Step]:
        """Return depthwise convolutions and one over all that they make."""
        left, right = factors
        blocks, _, channels, rank = left.shape
        shaped = left.reshape(blocks, *geometry.window, channels, rank)
        ordered = right if blocks > 1 else right.transpose(0, 2, 1, 3)
        flat = ordered.reshape(blocks, *(1 for _ in geometry.window), channels * rank, -1)
        return [depthwise(geometry, shaped), convolution(geometry, flat, (), last=True)]

    def unfoldings(self, kernel: Array, metric: Metric) -> list[list[Array]]:
        """Return the kernel of each channel."""
        p, c, _ = kernel.shape
        index = np.arange(p * c).reshape(p, c)
        found = []
        for n in range(c):
            root = metric.part(index[:, n]).root()
            found.append(kernel[:, n] if root is None else root[0] @ kernel[:, n])
        return [found]
