"""Channels judged by what the others can't make up for: the structured Optimal Brain Surgeon on unlabelled samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tfprune.console import track
from tfprune.criteria import Magnitude
from tfprune.graph import ChannelGroup, Graph
from tfprune.pruning.channels.importance import channel_scores
from tfprune.refit import Curve, Network, Selection

__all__ = ["GREEDY", "OBS", "find_curves", "rank_scores"]

OBS = "obs"
GREEDY = "greedy"


def find_curves(
    graph: Graph,
    groups: Sequence[ChannelGroup],
    samples: Sequence[NDArray[np.generic]],
    scores: Sequence[NDArray[np.floating]] | None = None,
    *,
    seed: int,
    progress: bool,
) -> dict[str, Curve]:
    """Return in which order the channels of each group go and what each costs, by the name of the group.

    The order is that of scores, if there are any, else always the channel next that the others make up for best.

    Of a group that no linear layer reads, or that something else reads too, nothing is predicted: its channels go in
    the order of their magnitudes and cost more than any others.
    """
    orders = {
        group.name: np.argsort(own, kind="stable")
        for group, own in zip(groups, scores or [], strict=scores is not None)
    }
    selection = Selection(graph, groups, Network(graph), samples, orders=orders, seed=seed)
    found = {curve.group.name: curve for curve in track(selection.run(), len(selection.read), "select", progress)}
    curves = {}
    for group in groups:
        if group.name in found:
            curves[group.name] = found[group.name]
        else:
            order = orders.get(group.name, np.argsort(channel_scores([group], Magnitude())[0], kind="stable"))
            curves[group.name] = Curve(group, order, np.full(group.size, UNKNOWN), ())
    return curves


UNKNOWN = 1e6
"""The cost of a channel of which nothing is predicted; known ones are relative to a variance."""


def rank_scores(curve: Curve) -> NDArray[np.float64]:
    """Return a score for each channel that rises in the order in which they go.

    It is the highest cost so far: a channel that goes after a costly one matters no less.
    """
    scores = np.zeros(len(curve.order))
    scores[curve.order] = np.maximum.accumulate(curve.costs) + np.arange(len(curve.order)) * TIE
    return scores


TIE = 1e-12
"""Keeps channels of equal cost in order."""
