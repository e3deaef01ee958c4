"""The weights of channels as matrices that a gradient can be taken of."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfprune.graph import Slice

__all__ = ["as_matrix", "full_precision"]


def full_precision(variable: keras.Variable) -> Any:
    """Return the value of a variable as a tensor of at least float32."""
    return ops.cast(ops.convert_to_tensor(variable), keras.backend.result_type(variable.dtype, "float32"))


def as_matrix(entry: Slice) -> Any:
    """Return the present values of a slice, a tensor (channels, weights per channel).

    Where the positions of the channels follow a pattern, as they do but for the most unusual graphs, nothing is
    gathered: the gradient of a slice is much cheaper than that of a gather.

    Args:
        entry: Where the channels of a group are in one variable.
    """
    rows = ops.moveaxis(full_precision(entry.variable), entry.axis, 0)
    rows = ops.reshape(rows, (rows.shape[0], -1))
    count, each = entry.positions.shape
    by_channel, by_place = entry.positions.reshape(-1), entry.positions.T.reshape(-1)
    if is_run(by_channel):
        rows = rows[int(by_channel[0]) : int(by_channel[-1]) + 1]
    elif is_run(by_place):  # as flattening leaves them
        rows = ops.reshape(rows[int(by_place[0]) : int(by_place[-1]) + 1], (each, count, -1))
        rows = ops.swapaxes(rows, 0, 1)
    else:
        rows = ops.take(rows, by_channel, axis=0)
    return ops.reshape(rows, (count, -1))


def is_run(positions: NDArray[np.int64]) -> bool:
    """Whether positions follow one another without a gap."""
    return bool((np.diff(positions) == 1).all())
