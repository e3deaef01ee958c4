"""Which channels and blocks carry nothing: those whose weights are zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfprune.graph.blocks import Block
from tfprune.graph.groups import STATISTICS, ChannelGroup

__all__ = ["STATISTICS", "dead_channels", "is_closed"]


def dead_channels(group: ChannelGroup) -> NDArray[np.intp]:
    """Return the numbers of a group's channels that are zero in every variable that they have a slice of.

    Such a channel reaches nobody: what makes it gives zero, and what reads it multiplies with zero.

    Args:
        group: A channel group.
    """
    alive = np.zeros(group.size, dtype=bool)
    for entry in group.slices:
        if entry.variable.name in STATISTICS:
            continue
        values = np.moveaxis(np.asarray(entry.variable.numpy()), entry.axis, 0)
        some = (values != 0).reshape(len(values), -1).any(axis=1)
        alive |= some[entry.positions].any(axis=1)
    return np.flatnonzero(~alive)


def is_closed(block: Block) -> bool:
    """Whether a residual block's branch adds nothing: the variables that end it are zero."""
    return block.closers is not None and not any(np.any(np.asarray(v.numpy())) for v in block.closers)
