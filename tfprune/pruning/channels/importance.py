"""How much each channel of a group matters: the scores of its weights, gathered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfprune.criteria import Criterion
from tfprune.graph import ChannelGroup
from tfprune.pruning.mask import read
from tfprune.pruning.masks import check_finite

__all__ = ["channel_scores"]


def channel_scores(group: ChannelGroup, criterion: Criterion, seed: int = 0) -> NDArray[np.floating]:
    """Return a score for each channel of a group, on average 1.

    Each kernel that makes or reads the channels counts alike, whatever its size: the mean score of the weights in a
    channel's slice, divided by that of all channels; the score is the mean over the kernels (as DepGraph gathers
    coupled parameters; Fang et al., "DepGraph: Towards Any Structural Pruning", 2023). So scores compare across groups.

    Args:
        group: A channel group.
        criterion: Scores single weights.
        seed: Seed of the random numbers that the criterion may draw.

    Returns:
        Scores, float (channels,).

    Raises:
        SparsityError: If a weight is not finite.
    """
    gathered = []
    kernels = [entry for entry in group.slices if entry.role != "pass"] or list(group.slices)
    for index, entry in enumerate(kernels):
        values = read(entry.variable)
        check_finite(entry.path, values)
        scores = criterion.score(values, np.random.default_rng([seed, index]))
        along = np.moveaxis(scores, entry.axis, 0).reshape(scores.shape[entry.axis], -1).mean(axis=1)
        each = along[entry.positions].mean(axis=1)
        mean = each.mean()
        gathered.append(each / mean if mean > 0 else each)
    mean_of_all: NDArray[np.floating] = np.mean(gathered, axis=0)
    return mean_of_all
