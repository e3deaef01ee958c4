"""Single weights: the finest pattern, the least loss."""

from __future__ import annotations

from dataclasses import dataclass

from tfprune.granularity.base import FloatArray, Granularity, KernelAxes, Units, granularities

__all__ = ["Weight"]


@granularities.register("weight")
@dataclass(frozen=True)
class Weight(Granularity):
    """Each weight is a unit of its own ("unstructured" sparsity).

    Smallest loss of accuracy. The file gets smaller with the sparse encoding or gzip; on the TFLite runtime it is
    faster only for float pointwise convolutions on CPUs without AVX.

    Example:
        >>> import numpy as np
        >>> Weight().units(np.ones((3, 2)), KernelAxes((0,), (1,))).scores.shape
        (6,)
    """

    @property
    def needs_inputs(self) -> bool:
        """False: every kernel has single weights."""
        return False

    def units(self, scores: FloatArray, axes: KernelAxes) -> Units:
        """Return one unit a weight, in the order of the kernel's memory."""
        return Units(scores.reshape(-1), 1, lambda kept: kept.reshape(scores.shape))
