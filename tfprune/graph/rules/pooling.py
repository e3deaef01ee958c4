"""Layers that work along positions and leave channels alone: pooling, resizing, padding and cropping of images."""

from __future__ import annotations

from typing import Any

from keras import layers

from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.rules.convolution import channel_axis, filled, spatial_free
from tfprune.graph.walk import Flow, Walk


def named(*names: str) -> list[type | None]:
    """Return the layer classes of those names that this version of Keras has."""
    return [getattr(layers, name, None) for name in names]


def in_dimensions(*names: str) -> list[type | None]:
    """Return the layer classes of those names for one, two and three dimensions."""
    return named(*(f"{name}{dimensions}D" for name in names for dimensions in (1, 2, 3)))


@register_rule(*in_dimensions("MaxPooling", "AveragePooling", "UpSampling", "ZeroPadding", "Cropping",
                              "AdaptiveAveragePooling", "AdaptiveMaxPooling"),
               *named("Resizing", "CenterCrop"))  # fmt: skip
class PositionsRule(Rule):
    """Positions come, go or are pooled; each channel for itself."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass the channels' labels on."""
        x = walk.flow(node.inputs[0])
        axis = channel_axis(node.operation, len(x.axes))
        return Flow(filled(len(x.axes), axis, spatial_free(node, walk, x, axis)), x.silent, x.why)


@register_rule(*in_dimensions("GlobalAveragePooling", "GlobalMaxPooling"))
class GlobalPoolingRule(Rule):
    """All positions become one."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass the channels' labels on."""
        x = walk.flow(node.inputs[0])
        axis = channel_axis(node.operation, len(x.axes))
        labels = spatial_free(node, walk, x, axis)
        rank = node.results[0].rank
        return Flow(filled(rank, axis if rank == len(x.axes) else 1, labels), x.silent, x.why)


@register_rule(*(operation_class(name) for name in ("MaxPool", "AveragePool", "AdaptiveMaxPool",
                                                    "AdaptiveAveragePool", "Resize")))  # fmt: skip
class PoolOperationRule(PositionsRule):
    """The same as functions of `keras.ops`."""

    def check(self, node: Node) -> str | None:
        """Refuse what has no batch axis."""
        operation: Any = node.operation
        if len(node.inputs[0].shape) != node.results[0].rank:
            return "Keras does not know its shape"
        return None if len(node.inputs[0].shape) > 3 or node.kind != "Resize" else f"{operation.name} has no batch axis"
