"""Layers with a scale for each channel and nothing else."""

from __future__ import annotations

from typing import Any

from keras.src.applications import convnext

from tfprune.graph.cut import Cut
from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, register_rule
from tfprune.graph.walk import Flow, Walk


@register_rule(getattr(convnext, "LayerScale", None))
class LayerScaleRule(Rule):
    """The scale at the end of each of ConvNeXt's blocks."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind the scale."""
        x = walk.flow(node.inputs[0])
        walk.bind(node.operation.gamma, 0, x.axes[-1])
        return Flow(x.axes, True, x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new number of channels."""
        return {"projection_dim": cut.size(node.operation.gamma, 0)}
