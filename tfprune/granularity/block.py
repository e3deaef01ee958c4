"""Blocks of neighbouring weights: what vector instructions can skip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.granularity.base import BoolArray, FloatArray, Granularity, KernelAxes, Units, granularities

__all__ = ["Block"]


@granularities.register("block")
@dataclass(frozen=True)
class Block(Granularity):
    """Blocks of `outputs` × `inputs` neighbouring channels, the same window position, kept or removed whole.

    The sizes are in the layout in which TFLite stores a kernel, (outputs, inputs): `Block(1, 4)` is four consecutive
    inputs of one output, for which the runtime's sparse Dense kernel is fast. A block's score is the mean over its
    weights. Where a size does not divide the channels, the last block is smaller.

    Args:
        outputs: Output channels in a block.
        inputs: Input channels in a block.

    Example:
        >>> units = Block(1, 4).units(np.ones((8, 3)), KernelAxes(inputs=(0,), outputs=(1,)))
        >>> len(units.scores), units.removable
        (6, 24)
    """

    outputs: int = 1
    inputs: int = 4

    def __post_init__(self) -> None:
        if any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in (self.outputs, self.inputs)):
            raise InputError(
                f"The block is {(self.outputs, self.inputs)!r}; give two sizes (outputs, inputs), ints ≥ 1."
            )

    def units(self, scores: FloatArray, axes: KernelAxes) -> Units:
        """Return one unit a block, ordered by position, output block, input block."""
        matrix = axes.to_matrix(scores)
        starts = [
            np.arange(0, size, step) for size, step in zip(matrix.shape[1:], (self.outputs, self.inputs), strict=True)
        ]
        rows, columns = (np.diff(np.append(s, size)) for s, size in zip(starts, matrix.shape[1:], strict=True))
        sums = np.add.reduceat(np.add.reduceat(matrix, starts[0], axis=1), starts[1], axis=2)
        sizes = np.broadcast_to(np.outer(rows, columns), sums.shape)

        def mask(kept: BoolArray) -> BoolArray:
            blocks = kept.reshape(sums.shape)
            return axes.from_matrix(blocks.repeat(rows, axis=1).repeat(columns, axis=2), scores.shape)

        even = sizes.min() == sizes.max()
        return Units((sums / sizes).reshape(-1), int(sizes.flat[0]) if even else sizes.reshape(-1), mask)
