"""The operations of a network that take time, and which of its channels each of them grows with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from tfprune.cost.operation import Operation, operation_of, spelled
from tfprune.graph import Graph
from tfprune.graph.kinds import CONVOLUTIONS, DEPTHWISE
from tfprune.graph.labels import Axis
from tfprune.graph.node import Node

__all__ = ["Part", "parts_of"]

FREE = {
    "BatchNormalization", "ReLU", "Relu", "Relu6", "Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Flatten",
    "Reshape", "ReadWeight", "ForEachSample", "Constant", "ExpandDims", "Squeeze",
}  # fmt: skip
"""What the converter fuses into what is before it, or leaves out, or what moves no data."""

SIMPLE = (*CONVOLUTIONS, *DEPTHWISE, layers.Dense, layers.EinsumDense, layers.Embedding)


@dataclass(frozen=True)
class Part:
    """An operation of a network.

    Args:
        operation: What it does when nothing is removed.
        inputs: Labels of the axes that its input channels are along.
        outputs: Labels of the axes that its output channels are along.
        layer: The layer that does it, if a layer is this one operation; else None.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)])
        >>> graph = tfprune.graph.trace(model)
        >>> part = parts_of(graph)[0]
        >>> part.operation.outputs, part.channels(graph.kept(graph.group("hidden").labels[:1]))
        (4, (8, 3.0))
    """

    operation: Operation
    inputs: tuple[NDArray[np.int64], ...] = field(default=(), repr=False)
    outputs: tuple[NDArray[np.int64], ...] = field(default=(), repr=False)
    layer: keras.Layer | None = field(default=None, repr=False)

    def channels(self, kept: NDArray[Any]) -> tuple[float, float]:
        """Return how many input and output channels are left when some labels are kept, or a part of each."""
        one, other = (
            math.prod(float(np.sum(kept[labels])) / len(labels) for labels in axes)
            for axes in (self.inputs, self.outputs)
        )
        return self.operation.inputs * one, self.operation.outputs * other


def parts_of(graph: Graph) -> list[Part]:
    """Return the operations of a graph that take time, in order.

    Args:
        graph: The network.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)])
        >>> [(part.operation.kind, part.operation.macs) for part in parts_of(tfprune.graph.trace(model))]
        [('dense', 32), ('dense', 8)]
    """
    return [part for position, node in enumerate(graph.nodes) for part in parts_of_node(graph, node, position)]


def parts_of_node(graph: Graph, node: Node, position: int) -> list[Part]:
    """Return the operations of one call."""
    layer: Any = node.operation
    if isinstance(layer, SIMPLE) and not node.opaque and len(node.inputs) == 1:
        return [simple_part(graph, node)]
    kernels = [] if not isinstance(layer, keras.Layer) else [w for w in layer.weights if len(w.shape) > 1]
    terms = graph.walk.macs.get(position, [])
    by_kernel = {id(term.kernel): term.whole for term in terms if term.kernel is not None}
    found = []
    for kernel in kernels:
        macs, size = by_kernel.get(id(kernel), 0), math.prod(kernel.shape)
        if macs:
            axes = graph.walk.axis(kernel, len(kernel.shape) - 1)
            operation = Operation("dense", (max(macs // size, 1),), size // kernel.shape[-1], kernel.shape[-1])
            found.append(Part(operation, (), labelled([axes])))
    if found or (node.kind in FREE and not kernels) or isinstance(layer, layers.BatchNormalization):
        return found
    tensors = [x for x in (*node.results, *node.inputs) if x.rank > 1]
    if not tensors:
        return []
    largest = max(tensors, key=lambda x: math.prod(size or 1 for size in x.shape[1:]))
    sizes = [size or 1 for size in largest.shape[1:]]
    axes = graph.walk.flows[largest.index].axes[-1] if largest.index in graph.walk.flows else None
    return [Part(Operation("elementwise", tuple(sizes[:-1]), sizes[-1], sizes[-1]), (), labelled([axes]))]


def simple_part(graph: Graph, node: Node) -> Part:
    """Return the operation of a layer that is one."""
    layer: Any = node.operation
    kernel = layer.embeddings if isinstance(layer, layers.Embedding) else layer.kernel
    operation = operation_of(type(layer), layer.get_config(), node.inputs[0].shape, kernel.shape)
    rank = len(kernel.shape)
    inputs, outputs = [rank - 2], [rank - 1]
    if isinstance(layer, DEPTHWISE):
        inputs = outputs = [rank - 2]
    if isinstance(layer, layers.EinsumDense):
        given, names, made = spelled(layer.equation, node.inputs[0].rank)
        inputs, outputs = ([n for n, x in enumerate(names) if x in part] for part in (given, made))
    ins, outs = (labelled(graph.walk.axis(kernel, axis) for axis in axes) for axes in (inputs, outputs))
    return Part(operation, ins, outs, layer)


def labelled(axes: Iterable[Axis]) -> tuple[NDArray[np.int64], ...]:
    """Return the labels of those axes that have any."""
    return tuple(axis for axis in axes if axis is not None and len(axis))
