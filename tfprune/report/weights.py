"""The largest kernels as pictures: where weights are gone, and how those that are left are spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.pruning.mask import read
from tfprune.pruning.selection import Target
from tfprune.report.channels import KeptOf
from tfprune.report.layers import Seen
from tfprune.report.parts import Weights

__all__ = ["BINS", "gone_of", "in_place", "pictures_of"]

Array = NDArray[np.float64]

BINS = 48
CELLS = (32, 56)
"""Rows and columns of a map, at most."""
LEVELS = 6
LARGEST = 98
"""The percentile of the cells that has the highest level."""


def pictures_of(
    dense: Seen | None, small: Seen, pairs: Mapping[str, Sequence[str]], kept: KeptOf, *, most: int = 6
) -> tuple[Weights, ...]:
    """Return pictures of the largest kernels, in the order of the network.

    Args:
        dense: The dense network; None if it is not known.
        small: The smaller one.
        pairs: The layers of the smaller one that have taken the place of the dense one's.
        kept: Which channels are left, so that kernels are drawn with gaps where some have gone.
        most: How many.
    """
    found: list[tuple[int, Weights]] = []
    if dense is None:
        kernels = [(path, kernel, kernel) for path, own in small.kernels.items() for kernel in own]
    else:
        kernels = [
            (path, kernel, now)
            for path, own in dense.kernels.items()
            if len(pairs.get(path, ())) == 1
            for kernel, now in zip(own, small.kernels.get(pairs[path][0], ()), strict=False)
        ]
    kernels = sorted(kernels, key=lambda one: -one[1].size)[:most]
    for path, kernel, now in kernels:
        before = None if dense is None else read(kernel.variable).astype(np.float64)
        after = read(now.variable).astype(np.float64)
        whole = after if before is None else in_place(before.shape, after, gone_of(dense, kernel, kept))
        values = np.abs(np.concatenate([after.ravel()] + ([] if before is None else [before.ravel()])))
        limit = float(values.max()) if values.size and np.isfinite(values).all() else 0.0
        if limit <= 0.0:
            continue
        picture = Weights(
            path,
            tuple(int(size) for size in (after if before is None else before).shape),
            _drawn(_matrix(whole, kernel if whole.ndim == len(kernel.variable.shape) else now)),
            limit,
            _counted(after, limit),
            () if before is None else _counted(before, limit),
            float(np.mean(after == 0)),
        )
        found.append((list(small.kernels if dense is None else dense.kernels).index(path), picture))
    return tuple(picture for _, picture in sorted(found, key=lambda one: one[0]))


def gone_of(dense: Any, kernel: Target, kept: KeptOf) -> list[NDArray[np.bool_]] | None:
    """Return for each axis of a kernel which positions are left; None if it is not known of a group on it."""
    left = [np.ones(size, dtype=bool) for size in kernel.variable.shape]
    if dense.graph is None:
        return None
    for group in dense.graph.groups:
        for part in group.slices:
            if part.variable is kernel.variable:
                if group.name not in kept:
                    return None
                left[part.axis][part.positions[~kept[group.name]].reshape(-1)] = False
    return left


def in_place(shape: Sequence[int], after: Array, left: list[NDArray[np.bool_]] | None) -> Array:
    """Return a kernel at its old places, NaN where weights are gone; as it is if the places are not known."""
    if left is None or tuple(int(axis.sum()) for axis in left) != after.shape:
        return after
    whole = np.full(tuple(shape), np.nan)
    whole[np.ix_(*left)] = after
    return whole


def _matrix(kernel: Array, target: Target) -> Array:
    """Return a kernel with a row for each input, window positions side by side, and a column for each output."""
    outputs = list(target.axes.outputs) or [kernel.ndim - 1]
    outputs = [axis % kernel.ndim for axis in outputs]
    inputs = [axis % kernel.ndim for axis in target.axes.inputs]
    others = [axis for axis in range(kernel.ndim) if axis not in outputs and axis not in inputs]
    order = [*inputs, *others, *outputs]
    columns = int(np.prod([kernel.shape[axis] for axis in outputs], dtype=int))
    matrix: Array = kernel.transpose(order).reshape(-1, columns)
    return matrix


def _drawn(matrix: Array) -> tuple[str, ...]:
    """Return a matrix as rows of characters, of at most so many cells."""
    rows, columns = (
        np.array_split(np.arange(size), min(size, most)) for size, most in zip(matrix.shape, CELLS, strict=True)
    )
    there = np.isfinite(matrix)
    values = np.where(there, np.abs(matrix), 0.0)
    edges = [one[0] for one in rows], [one[0] for one in columns]

    def summed(array: Array) -> Array:
        total: Array = np.add.reduceat(np.add.reduceat(array, edges[0], axis=0), edges[1], axis=1)
        return total

    areas, sums, left = summed(np.ones(matrix.shape)), summed(values), summed(there.astype(np.float64))
    means = sums / areas
    top = max(float(np.percentile(means, LARGEST)), 1e-30)
    levels = np.where(sums == 0, 0, np.clip(np.ceil(means / top * LEVELS), 1, LEVELS)).astype(int)
    return tuple(
        "".join("." if here == 0 else str(level) for level, here in zip(*row, strict=True))
        for row in zip(levels.tolist(), left.tolist(), strict=True)
    )


def _counted(kernel: Array, limit: float) -> tuple[int, ...]:
    counts, _ = np.histogram(kernel[kernel != 0], bins=BINS, range=(-limit, limit))
    return tuple(int(count) for count in counts)
