"""What is left after some channels are gone: sizes, places and slices, for rules and for surgery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.graph.labels import Axis
from tfprune.graph.node import Tensor
from tfprune.graph.walk import Walk

__all__ = ["Cut"]


class Cut:
    """Which labels are removed, and what that makes of tensors and variables.

    Args:
        walk: The labels of all tensors and variables.
        removed: For each label whether it is removed, bool (labels,).

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"),
        ...                           keras.layers.Dense(2, name="out")], name="net")
        >>> graph = tfprune.graph.trace(model)
        >>> cut = graph.cut(graph.group("hidden").labels[[1, 2]])
        >>> kernel = model.get_layer("out").kernel
        >>> cut.size(kernel, 0), [None if kept is None else kept.tolist() for kept in cut.positions(kernel)]
        (2, [[0, 3], None])
    """

    def __init__(self, walk: Walk, removed: NDArray[np.bool_]) -> None:
        self._walk = walk
        self._kept = ~removed

    def axes(self, tensor: Tensor) -> tuple[Axis, ...]:
        """Return the labels of a tensor's axes, as they were."""
        return self._walk.flows[tensor.index].axes

    def count(self, labels: NDArray[np.int64]) -> int:
        """Return how many of some positions are kept."""
        return int(np.count_nonzero(self._kept[labels]))

    def kept(self, labels: NDArray[np.int64]) -> NDArray[np.integer]:
        """Return which of some positions are kept."""
        return np.flatnonzero(self._kept[labels])

    def where(self, labels: NDArray[np.int64], positions: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return the new places of those of some positions along an axis that are kept, in their order."""
        kept = self._kept[labels]
        places = np.cumsum(kept) - 1
        found: NDArray[np.integer] = places[positions[kept[positions]]]
        return found

    def shape(self, tensor: Tensor) -> tuple[int | None, ...]:
        """Return the new shape of a tensor."""
        pairs = zip(tensor.shape, self.axes(tensor), strict=True)
        return tuple(size if labels is None else self.count(labels) for size, labels in pairs)

    def resize(self, wanted: Sequence[Any], tensor: Tensor) -> tuple[Any, ...]:
        """Return the shape that an argument asked for, with the new sizes of the axes that have labels.

        Args:
            wanted: The shape in the argument, which may lack the batch axis; −1 and None stay.
            tensor: The tensor of that shape.
        """
        skip = tensor.rank - len(wanted)
        sizes, axes = self.shape(tensor)[skip:], self.axes(tensor)[skip:]
        return tuple(w if a is None or w in (-1, None) else s for w, s, a in zip(wanted, sizes, axes, strict=True))

    def size(self, variable: keras.Variable, axis: int) -> int:
        """Return the new size of a variable's axis."""
        labels = self._walk.axis(variable, axis)
        return int(variable.shape[axis]) if labels is None else self.count(labels)

    def positions(self, variable: keras.Variable) -> list[NDArray[np.integer] | None]:
        """Return which positions of each axis of a variable are kept; None for all."""
        sites = self._walk.sites.get(id(variable), [])
        kept = [None if axis is None or isinstance(axis, str) else self._kept[axis] for axis in sites]
        return [None if k is None or k.all() else np.flatnonzero(k) for k in kept]

    def slice(self, variable: keras.Variable, values: NDArray[Any]) -> NDArray[Any]:
        """Return what is left of an array that has the axes of a variable, such as its values."""
        for axis, kept in enumerate(self.positions(variable)):
            if kept is not None:
                values = values.take(kept, axis=axis)
        return values

    def constant(self, value: Any) -> Any:
        """Return what is left of a constant operand."""
        for axis, labels in enumerate(self._walk.constants.get(id(value), ())):
            if labels is not None and not self._kept[labels].all():
                value = np.asarray(value).take(np.flatnonzero(self._kept[labels]), axis=axis)
        return value
