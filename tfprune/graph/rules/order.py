"""Positions of an axis that are put in an order, summed up one after the other, or picked by a tensor."""

from __future__ import annotations

import numpy as np

from tfprune.graph.node import Node, Tensor
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk


@register_rule(*map(operation_class, ("Sort", "Argsort", "Cumsum", "Cumprod", "Tril", "Triu")))
class InOrderRule(Rule):
    """What each place gets depends on others along the axis, or on where it is: it keeps its size."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Hold the axis, or the two of a triangle, and pass the others on."""
        x = walk.flow(node.inputs[0])
        along = [-2, -1] if node.kind in ("Tril", "Triu") else [node.operation.axis]
        walk.fix([x.axes[axis] for axis in along], f"{node.path} looks at their order")
        held = [axis % len(x.axes) for axis in along]
        axes = tuple(None if number in held else labels for number, labels in enumerate(x.axes))
        return Flow(axes, x.silent and node.kind not in ("Argsort", "Cumprod"), x.why)

    def check(self, node: Node) -> str | None:
        """Refuse an order of all elements."""
        return "it takes all axes as one" if getattr(node.operation, "axis", -1) is None else None


@register_rule(operation_class("TopK"))
class TopKRule(Rule):
    """The largest of the last axis, and where they are."""

    def propagate(self, node: Node, walk: Walk) -> list[Flow]:
        """Hold the last axis and pass the others on."""
        x = walk.flow(node.inputs[0])
        walk.fix(x.axes[-1:], f"{node.path} looks for the largest of them")
        values, places = (Flow((*x.axes[:-1], None), silent, x.why) for silent in (x.silent, False))
        return [values, places]


@register_rule(operation_class("OneHot"))
class OneHotRule(Rule):
    """A place for each class: the others are followed no further."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Hold the axes of the numbers."""
        walk.fix(walk.flow(node.inputs[0]).axes, f"{node.path} looks at each of them")
        return Flow((None,) * node.results[0].rank)


@register_rule(operation_class("TakeAlongAxis"))
class TakeAlongAxisRule(Rule):
    """Positions along one axis, picked by numbers for each place of the others."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Hold that axis, and those that the numbers have; pass the others on."""
        x, places = walk.flow(node.inputs[0]), node.argument(1, "indices")
        axis = node.operation.axis % len(x.axes)
        shape = places.shape if isinstance(places, Tensor) else np.shape(places)
        held = {axis, *(number for number, size in enumerate(shape) if size != 1)}
        walk.fix([x.axes[number] for number in held], f"{node.path} picks from them")
        if len(node.inputs) > 1:
            walk.fix(walk.flow(node.inputs[1]).axes, f"{node.path} picks by them")
        return Flow(tuple(None if n in held else labels for n, labels in enumerate(x.axes)), x.silent, x.why)

    def check(self, node: Node) -> str | None:
        """Refuse a place in all axes at once, and places in a constant."""
        if not isinstance(node.argument(0, "x"), Tensor):
            return "it picks from a constant"
        return "it takes all axes as one" if node.operation.axis is None else None
