"""How much memory the tensors between layers need at the fullest moment."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import tree
from numpy.typing import NDArray

from tfprune.graph import Graph

__all__ = ["ActivationMemory"]

IN_PLACE = {
    "Activation", "BatchNormalization", "Dropout", "Flatten", "GaussianDropout", "GaussianNoise", "Identity", "ReLU",
    "Relu", "Relu6", "Reshape", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "Squeeze", "ExpandDims",
}  # fmt: skip
"""What a converter fuses into what is before it, or leaves out, or what moves no data."""


class ActivationMemory:
    """The bytes of all tensors that are alive at once, for one sample, at the fullest moment.

    A tensor lives from the operation that makes it to the last one that reads it; at each operation its inputs and its
    outputs are alive together. What is fused or done in place needs nothing of its own. That is what an arena needs
    that is laid out perfectly; a real one needs somewhat more.

    Args:
        graph: The network.
        width: Bytes of a number.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.Conv2D(16, 1), keras.layers.Conv2D(2, 1)])
        >>> memory = ActivationMemory(tfprune.graph.trace(model))
        >>> memory.peak() == 8 * 8 * (4 + 16) * 4
        True
    """

    def __init__(self, graph: Graph, width: int = 4) -> None:
        self._width = width
        self._labels = len(graph.walk.labels)
        holder: dict[int, int] = {}  # the tensor in whose memory each is

        def of(index: int) -> int:
            return holder.get(index, index)

        given = [tensor.index for tensor in tree.flatten(graph.trace.inputs)]
        born = dict.fromkeys(given, 0)
        dies = dict.fromkeys(given, 0)
        tensors = {tensor.index: tensor for tensor in tree.flatten(graph.trace.inputs)}
        count = len(graph.nodes)
        for number, node in enumerate(graph.nodes):
            for tensor in node.inputs:
                dies[of(tensor.index)] = number
            same = node.kind in IN_PLACE and len(node.inputs) == 1 and len(node.results) == 1
            for tensor in node.results:
                if same:
                    holder[tensor.index] = of(node.inputs[0].index)
                    continue
                tensors[tensor.index] = tensor
                born[tensor.index], dies[tensor.index] = number, number
        for tensor in tree.flatten(graph.trace.outputs):
            dies[of(tensor.index)] = count
        held = [index for index in born if index in tensors]
        at = np.arange(max(count, 1))[:, None]
        self._alive = (at >= np.array([born[i] for i in held])) & (at <= np.array([dies[i] for i in held]))
        self._fixed = np.ones(len(held))
        self._parts: list[tuple[int, NDArray[np.int64]]] = []
        for place, index in enumerate(held):
            flow = graph.walk.flows.get(index)
            axes = [None] * tensors[index].rank if flow is None else list(flow.axes)
            for size, labels in list(zip(tensors[index].shape, axes, strict=True))[1:]:
                if labels is not None and len(labels):
                    self._parts.append((place, np.asarray(labels)))
                else:
                    self._fixed[place] *= size or 1

    def peak(self, kept: NDArray[Any] | None = None) -> int:
        """Return the bytes when some labels are kept, all by default.

        Args:
            kept: For each label of the graph whether it is kept, bool (labels,); see `Graph.kept`.
        """
        kept = np.ones(self._labels, dtype=bool) if kept is None else kept
        sizes = self._fixed.copy()
        for place, labels in self._parts:
            sizes[place] *= np.count_nonzero(kept[labels])
        return int((self._alive @ sizes).max() * self._width)
