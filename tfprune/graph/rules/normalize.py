"""Normalisations as functions of `keras.ops`, whose scales and offsets are arguments."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from tfprune.graph.cut import Cut
from tfprune.graph.node import Node, Tensor
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk


@register_rule(operation_class("BatchNorm"))
class BatchNormRule(Rule):
    """Given statistics, scale and offset of each channel."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify all four vectors with the channels."""
        x = walk.flow(node.inputs[0])
        axis = node.operation.axis % len(x.axes)
        labels = x.axes[axis]
        for value in self._vectors(node):
            own = walk.flow(value).axes[0] if value is not None else None
            if value is not None and (labels is not None or own is not None):
                labels = walk.same(labels, own, f"{node.path} meets something that keeps its size")
        _, _, offset, scale = self._vectors(node)
        quiet = offset is None or walk.flow(offset).silent
        zero = scale is not None and walk.flow(scale).silent and quiet and x.labelled in ([], [axis])
        axes = tuple(labels if number == axis else a for number, a in enumerate(x.axes))
        return Flow(axes, zero, x.why)

    def check(self, node: Node) -> str | None:
        """Refuse constants."""
        values = [value for value in self._vectors(node) if value is not None]
        return None if all(isinstance(value, Tensor | keras.Variable) for value in values) else "it has constants"

    def _vectors(self, node: Node) -> list[Any]:
        """Return mean, variance, offset and scale."""
        return [node.argument(n, name) for n, name in enumerate(("mean", "variance", "offset", "scale"), 1)]


@register_rule(operation_class("RMSNorm"))
class RMSNormRule(Rule):
    """Root mean square over all channels, to which zeros add nothing: see `RMSNormalizationRule`."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify the scale with the channels."""
        x, scale = node.inputs[0], node.argument(1, "scale")
        flow = walk.flow(x)
        for axis in self._axes(node):
            if not flow.silent:
                walk.labels.mark_inexact(flow.axes[axis], f"{node.path} takes the mean square over all of them")
        return walk.broadcast([x] if scale is None else [x, scale], any)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new epsilon."""
        epsilon = node.operation.epsilon
        return {"epsilon": (keras.config.epsilon() if epsilon is None else epsilon) / self._ratio(node, cut)}

    def after(self, node: Node, cut: Cut, outputs: Any) -> Any:
        """Return the result with the scale of as many channels as there were."""
        ratio = self._ratio(node, cut)
        return outputs if ratio == 1 else ops.multiply(outputs, math.sqrt(1 / ratio))

    def _ratio(self, node: Node, cut: Cut) -> float:
        """Return how many of the channels are left, as a fraction."""
        axes = cut.axes(node.inputs[0])
        known = [labels for labels in (axes[axis] for axis in self._axes(node)) if labels is not None]
        return math.prod(cut.count(labels) / len(labels) for labels in known)

    def _axes(self, node: Node) -> list[int]:
        axis = node.operation.axis
        return [axis] if isinstance(axis, int) else list(axis)
