"""Moving, merging and splitting axes: the same call on the labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import layers

from tfprune.graph.cut import Cut
from tfprune.graph.labels import Axis
from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk

Shape = Sequence["int | None"]


def blocks(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]] | None:
    """Match the axes of two shapes of the same elements: which old ones become which new ones.

    Axes of unknown size match where exactly one is left on both sides.

    Example:
        >>> blocks((None, 7, 7, 8), (None, 392))
        [([0], [0]), ([1, 2, 3], [1])]
        >>> blocks((None, 4, 12), (None, 4, 3, 4))
        [([0], [0]), ([1], [1]), ([2], [2, 3])]
    """
    matched: list[tuple[list[int], list[int]]] = []
    i, j = len(old) - 1, len(new) - 1
    while i >= 0 and j >= 0:
        if old[i] is None or new[j] is None:
            break
        left, right = [i], [j]
        a, b = old[i] or 0, new[j] or 0
        while a != b:
            if a < b:
                i -= 1
                if i < 0 or old[i] is None:
                    return finish(old, new, left, right, matched, i)
                left.insert(0, i)
                a *= old[i] or 0
            else:
                j -= 1
                if j < 0 or new[j] is None:
                    return finish(old, new, left, right, matched, i)
                right.insert(0, j)
                b *= new[j] or 0
        matched.insert(0, (left, right))
        i, j = i - 1, j - 1
    if i >= 0 or j >= 0:
        matched.insert(0, (list(range(i + 1)), list(range(j + 1))))
    return matched


def finish(
    old: Shape, new: Shape, left: list[int], right: list[int], matched: list[tuple[list[int], list[int]]], i: int
) -> list[tuple[list[int], list[int]]]:
    """Put all that could not be matched into one block."""
    return [(list(range(left[-1] + 1)), list(range(right[-1] + 1))), *matched]


def reshape(node: Node, walk: Walk, x: Flow, old: Shape, new: Shape) -> Flow:
    """Return the labels of a reshaped tensor; labels that can't be followed are fixed."""
    axes: list[Axis] = [None] * len(new)
    for left, right in blocks(old, new) or []:
        inner_left = [axis for axis in left if old[axis] != 1]
        inner_right = [axis for axis in right if new[axis] != 1]
        labelled = [axis for axis in inner_left if x.axes[axis] is not None]
        if not labelled:
            continue
        if len(inner_left) == len(inner_right) == 1:
            axes[inner_right[0]] = x.axes[inner_left[0]]
            continue
        sizes = [old[axis] for axis in inner_left] + [new[axis] for axis in inner_right]
        if None in sizes or math.prod(old[a] or 1 for a in inner_left) != math.prod(new[a] or 1 for a in inner_right):
            walk.fix([x.axes[axis] for axis in labelled], f"{node.path} mixes them with an axis of unknown size")
            continue
        merged = merge(walk, [x.axes[axis] for axis in inner_left], [old[axis] or 1 for axis in inner_left])
        parts = walk.labels.split(merged, tuple(new[axis] or 1 for axis in inner_right))
        for axis, part in zip(inner_right, parts, strict=True):
            axes[axis] = part
    return Flow(tuple(axes), x.silent, x.why)


def merge(walk: Walk, axes: Sequence[Axis], sizes: Sequence[int]) -> Any:
    """Return the labels of the axis that several axes become."""
    labels: Any = None
    before = 1
    for axis, size in zip(axes, sizes, strict=True):
        if axis is None:
            labels = labels if labels is None else np.repeat(labels, size)
            before *= size
        elif labels is None:
            labels, before = np.tile(axis, before), 1
        else:
            labels = walk.labels.product(labels, axis)
    return labels


@register_rule(layers.Reshape, layers.Flatten,
               *map(operation_class, ("Reshape", "Ravel", "ExpandDims", "Squeeze")))  # fmt: skip
class ReshapeRule(Rule):
    """Axes that are merged and split."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Follow the labels."""
        x = walk.flow(node.inputs[0])
        if isinstance(node.operation, layers.Flatten) and node.operation.data_format == "channels_first":
            rank = len(x.axes)
            if rank > 2:  # Flatten moves the channels to the end first
                order = [0, *range(2, rank), 1]
                shape = node.inputs[0].shape
                moved = Flow(tuple(x.axes[axis] for axis in order), x.silent, x.why)
                return reshape(node, walk, moved, [shape[axis] for axis in order], node.results[0].shape)
        return reshape(node, walk, x, node.inputs[0].shape, node.results[0].shape)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new target shape."""
        operation: Any = node.operation
        if isinstance(operation, layers.Reshape):
            return {"target_shape": cut.resize(operation.target_shape, node.results[0])}
        if node.kind == "Reshape" and hasattr(operation, "newshape"):
            return {"newshape": cut.resize(operation.newshape, node.results[0])}
        return {}


def order_of(node: Node, rank: int) -> list[int]:
    """Return which input axis each output axis of a transposition is."""
    operation: Any = node.operation
    if isinstance(operation, layers.Permute):
        return [0, *operation.dims]
    numbers = list(range(rank))
    if node.kind == "Transpose":
        return numbers[::-1] if operation.axes is None else [axis % rank for axis in operation.axes]
    if node.kind == "Swapaxes":
        one, two = operation.axis1 % rank, operation.axis2 % rank
        numbers[one], numbers[two] = numbers[two], numbers[one]
        return numbers
    source, destination = (
        [axis % rank for axis in np.atleast_1d(axes).tolist()] for axes in (operation.source, operation.destination)
    )
    order = [axis for axis in numbers if axis not in source]
    for place, axis in sorted(zip(destination, source, strict=True)):
        order.insert(place, axis)
    return order


@register_rule(layers.Permute, *map(operation_class, ("Transpose", "Swapaxes", "Moveaxis")))
class TransposeRule(Rule):
    """Axes in another order."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Move the labels."""
        x = walk.flow(node.inputs[0])
        return Flow(tuple(x.axes[axis] for axis in order_of(node, len(x.axes))), x.silent, x.why)


@register_rule(layers.RepeatVector)
class RepeatVectorRule(Rule):
    """A vector becomes a sequence."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Put an axis in between."""
        x = walk.flow(node.inputs[0])
        return Flow((x.axes[0], None, x.axes[1]), x.silent, x.why)


@register_rule(*map(operation_class, ("Repeat", "Tile", "BroadcastTo")))
class RepeatRule(Rule):
    """Positions that come several times."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Repeat the labels."""
        operation: Any = node.operation
        x = walk.flow(node.inputs[0])
        if node.kind == "BroadcastTo":
            missing = node.results[0].rank - len(x.axes)
            return Flow((None,) * missing + x.axes, x.silent, x.why)
        axes = list(x.axes)
        if node.kind == "Repeat":
            if axes[operation.axis] is not None:
                axes[operation.axis] = np.repeat(axes[operation.axis], operation.repeats)
            return Flow(tuple(axes), x.silent, x.why)
        repeats = np.atleast_1d(operation.repeats).tolist()
        repeats = [1] * (len(axes) - len(repeats)) + repeats
        tiled = [None if a is None else np.tile(a, r) for a, r in zip(axes, repeats, strict=True)]
        return Flow(tuple(tiled), x.silent, x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new shape."""
        return {"shape": cut.resize(node.operation.shape, node.results[0])} if node.kind == "BroadcastTo" else {}

    def check(self, node: Node) -> str | None:
        """Refuse repetitions that differ by position."""
        operation: Any = node.operation
        if node.kind == "Repeat" and (operation.axis is None or not isinstance(operation.repeats, int)):
            return "it repeats each position a different number of times"
        if node.kind == "Tile" and np.size(operation.repeats) > len(node.inputs[0].shape):
            return "it adds axes"
        return None


@register_rule(operation_class("DepthToSpace"), operation_class("SpaceToDepth"))
class DepthToSpaceRule(Rule):
    """Blocks of channels that become positions, or the other way: the channels of a block go together."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Tile or fold the labels."""
        operation: Any = node.operation
        x = walk.flow(node.inputs[0])
        rank = len(x.axes)
        axis = 1 if operation.data_format == "channels_first" else rank - 1
        walk.fix([a for n, a in enumerate(x.axes) if n != axis], f"{node.path} moves them to channels")
        labels = x.axes[axis]
        factor = operation.block_size**2
        if labels is not None:
            one_block = node.kind == "DepthToSpace"
            rows = labels.reshape(factor, -1) if one_block else None
            labels = np.tile(labels, factor) if rows is None else walk.labels.unify_rows(rows)
        return Flow(tuple(labels if n == axis else None for n in range(rank)), x.silent, x.why)

    def check(self, node: Node) -> str | None:
        """Refuse the layout in which blocks are not what the runtime makes of them."""
        return (
            "channels_first blocks are ordered differently"
            if (node.operation.data_format == "channels_first")
            else None
        )


Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]
