"""Reductions over axes: positions may be summed, and channels too where zeros add nothing."""

from __future__ import annotations

from typing import Any

from keras import ops

from tfprune.graph.cut import Cut
from tfprune.graph.labels import Axis
from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk


def reduced(node: Node) -> list[int]:
    """Return the numbers of the axes that are reduced."""
    rank = len(node.inputs[0].shape)
    axis = node.operation.axis
    axes = range(rank) if axis is None else [axis] if isinstance(axis, int) else axis
    return [number % rank for number in axes]


def left_over(node: Node, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """Return the axes of the result."""
    gone = reduced(node)
    if getattr(node.operation, "keepdims", False):
        return tuple(None if number in gone else a for number, a in enumerate(axes))
    return tuple(a for number, a in enumerate(axes) if number not in gone)


@register_rule(operation_class("Sum"), operation_class("Mean"))
class SumOrMeanRule(Rule):
    """Zeros add nothing to a sum; a mean over fewer channels is corrected by their number."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Drop the reduced axes."""
        x = walk.flow(node.inputs[0])
        if not x.silent:
            over = [x.axes[axis] for axis in reduced(node)]
            walk.fix(over, f"{node.path} adds them up, and they are not zero where they are removed")
        return Flow(left_over(node, x.axes), x.silent, x.why)

    def after(self, node: Node, cut: Cut, outputs: Any) -> Any:
        """Return a mean that divides by the number of channels that there were."""
        if node.kind != "Mean":
            return outputs
        ratio = 1.0
        for axis in reduced(node):
            labels = cut.axes(node.inputs[0])[axis]
            ratio *= 1.0 if labels is None else cut.count(labels) / len(labels)
        return outputs if ratio == 1.0 else ops.multiply(outputs, ratio)


@register_rule(*map(operation_class, ("Max", "Min", "Amax", "Amin", "Any", "All")))
class ExtremeRule(Rule):
    """Positions may be compared; the extreme of fewer channels may be another one."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Drop the reduced axes."""
        x = walk.flow(node.inputs[0])
        for axis in reduced(node):
            walk.labels.mark_inexact(x.axes[axis], f"{node.path} looks for the extreme of all of them")
        return Flow(left_over(node, x.axes), x.silent, x.why)


@register_rule(*map(operation_class, ("Std", "Var", "Prod", "Logsumexp", "Argmax", "Argmin", "CountNonzero")))
class StatisticRule(Rule):
    """Statistics to which zeros do add something: what is reduced keeps its size."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Hold and drop the reduced axes."""
        x = walk.flow(node.inputs[0])
        walk.fix([x.axes[axis] for axis in reduced(node)], f"{node.path} looks at all of them together")
        return Flow(left_over(node, x.axes), False, x.why)


@register_rule(operation_class("Softmax"), operation_class("LogSoftmax"))
class SoftmaxOperationRule(Rule):
    """A softmax over an axis, which keeps its size."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Hold what is normalised over."""
        x = walk.flow(node.inputs[0])
        axis = node.operation.axis
        over = range(len(x.axes)) if axis is None else [axis] if isinstance(axis, int) else axis
        walk.fix([x.axes[number] for number in over], f"{node.path} is a softmax over all of them")
        return Flow(x.axes, False, x.why)


@register_rule(operation_class("Normalize"))
class NormalizeRule(Rule):
    """Division by a norm, to which zeros add nothing."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on."""
        x = walk.flow(node.inputs[0])
        if not x.silent or node.operation.order != 2:
            walk.fix([x.axes[node.operation.axis]], f"{node.path} divides by the norm of all of them")
        return x
