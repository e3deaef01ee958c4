"""N:M: at most N weights of every M consecutive inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.granularity.base import BoolArray, FloatArray, Granularity, KernelAxes, Units, granularities

__all__ = ["NM"]


@granularities.register("n:m")
@dataclass(frozen=True)
class NM(Granularity):
    """At most `n` weights of every `m` consecutive input channels are kept (2:4 and the like).

    A unit is one group of `m`: it is dense, or it keeps its `n` best weights. So the pattern can be reached on a
    schedule, the groups that lose least first, and the whole kernel has it at sparsity `1 − n / m`. The last group of
    channels that `m` does not divide keeps `n` too. The pattern is that of Mishra et al., "Accelerating Sparse Deep
    Neural Networks" (2021).

    Args:
        n: Weights kept of each group, 1 ≤ n < m.
        m: Input channels in a group.

    Example:
        >>> units = NM(2, 4).units(np.array([[4.0], [1.0], [3.0], [2.0]]), KernelAxes((0,), (1,)))
        >>> units.mask(np.array([False])).ravel()
        array([ True, False,  True, False])
    """

    n: int = 2
    m: int = 4

    def __post_init__(self) -> None:
        if not isinstance(self.n, int) or not isinstance(self.m, int) or not 1 <= self.n < self.m:
            raise InputError(f"The pattern is {self.n!r}:{self.m!r}; give ints with 1 ≤ n < m, such as NM(2, 4).")

    @property
    def max_sparsity(self) -> float:
        """`1 − n / m`: the sparsity when every group has the pattern."""
        return 1.0 - self.n / self.m

    def units(self, scores: FloatArray, axes: KernelAxes) -> Units:
        """Return one unit a group; its score is the sum over the weights that it would lose."""
        matrix = axes.to_matrix(scores)
        positions, outputs, inputs = matrix.shape
        groups = -(-inputs // self.m)
        padded = np.full((positions, outputs, groups * self.m), -np.inf, dtype=matrix.dtype)
        padded[..., :inputs] = matrix
        padded = padded.reshape(-1, self.m)
        pattern = rank_in_row(padded) < self.n
        lost = ~pattern & np.isfinite(padded)
        removes = np.count_nonzero(lost, axis=1)

        def mask(kept: BoolArray) -> BoolArray:
            full = (pattern | kept[:, None]).reshape(positions, outputs, groups * self.m)
            return axes.from_matrix(full[..., :inputs], scores.shape)

        lowest, highest = int(removes.min()), int(removes.max())
        loss = np.where(lost, padded, 0).sum(axis=1)
        return Units(loss, highest if 0 < lowest == highest else removes, mask)


def rank_in_row(scores: FloatArray) -> NDArray[np.integer]:
    """Return how many scores of its row come before each: the higher ones, and of equal ones the earlier.

    Comparing all pairs is several times as fast as sorting short rows.
    """
    rank = np.zeros(scores.shape, dtype=np.int16)
    for column in range(scores.shape[1]):
        score = scores[:, column : column + 1]
        rank += score > scores
        rank[:, column + 1 :] += score == scores[:, column + 1 :]
    return rank
