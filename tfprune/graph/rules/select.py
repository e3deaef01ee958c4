"""Joining and taking apart: concatenation, split, slices, gathered and padded positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import layers, ops, tree
from numpy.typing import NDArray

from tfprune.graph.cut import Cut
from tfprune.graph.labels import Axis
from tfprune.graph.node import Node, Tensor
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk


@register_rule(layers.Concatenate, operation_class("Concatenate"))
class ConcatenateRule(Rule):
    """Tensors one after the other along an axis."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Join the labels along the axis, unify them along the others."""
        flows = [walk.flow(tensor) for tensor in node.inputs]
        axis = node.operation.axis % node.results[0].rank
        why = next((flow.why for flow in flows if flow.why), "")
        axes: list[Axis] = []
        for number in range(node.results[0].rank):
            parts = [flow.axes[number] for flow in flows]
            if number != axis:
                known = parts[0]
                for part in parts[1:]:
                    if known is not None or part is not None:
                        known = walk.same(known, part, f"{node.path} joins it to something that keeps its size")
                axes.append(known)
            elif all(part is None for part in parts):
                axes.append(None)
            else:
                axes.append(np.concatenate([self._part(node, walk, number, i, parts) for i in range(len(parts))]))
        return Flow(tuple(axes), all(flow.silent for flow in flows), why)

    def _part(self, node: Node, walk: Walk, axis: int, index: int, parts: list[Axis]) -> Any:
        if parts[index] is not None:
            return parts[index]
        labels = walk.labels.fresh(node.inputs[index].shape[axis] or 0)
        walk.labels.fix(labels, walk.flow(node.inputs[index]).why or f"it comes into {node.path} with a fixed size")
        return labels

    def check(self, node: Node) -> str | None:
        """Refuse to join constants, or parts of unknown size with channels."""
        joined = node.args[0]
        if not isinstance(joined, list | tuple) or not all(isinstance(part, Tensor) for part in joined):
            return "it joins constants"
        axis = node.operation.axis
        return "parts have an unknown size" if axis % node.results[0].rank and any(
            tensor.shape[axis] is None for tensor in node.inputs
        ) and node.results[0].rank == 2 else None  # fmt: skip


@register_rule(operation_class("Stack"))
class StackRule(Rule):
    """Tensors side by side along a new axis."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify the labels, and put an axis in between."""
        flow = walk.broadcast(list(node.inputs), all)
        axis = node.operation.axis % node.results[0].rank
        return Flow((*flow.axes[:axis], None, *flow.axes[axis:]), flow.silent, flow.why)

    def check(self, node: Node) -> str | None:
        """Refuse to stack constants."""
        stacked = tree.flatten(node.args[0])
        return None if all(isinstance(part, Tensor) for part in stacked) else "it stacks constants"


@register_rule(operation_class("Unstack"))
class UnstackRule(Rule):
    """Positions of an axis that become tensors of their own."""

    def propagate(self, node: Node, walk: Walk) -> list[Flow]:
        """Hold the axis, pass the others on."""
        x = walk.flow(node.inputs[0])
        axis = node.operation.axis % len(x.axes)
        walk.fix([x.axes[axis]], f"{node.path} takes them apart")
        left = Flow(x.axes[:axis] + x.axes[axis + 1 :], x.silent, x.why)
        return [left for _ in node.results]


@register_rule(operation_class("Split"))
class SplitRule(Rule):
    """Pieces of an axis."""

    def propagate(self, node: Node, walk: Walk) -> list[Flow]:
        """Give each piece its labels."""
        x = walk.flow(node.inputs[0])
        axis = node.operation.axis % len(x.axes)
        flows, first = [], 0
        for piece in node.results:
            axes = list(x.axes)
            labels = axes[axis]
            if labels is not None:
                size = piece.shape[axis] or 0
                axes[axis], first = labels[first : first + size], first + size
            flows.append(Flow(tuple(axes), x.silent, x.why))
        return flows

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return where the new pieces begin."""
        axis = node.operation.axis % len(node.inputs[0].shape)
        if cut.axes(node.inputs[0])[axis] is None or len(node.results) == 1:
            return {}
        sizes = [cut.shape(piece)[axis] for piece in node.results]
        return {"indices_or_sections": np.cumsum(sizes[:-1]).tolist()}


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
                walk.fix([labels], f"{node.path} takes one of them")
            else:
                axes.append(labels if labels is None else labels[part])
        return Flow(tuple(axes), x.silent, x.why)

    def call(self, node: Node, cut: Cut, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the slices that take the same channels out of those that are left."""
        key: list[Any] = []
        x = args[0]
        for axis, part in self._parts(node):
            labels = None if axis is None else cut.axes(node.inputs[0])[axis]
            if axis is None or labels is None or part is None or isinstance(part, int) or part == slice(None):
                key.append(part)
                continue
            left = cut.where(labels, np.arange(len(labels))[part])
            even = is_even(left)
            x = x if even else ops.take(x, left.astype(np.int32), axis=axis)
            key.append(as_slice(left) if even else slice(None))
        return (x, tuple(key)), {}

    def check(self, node: Node) -> str | None:
        """Refuse what is not a constant, and labels that a stride takes apart irregularly."""
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


def is_even(indices: NDArray[np.integer]) -> bool:
    """Whether a slice can take some indices."""
    steps = np.diff(indices)
    return bool(len(steps) == 0 or (steps[0] != 0 and (steps == steps[0]).all()))


def as_slice(indices: NDArray[np.integer]) -> slice:
    """Return the slice that takes some evenly spaced indices."""
    step = int(indices[1] - indices[0]) if len(indices) > 1 else 1
    stop = int(indices[-1]) + (1 if step > 0 else -1)
    return slice(int(indices[0]), None if stop < 0 else stop, step)


@register_rule(operation_class("Take"))
class TakeRule(Rule):
    """Positions chosen by a constant list."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Index the labels."""
        x = walk.flow(node.inputs[0])
        axis = node.operation.axis % len(x.axes)
        labels = x.axes[axis]
        indices = np.asarray(node.argument(1, "indices"))
        if indices.ndim == 0:
            walk.fix([labels], f"{node.path} takes one of them")
            return Flow(x.axes[:axis] + x.axes[axis + 1 :], x.silent, x.why)
        taken = None if labels is None else labels[indices]
        return Flow((*x.axes[:axis], taken, *x.axes[axis + 1 :]), x.silent, x.why)

    def call(self, node: Node, cut: Cut, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the places of the same channels among those that are left."""
        labels = cut.axes(node.inputs[0])[node.operation.axis % len(node.inputs[0].shape)]
        indices = np.asarray(node.argument(1, "indices"))
        if labels is None or indices.ndim == 0:
            return args, kwargs
        return (args[0], cut.where(labels, indices % len(labels)).astype(np.int32)), {}

    def check(self, node: Node) -> str | None:
        """Refuse what is not one list of constants."""
        indices = node.argument(1, "indices")
        if isinstance(indices, Tensor) or node.operation.axis is None:
            return "its indices are not constants"
        return "its indices have several axes" if np.ndim(indices) > 1 else None


@register_rule(operation_class("Flip"))
class FlipRule(Rule):
    """Positions in the opposite order."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Turn the labels round."""
        x = walk.flow(node.inputs[0])
        axis = node.operation.axis
        numbers = range(len(x.axes)) if axis is None else [a % len(x.axes) for a in tree.flatten(axis)]
        axes = [a[::-1] if a is not None and n in numbers else a for n, a in enumerate(x.axes)]
        return Flow(tuple(axes), x.silent, x.why)


@register_rule(operation_class("Pad"))
class PadRule(Rule):
    """Positions that are added at the ends: those of a channel axis go with the channels that they meet."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Put new labels at the ends."""
        x = walk.flow(node.inputs[0])
        axes: list[Axis] = []
        for labels, (before, after) in zip(x.axes, self._widths(node), strict=True):
            ends = () if labels is None or not (before or after) else (walk.labels.fresh(n) for n in (before, after))
            first, last = tuple(ends) or (None, None)
            axes.append(labels if first is None else np.concatenate([first, labels, last]))
        zero = not self._constant(node)
        return Flow(tuple(axes), x.silent and zero, x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return how many of the added positions are left."""
        widths = []
        for axes, (before, after) in zip(
            zip(cut.axes(node.inputs[0]), cut.axes(node.results[0]), strict=True), self._widths(node), strict=True
        ):
            old, new = axes
            if old is None or new is None or not (before or after):
                widths.append((before, after))
            else:
                widths.append((cut.count(new[:before]), cut.count(new[len(new) - after :])))
        return {"pad_width": tuple(widths)}

    def check(self, node: Node) -> str | None:
        """Refuse to mirror channels."""
        return None if node.operation.mode == "constant" else "it pads with what it finds"

    def _constant(self, node: Node) -> Any:
        return node.argument(1, "constant_values", default=None)

    def _widths(self, node: Node) -> list[tuple[int, int]]:
        widths = node.operation.pad_width
        rank = len(node.inputs[0].shape)
        pairs = np.broadcast_to(np.asarray(widths), (rank, 2)).tolist()
        return [(int(before), int(after)) for before, after in pairs]
