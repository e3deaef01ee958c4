"""The operations of a .tflite file, and the groups that they are timed in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Operation", "count_macs", "group_ends"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """One operation of a file.

    Args:
        name: What TFLite calls it: "CONV_2D".
        layers: The Keras layers that it comes from, as far as the file tells.
        shape: The shape of what it makes; an open size is 1.
        macs: Its multiply-accumulates; 0 for what multiplies no matrices.
    """

    name: str
    layers: tuple[str, ...]
    shape: Shape
    macs: int

    @property
    def weight(self) -> int:
        """How much work it is likely to be: its multiply-accumulates, and the numbers that it writes."""
        return self.macs + math.prod(self.shape)


def count_macs(name: str, inputs: Sequence[Shape], output: Shape) -> int:
    """Return the multiply-accumulates of an operation, 0 if it is no convolution or product of matrices.

    Args:
        name: What TFLite calls it.
        inputs: The shapes of its inputs, in TFLite's order and layouts.
        output: The shape of its first output.

    Example:
        >>> count_macs("CONV_2D", [(1, 8, 8, 3), (16, 3, 3, 3), (16,)], (1, 8, 8, 16))
        27648
    """
    shapes = [*inputs, (), (), ()]
    weights, size = shapes[1], math.prod(output)
    if name in ("CONV_2D", "FULLY_CONNECTED"):  # outputs first
        return size * math.prod(weights[1:])
    if name == "DEPTHWISE_CONV_2D":  # (1, height, width, outputs)
        return size * math.prod(weights[1:-1])
    if name == "CONV_3D":  # outputs last
        return size * math.prod(weights[:-1])
    if name == "TRANSPOSE_CONV":  # output shape, weights with inputs last, input
        return math.prod(shapes[2]) * math.prod(weights[:-1])
    if name == "BATCH_MATMUL":
        return size * (shapes[0][-1] if shapes[0] else 0)
    return 0


def group_ends(weights: Sequence[int], points: int) -> list[int]:
    """Cut consecutive operations into groups: again and again the heaviest one, in its middle.

    Args:
        weights: How much work each operation is likely to be.
        points: The number of groups, at most.

    Returns:
        After how many operations each group ends; the last is their number.

    Example:
        >>> group_ends([1, 1, 50, 1, 1], 3)
        [2, 3, 5]
    """
    groups = [(0, len(weights))]
    while len(groups) < points:
        long = [group for group in groups if group[1] - group[0] > 1]
        if not long:
            break
        start, end = max(long, key=lambda group: (sum(weights[slice(*group)]), -group[0]))
        middle = min(range(start + 1, end), key=lambda i: (abs(sum(weights[start:i]) - sum(weights[i:end])), i))
        groups.remove((start, end))
        groups += [(start, middle), (middle, end)]
    return sorted(end for _, end in groups)
