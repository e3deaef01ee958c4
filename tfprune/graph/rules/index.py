"""Positions chosen by number: indices, slices and lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from tfprune.graph.cut import Cut
from tfprune.graph.labels import Axis
from tfprune.graph.node import Node, Tensor
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk


@register_rule(operation_class("GetItem"))
class GetItemRule(Rule):
    """Indices and slices in square brackets."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Index the labels."""
        x = walk.flow(node.inputs[0])
        axes: list[Axis] = []
        for axis, part in self._parts(node):
            if part is None:
                axes.append(None)
                continue
            labels = None if axis is None else x.axes[axis]
            if isinstance(part, int):
                walk.fix([None if labels is None else labels[[part]]], f"{node.path} takes it alone")
            else:
                axes.append(labels if labels is None else labels[part])
        return Flow(tuple(axes), x.silent, x.why)

    def call(self, node: Node, cut: Cut, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the slices that take the same channels out of those that are left."""
        key: list[Any] = []
        x = args[0]
        for axis, part in self._parts(node):
            labels = None if axis is None else cut.axes(node.inputs[0])[axis]
            if axis is None or labels is None or part is None or part == slice(None):
                key.append(part)
                continue
            left = cut.where(labels, np.atleast_1d(np.arange(len(labels))[part]))
            if isinstance(part, int):
                key.append(int(left[0]))
                continue
            spaced = evenly(left)
            x = x if spaced is not None else ops.take(x, left.astype(np.int32), axis=axis)
            key.append(slice(None) if spaced is None else spaced)
        return (x, tuple(key)), {}

    def check(self, node: Node) -> str | None:
        """Refuse what is not a constant."""
        key = node.argument(1, "key")
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            inside = (part.start, part.stop, part.step) if isinstance(part, slice) else (part,)
            if any(not (x is None or x is Ellipsis or isinstance(x, int | np.integer)) for x in inside):
                return "its indices are not constants"
        return None

    def _parts(self, node: Node) -> list[tuple[int | None, Any]]:
        """Return the input axis and the index or slice of each part of the key."""
        key = node.argument(1, "key")
        parts = list(key) if isinstance(key, tuple) else [key]
        rank = len(node.inputs[0].shape)
        used = sum(part is not None and part is not Ellipsis for part in parts)
        if not any(part is Ellipsis for part in parts):
            parts.append(Ellipsis)
        at = next(index for index, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (rank - used)
        numbered: list[tuple[int | None, Any]] = []
        axis = 0
        for part in parts:
            if part is None:
                numbered.append((None, None))
            else:
                numbered.append((axis, int(part) if isinstance(part, np.integer) else part))
                axis += 1
        return numbered


def evenly(indices: Any) -> slice | None:
    """Return the slice that takes some indices, None if they are not evenly spaced."""
    if len(indices) == 0:
        return slice(0, 0)
    step = int(indices[1] - indices[0]) if len(indices) > 1 else 1
    if step == 0 or (np.diff(indices) != step).any():
        return None
    stop = int(indices[-1]) + (1 if step > 0 else -1)
    return slice(int(indices[0]), None if stop < 0 else stop, step)


@register_rule(operation_class("Slice"))
class SliceRule(Rule):
    """A block of positions, by its corner and its shape."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Cut the block out of the labels."""
        x = walk.flow(node.inputs[0])
        block = zip(x.axes, self._corner(node), node.results[0].shape, strict=True)
        return Flow(tuple(a if a is None else a[start : start + (n or 0)] for a, start, n in block), x.silent, x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new shape of the block."""
        return {"shape": cut.resize(node.operation.shape, node.results[0])}

    def call(self, node: Node, cut: Cut, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the new corner."""
        pairs = zip(cut.axes(node.inputs[0]), self._corner(node), strict=True)
        return (args[0], tuple(start if a is None else cut.count(a[:start]) for a, start in pairs)), {}

    def check(self, node: Node) -> str | None:
        """Refuse what is not constant."""
        if any(not isinstance(n, int | np.integer) for n in tree.flatten(self._corner(node))):
            return "its indices are not constants"
        return "the size of its block is not known" if None in node.results[0].shape else None

    def _corner(self, node: Node) -> Any:
        corner = node.argument(1, "start_indices")
        return corner if isinstance(corner, Tensor) else tuple(np.asarray(corner).tolist())


@register_rule(operation_class("Take"))
class TakeRule(Rule):
    """Positions chosen by a constant list."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Index the labels, or make the columns of a table."""
        if is_tensor(node.argument(1, "indices")):
            return self._look_up(node, walk)
        x = walk.flow(node.inputs[0])
        axis = node.operation.axis % len(x.axes)
        labels = x.axes[axis]
        indices = np.asarray(node.argument(1, "indices"))
        if indices.ndim == 0:
            walk.fix([None if labels is None else labels[indices.reshape(1)]], f"{node.path} takes it alone")
            return Flow(x.axes[:axis] + x.axes[axis + 1 :], x.silent, x.why)
        if indices.ndim > 1:
            walk.fix([labels], f"{node.path} takes by indices of several axes")
            return Flow((*x.axes[:axis], *(None,) * indices.ndim, *x.axes[axis + 1 :]), x.silent, x.why)
        taken = None if labels is None else labels[indices]
        return Flow((*x.axes[:axis], taken, *x.axes[axis + 1 :]), x.silent, x.why)

    def call(self, node: Node, cut: Cut, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the places of the same channels among those that are left."""
        if is_tensor(node.argument(1, "indices")):
            return args, kwargs
        labels = cut.axes(node.inputs[0])[node.operation.axis]
        indices = np.asarray(node.argument(1, "indices"))
        if labels is None or indices.ndim > 1:
            return args, kwargs
        places = cut.where(labels, indices.reshape(-1) % len(labels)).astype(np.int32)
        return (args[0], places.reshape(()) if indices.ndim == 0 else places), {}

    def check(self, node: Node) -> str | None:
        """Refuse all axes at once, and rows of a constant."""
        if node.operation.axis is None:
            return "it takes from all axes at once"
        if not is_tensor(node.args[0]):
            return "it takes from a constant"
        indices, size = node.argument(1, "indices"), node.args[0].shape[node.operation.axis]
        if size is None or is_tensor(indices) or (np.abs(np.asarray(indices) + 0.5) < size).all():
            return None
        return "its indices are out of range"

    def _look_up(self, node: Node, walk: Walk) -> Flow:
        """Return the labels of rows of a table, chosen by a tensor."""
        table, tokens = walk.flow(node.args[0]), walk.flow(node.argument(1, "indices"))
        axis = node.operation.axis % len(table.axes)
        walk.fix((*tokens.axes, table.axes[axis]), f"{node.path} looks up tokens")
        return Flow((*table.axes[:axis], *(None for _ in tokens.axes), *table.axes[axis + 1 :]), table.silent)


def is_tensor(value: Any) -> bool:
    """Whether an argument is a tensor or a weight, and not a constant."""
    return isinstance(value, Tensor | keras.Variable)
