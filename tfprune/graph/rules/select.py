"""Joining and taking apart along an axis: concatenation, stacks, splits, shifted and padded positions."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers, tree

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
        joined = node.argument(0, "inputs", "xs")
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


@register_rule(operation_class("Split"), operation_class("ArraySplit"))
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

    def made(self, node: Node) -> type:
        """Return the operation that can make pieces of any size."""
        return operation_class("Split") or type(node.operation)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return where the new pieces begin."""
        axis = node.operation.axis % len(node.inputs[0].shape)
        if node.kind == "Split" and (cut.axes(node.inputs[0])[axis] is None or len(node.results) == 1):
            return {}
        sizes = [cut.shape(piece)[axis] for piece in node.results]
        return {"indices_or_sections": np.cumsum(sizes[:-1]).tolist()}


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


@register_rule(operation_class("Roll"))
class RollRule(Rule):
    """Positions shifted round: by as many as are left of those that come round."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Shift the labels."""
        x = walk.flow(node.inputs[0])
        axes = list(x.axes)
        for axis, shift in self._shifts(node):
            labels = axes[axis]
            axes[axis] = None if labels is None else np.roll(labels, shift)
        return Flow(tuple(axes), x.silent, x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new shifts."""
        axes, shifts, changed = list(cut.axes(node.inputs[0])), [], False
        for axis, shift in self._shifts(node):
            labels = axes[axis]
            if labels is not None:
                rolled = axes[axis] = np.roll(labels, shift)
                shift, changed = cut.count(rolled[: shift % len(labels)]), True
            shifts.append(shift)
        return {"shift": shifts[0] if isinstance(node.operation.axis, int) else tuple(shifts)} if changed else {}

    def check(self, node: Node) -> str | None:
        """Refuse a shift of all positions as one row."""
        return "it shifts all axes as one" if node.operation.axis is None else None

    def _shifts(self, node: Node) -> list[tuple[int, int]]:
        """Return each axis with its shift."""
        rank = len(node.inputs[0].shape)
        axes, shifts = np.broadcast_arrays(np.atleast_1d(node.operation.axis), np.atleast_1d(node.operation.shift))
        return [(int(axis) % rank, int(shift)) for axis, shift in zip(axes, shifts, strict=True)]


@register_rule(operation_class("Pad"))
class PadRule(Rule):
    """Positions that are added at the ends: those of a channel axis go with the channels that they meet."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Put new labels at the ends."""
        x = walk.flow(node.inputs[0])
        axes: list[Axis] = []
        for labels, (before, after) in zip(x.axes, self._widths(node), strict=True):
            if node.operation.mode != "constant" and (before or after):
                walk.fix([labels], f"{node.path} pads with what it finds")
                axes.append(None)
                continue
            ends = () if labels is None or not (before or after) else (walk.labels.fresh(n) for n in (before, after))
            first, last = tuple(ends) or (None, None)
            axes.append(labels if first is None else np.concatenate([first, labels, last]))
        value = node.argument(1, "constant_values", default=None)
        zero = value is None or not np.any(value)
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

    def _widths(self, node: Node) -> list[tuple[int, int]]:
        widths = node.operation.pad_width
        rank = len(node.inputs[0].shape)
        pairs = np.broadcast_to(np.asarray(widths), (rank, 2)).tolist()
        return [(int(before), int(after)) for before, after in pairs]
