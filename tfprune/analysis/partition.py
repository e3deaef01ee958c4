"""Kernels cut into groups of weights: N:M groups, blocks, rows and columns; how far each group keeps to its rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

__all__ = ["PatternFit", "block_fit", "n_m_fit"]

Array = NDArray[Any]


@dataclass(frozen=True)
class PatternFit:
    """How near a kernel is to a pattern.

    Args:
        satisfied: The share of groups that keep to the pattern, in [0, 1].
        by_chance: The share that would if the kernel's zeros lay anywhere, independently.
        energy_lost: The share of the sum of squared weights that goes when the pattern is enforced, in [0, 1]: for N:M
            the smallest weights of each group; for blocks the weakest blocks, as many as the kernel has zeros for.
        groups: How many groups there are.
    """

    satisfied: float
    by_chance: float
    energy_lost: float
    groups: int

    @property
    def exact(self) -> bool:
        """Whether every group keeps to the pattern."""
        return self.satisfied == 1.0

    @property
    def surprise(self) -> float:
        """How unlikely it is that all groups keep to the pattern by chance, `−groups · log(by_chance)`, in nats."""
        return self.groups * -math.log(max(self.by_chance, 1e-300)) if self.exact else 0.0


def n_m_fit(matrix: Array, n: int, m: int) -> PatternFit | None:
    """Return how near a kernel is to at most `n` weights of every `m` consecutive inputs.

    Args:
        matrix: The kernel, (positions, outputs, inputs).
        n: Weights kept of each group.
        m: Inputs in a group; what is left over at the end is no group, unless it has more than `n`.

    Returns:
        None where there is no group of more than `n`.

    Example:
        >>> n_m_fit(np.array([[[1.0, 0.0, 0.0, 2.0], [1.0, 2.0, 2.0, 0.0]]]), 2, 4)
        PatternFit(satisfied=0.5, by_chance=0.481..., energy_lost=0.07..., groups=2)
    """
    inputs = matrix.shape[2]
    parts = [matrix[..., start : start + m].reshape(-1, min(m, inputs - start)) for start in range(0, inputs, m)]
    parts = [part for part in parts if part.shape[1] > n]
    if not parts or not sum(map(len, parts)):
        return None
    density = np.count_nonzero(matrix) / max(matrix.size, 1)
    groups = sum(map(len, parts))
    kept = sum(int((np.count_nonzero(part, axis=1) <= n).sum()) for part in parts)
    chance = sum(len(part) * float(binom.cdf(n, part.shape[1], density)) for part in parts) / groups
    lost = sum(float(np.sort(np.square(part), axis=1)[:, : part.shape[1] - n].sum()) for part in parts)
    return PatternFit(kept / groups, chance, share(lost, matrix), groups)


def block_fit(matrix: Array, sizes: Sequence[int | None]) -> PatternFit | None:
    """Return how near a kernel is to blocks that are kept or removed whole.

    A block keeps to the pattern if it is all zeros, or has none.

    Args:
        matrix: The kernel, (positions, outputs, inputs).
        sizes: Sizes of a block along these axes; None for the whole axis. Where one does not divide, the last block is
            smaller.

    Returns:
        None where a block would be a single weight, or the whole kernel.
    """
    steps = [min(axis if size is None else size, axis) for size, axis in zip(sizes, matrix.shape, strict=True)]
    if math.prod(steps) == 1 or math.prod(steps) == matrix.size:
        return None
    zeros, counts, energy = (
        tiled(values, steps) for values in (matrix == 0, np.ones(matrix.shape), np.square(matrix, dtype=np.float64))
    )
    sparsity = float(zeros.sum()) / matrix.size
    uniform = (zeros == 0) | (zeros == counts)
    chance = float((sparsity**counts + (1 - sparsity) ** counts).mean())
    order = np.argsort(energy, kind="stable")
    removed = order[: int(np.searchsorted(np.cumsum(counts[order]), zeros.sum() - 0.5) + (zeros.sum() > 0))]
    lost = float(energy[removed].sum()) if sparsity else 0.0
    return PatternFit(float(uniform.mean()), chance, share(lost, matrix), len(counts))


def tiled(values: Array, steps: Sequence[int]) -> NDArray[np.float64]:
    """Return the sums over blocks, one after the other, float (blocks,)."""
    found: Array = values.astype(np.float64)
    for axis, step in enumerate(steps):
        found = np.add.reduceat(found, np.arange(0, values.shape[axis], step), axis=axis)
    return found.reshape(-1)


def share(part: float, matrix: Array) -> float:
    """Return a part of a kernel's energy."""
    return part / max(float(np.square(matrix, dtype=np.float64).sum()), 1e-30)
