"""Whole residual blocks: a network with fewer layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.granularity.base import FloatArray, Granularity, KernelAxes, Units, granularities

__all__ = ["Depth"]


@granularities.register("layer")
@dataclass(frozen=True)
class Depth(Granularity):
    """Whole residual blocks, where the branch can be left out and the shortcut stays.

    Sparsity is the fraction of such blocks that go. Until the schedule has ended, the branches that matter least are
    set to zero at each update and may grow again; then they stay zero, and `tfprune.shrink` takes them out.

    Args:
        soft: Whether removed branches may grow again until the schedule has ended.

    Example:
        >>> Depth().units(np.ones((3, 2)), KernelAxes((0,), (1,))).scores
        array([1.])
    """

    soft: bool = True

    @property
    def default_sparsity(self) -> float:
        """A quarter of the blocks."""
        return 0.25

    @property
    def needs_inputs(self) -> bool:
        """False: every kernel can go whole."""
        return False

    def units(self, scores: FloatArray, axes: KernelAxes) -> Units:
        """Return the whole kernel as one unit; its score is the mean over its weights."""
        return Units(np.array([scores.mean()]), scores.size, lambda kept: np.full(scores.shape, kept[0]))
