"""Where the window of a convolution looks: the rows that it multiplies, at some of its output positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["patches", "window_index"]

IntArray = NDArray[np.int64]


def window_index(
    size: int,
    made: int,
    window: int,
    stride: int = 1,
    dilation: int = 1,
    padding: str = "valid",
    transposed: bool = False,
) -> IntArray:
    """Return which input positions an output position of a convolution sees, along one axis.

    Args:
        size: Number of input positions.
        made: Number of output positions.
        window: Size of the kernel.
        stride: Step between windows; between inputs, if transposed.
        dilation: Step between the kernel's positions.
        padding: `"valid"`, `"same"` or `"causal"`, as TensorFlow counts.
        transposed: Whether the convolution is a transposed one.

    Returns:
        Input positions, int64 (made, window); `size` stands for a zero beside the input.

    Example:
        >>> window_index(3, 3, 3, padding="same").tolist()
        [[3, 0, 1], [0, 1, 2], [1, 2, 3]]
        >>> window_index(2, 5, 3, stride=2, transposed=True).tolist()
        [[0, 2, 2], [2, 0, 2], [1, 2, 0], [2, 1, 2], [2, 2, 1]]
    """
    reach = (window - 1) * dilation + 1
    outputs, steps = np.arange(made)[:, None], np.arange(window)[None, :] * dilation
    before = {"valid": 0, "causal": reach - 1}.get(padding)
    if transposed:
        if before is None:
            before = max((size - 1) * stride + reach - made, 0) // 2
        seen = outputs + before - steps
        inside = seen % stride == 0
        seen = seen // stride
    else:
        if before is None:
            before = max((made - 1) * stride + reach - size, 0) // 2
        seen = outputs * stride - before + steps
        inside = np.ones_like(seen, dtype=bool)
    found: IntArray = np.where(inside & (seen >= 0) & (seen < size), seen, size)
    return found


def patches(x: NDArray[Any], tables: Sequence[IntArray], places: IntArray) -> NDArray[Any]:
    """Return what the windows at some output positions see.

    Args:
        x: Inputs, float (batch, positions…, channels).
        tables: For each axis of positions, from `window_index`.
        places: Numbers of output positions, counted row by row, int64 (places,).

    Returns:
        Float (batch, places, window positions, channels).
    """
    padded = np.pad(x, [(0, 0), *((0, 1) for _ in tables), (0, 0)])
    spots = np.unravel_index(places, [len(table) for table in tables])
    index = [
        table[spot].reshape([len(places)] + [-1 if other == axis else 1 for other in range(len(tables))])
        for axis, (table, spot) in enumerate(zip(tables, spots, strict=True))
    ]
    picked: Any = (slice(None), *index)
    seen = padded[picked]
    return seen.reshape(len(x), len(places), -1, x.shape[-1])
