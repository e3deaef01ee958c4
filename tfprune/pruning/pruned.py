"""What a pruning has done, counted in the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tfprune.pruning.mask import read
from tfprune.pruning.selection import Skipped
from tfprune.pruning.source import KernelMasks, MaskSource
from tfprune.refit import Repaired
from tfprune.shown import Shown

__all__ = ["Pruned", "PrunedKernel", "measured"]


@dataclass(frozen=True)
class PrunedKernel:
    """A kernel after pruning: its path, shape and number of zeros.

    Args:
        path: Where it is.
        shape: Its shape.
        zeros: Number of zeros.

    Example:
        >>> kernel = PrunedKernel("hidden/kernel", (8, 16), zeros=96)
        >>> kernel.size, kernel.sparsity
        (128, 0.75)
    """

    path: str
    shape: tuple[int, ...]
    zeros: int

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def sparsity(self) -> float:
        """Fraction of zeros."""
        return self.zeros / self.size


@dataclass(frozen=True)
class Pruned(Shown):
    """What a pruning has done.

    Args:
        kernels: The kernels that were pruned.
        skipped: The weights that were not, with the reason.
        refit: What the refit did; None without one.

    Example:
        >>> layer = keras.layers.Dense(4, name="hidden")
        >>> layer.build((None, 8))
        >>> done = tfprune.prune_layer(layer, 0.75)
        >>> done.sparsity, done.kernels[0].zeros
        (0.75, 24)
        >>> print(done)
        hidden/kernel (8, 4): 75.0% zeros
        75.00% of 32 weights are zero
    """

    kernels: tuple[PrunedKernel, ...]
    skipped: tuple[Skipped, ...]
    refit: Repaired | None = None

    @property
    def sparsity(self) -> float:
        """Fraction of zeros in the pruned kernels, counted."""
        return sum(kernel.zeros for kernel in self.kernels) / sum(kernel.size for kernel in self.kernels)

    def __str__(self) -> str:
        lines = [f"{kernel.path} {kernel.shape}: {kernel.sparsity:.1%} zeros" for kernel in self.kernels]
        lines += [f"{entry.path}: skipped, {entry.reason}" for entry in self.skipped if entry.reason != "bias"]
        lines += [] if self.refit is None else [str(self.refit)]
        return "\n".join([*lines, f"{self.sparsity:.2%} of {sum(k.size for k in self.kernels):,} weights are zero"])


def measured(source: MaskSource, refit: Repaired | None = None) -> Pruned:
    """Return what is zero now of what is pruned as one: of kernels, channel groups or residual blocks."""
    if isinstance(source, KernelMasks):
        kernels = [
            PrunedKernel(t.path, tuple(t.variable.shape), t.size - int(np.count_nonzero(read(t.variable))))
            for t in source.targets
        ]
    else:
        kernels = [PrunedKernel(path, (size,), zeros) for path, (zeros, size) in source.measure_each().items()]
    return Pruned(tuple(kernels), source.skipped, refit)
