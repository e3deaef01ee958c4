"""What channels carry on data: how much for each sample, and how alike they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import tree
from numpy.typing import NDArray

from tfprune.analysis.channel_pattern import Response
from tfprune.analysis.places import Place
from tfprune.analysis.samples import arrays_of
from tfprune.console import track
from tfprune.graph import Graph
from tfprune.refit.network import Network
from tfprune.statistics.examples import Examples

__all__ = ["Activity", "observe", "responses_of"]

FloatArray = NDArray[np.float64]


class Activity:
    """Running sums of what the channels of one group carry, wherever they are read.

    Args:
        places: Where they are read.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        size = len(places[0].positions)
        self.places = places
        self.largest = np.zeros(size)
        self.magnitudes: list[FloatArray] = []
        self._count = 0
        self._sums, self._products = np.zeros(size), np.zeros((size, size))

    def add(self, values: Sequence[NDArray[Any]]) -> None:
        """Take in the tensors of a batch, in the order of the places."""
        together = np.concatenate(
            [place.rows(each) for place, each in zip(self.places, values, strict=True)], axis=2
        ).astype(np.float64)
        self.largest = np.maximum(self.largest, np.abs(together).max(axis=(1, 2)))
        self.magnitudes.append(np.abs(together).mean(axis=2).T)
        flat = together.reshape(len(together), -1)
        self._count += flat.shape[1]
        self._sums += flat.sum(axis=1)
        self._products += flat @ flat.T

    def moments(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return cosines, correlations, and what a channel is multiplied with to be another, (channels, channels)."""
        centred = self._products - np.outer(self._sums, self._sums) / max(self._count, 1)
        energy = np.diag(self._products)
        factor = self._products / np.where(energy > 0, energy, 1.0)[:, None]
        return normed(self._products), normed(centred), factor

    def by_sample(self) -> FloatArray:
        """Return the mean magnitude of each channel for each sample, float (samples, channels)."""
        return np.concatenate(self.magnitudes)


def observe(graph: Graph, places: Sequence[Sequence[Place]], examples: Examples, progress: bool) -> list[Activity]:
    """Return what the channels of some groups carry on samples.

    Args:
        graph: The graph.
        places: Where the channels of each group are read.
        examples: The samples.
        progress: Whether to show a progress bar.
    """
    network = Network(graph)
    found = [Activity(own) for own in places]
    wanted = list(dict.fromkeys(place.tensor for own in places for place in own))
    inputs = [tensor.index for tensor in tree.flatten(graph.trace.inputs)]
    arrays = arrays_of(examples)
    starts = range(0, examples.count, examples.batch)
    for start in track(starts, len(starts), "channels", progress):
        given = {index: array[start : start + examples.batch] for index, array in zip(inputs, arrays, strict=True)}
        values = dict(zip(wanted, network.values(wanted, given), strict=True))
        for activity in found:
            activity.add([values[place.tensor] for place in activity.places])
    return found


def normed(products: FloatArray) -> FloatArray:
    """Return products divided by the roots of those of each with itself; 0 where one is next to nothing."""
    own = np.sqrt(np.maximum(np.diag(products), 0.0))
    least = 1e-7 * max(float(own.max(initial=0.0)), 1e-30)
    scale = np.where(own > least, own, np.inf)
    found: FloatArray = products / scale[:, None] / scale[None, :]
    return found


def responses_of(
    activity: Activity, labels: NDArray[np.int64] | None, classes: Sequence[int], skip: Sequence[int], top: int
) -> tuple[Response, ...]:
    """Return what channels answer to.

    Args:
        activity: What they carry.
        labels: The class of each sample; None if that is not known.
        classes: The classes.
        skip: Channels that carry nothing.
        top: How many samples to name.
    """
    magnitudes = activity.by_sample()
    means = np.zeros((len(classes), magnitudes.shape[1]))
    rest = np.zeros_like(means)
    if labels is not None:
        for row, each in enumerate(classes):
            means[row] = magnitudes[labels == each].mean(axis=0)
            others = magnitudes[labels != each]
            rest[row] = others.mean(axis=0) if len(others) else 0.0
    found = []
    for channel in sorted(set(range(magnitudes.shape[1])) - set(skip)):
        strongest = tuple(np.argsort(-magnitudes[:, channel], kind="stable")[:top].tolist())
        if labels is None:
            found.append(Response(channel, None, None, (), strongest))
            continue
        best = int(means[:, channel].argmax())
        high, low = float(means[best, channel]), float(rest[best, channel])
        selectivity = (high - low) / (high + low) if high + low > 0 else 0.0
        found.append(Response(channel, selectivity, int(classes[best]), tuple(means[:, channel].tolist()), strongest))
    return tuple(found)
