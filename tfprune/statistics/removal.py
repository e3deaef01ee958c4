"""Really removing weights or channels, one at a time, and measuring the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from tfprune.backend import need_tensorflow
from tfprune.console import track
from tfprune.graph import ChannelGroup
from tfprune.graph.groups import STATISTICS
from tfprune.statistics.registry import of_channels, of_weights
from tfprune.statistics.study import Array, Study

__all__ = ["loss_without_channels", "loss_without_weights"]

need_tensorflow(__name__)


def mean_loss(study: Study) -> Callable[[], float]:
    """Return a function that measures the mean loss of all samples."""

    @tf.function(reduce_retracing=True)
    def of_batch(x: Any, y: Any, weight: Any) -> Any:
        return study.loss(x, y, weight)

    examples = study.examples
    parts = [
        (*(tree.map_structure(lambda a: None if a is None else tf.convert_to_tensor(a), p) for p in batch),)
        for batch in examples
    ]
    sizes = [len(tree.flatten(x)[0]) / examples.count for x, _, _ in parts]

    def measure() -> float:
        return sum(size * float(study.run(of_batch, *part)) for size, part in zip(sizes, parts, strict=True))

    return measure


@of_weights("loss_increase", "labels")
def loss_without_weights(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return by how much the mean loss rises when a weight is set to zero, for each weight."""
    measure = mean_loss(study)
    whole = measure()
    result = []
    for variable in variables:
        before = variable.numpy()
        found = np.zeros(before.size)
        try:
            for number in track(range(before.size), before.size, "oracle", study.progress):
                without = before.reshape(-1).copy()
                without[number] = 0
                variable.assign(without.reshape(before.shape))
                found[number] = measure() - whole
        finally:
            variable.assign(before)
        result.append(found.reshape(before.shape))
    return result


@of_channels("loss_increase", "labels")
def loss_without_channels(study: Study, groups: Sequence[ChannelGroup]) -> list[Array]:
    """Return by how much the mean loss rises when all that goes with a channel is set to zero, (channels, 1)."""
    measure = mean_loss(study)
    whole = measure()
    result = []
    for group in groups:
        slices = [s for s in group.slices if s.variable.name not in STATISTICS]
        before = {id(s.variable): s.variable.numpy() for s in slices}
        found = np.zeros((group.size, 1))
        try:
            for channel in track(range(group.size), group.size, f"oracle {group.name}", study.progress):
                changed = {key: values.copy() for key, values in before.items()}
                for s in slices:
                    index: list[Any] = [slice(None)] * len(s.variable.shape)
                    index[s.axis] = s.positions[channel]
                    changed[id(s.variable)][tuple(index)] = 0
                for s in slices:
                    s.variable.assign(changed[id(s.variable)])
                found[channel] = measure() - whole
        finally:
            for s in slices:
                s.variable.assign(before[id(s.variable)])
        result.append(found)
    return result
