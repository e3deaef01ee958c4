"""Where the channels of a group can be seen and switched off: the tensors in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from tfprune.graph import ChannelGroup, Graph
from tfprune.graph.node import Tensor

__all__ = ["Place", "output_labels", "places_of"]


@dataclass(frozen=True)
class Place:
    """Where the channels of a group lie in a tensor.

    Args:
        tensor: The tensor's number in the graph.
        axis: The axis along which they lie.
        positions: Positions of each channel, int (channels, positions of one).
        shape: The tensor's shape.
    """

    tensor: int
    axis: int
    positions: NDArray[np.int64]
    shape: tuple[int | None, ...]

    def rows(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of each channel, (channels, samples, everything else)."""
        moved = np.moveaxis(values, self.axis, 0)[self.positions]
        return np.moveaxis(moved, 2, 1).reshape(len(self.positions), values.shape[0], -1)

    def without(self, channels: Sequence[int]) -> NDArray[np.float32]:
        """Return 0 at some channels of the tensor and 1 elsewhere, of its rank."""
        found = np.ones(self.shape[self.axis] or 0, np.float32)
        found[self.positions[list(channels)].reshape(-1)] = 0
        return found.reshape([len(found) if axis == self.axis else 1 for axis in range(len(self.shape))])


def places_of(graph: Graph, groups: Sequence[ChannelGroup]) -> list[list[Place]]:
    """Return for each group in which tensors layers with kernels read its channels; none if they are read by no such.

    Args:
        graph: The graph.
        groups: Some of its groups.
    """
    result: list[list[Place]] = []
    for group in groups:
        kernels = {id(entry.variable) for entry in group.slices if entry.role == "input"}
        found: dict[int, Place] = {}
        for node in graph.nodes:
            if not isinstance(node.operation, keras.Layer):
                continue
            if not any(id(variable) in kernels for variable in node.operation.weights):
                continue
            for tensor in node.inputs:
                place = place_in(graph, tensor, group)
                if place is not None:
                    found[tensor.index] = place
        result.append(list(found.values()))
    return result


def place_in(graph: Graph, tensor: Tensor, group: ChannelGroup) -> Place | None:
    """Return where the channels of a group lie in a tensor; None if they don't, or not all alike."""
    order = {int(label): number for number, label in enumerate(group.labels)}
    for axis, labels in enumerate(graph.cut([]).axes(tensor)):
        if labels is None or axis == 0:
            continue
        owner = np.array([order.get(int(label), -1) for label in graph.roots(np.asarray(labels).reshape(-1))])
        each = [np.flatnonzero(owner == number) for number in range(group.size)]
        if len({len(positions) for positions in each}) == 1 and len(each[0]):
            return Place(tensor.index, axis, np.array(each), tensor.shape)
    return None


def output_labels(graph: Graph) -> set[int]:
    """Return the labels of the channels that are outputs of the network."""
    found: set[int] = set()
    for tensor in tree.flatten(graph.trace.outputs):
        for labels in graph.cut([]).axes(tensor):
            if labels is not None:
                found.update(int(label) for label in graph.roots(np.asarray(labels).reshape(-1)))
    return found
