"""Convolutions of every kind: a channel is an output filter and the next layer's slice of inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import layers

from tfprune.graph.cut import Cut
from tfprune.graph.labels import Axis
from tfprune.graph.node import Node
from tfprune.graph.rules.activation import activate
from tfprune.graph.rules.base import Rule, register_rule
from tfprune.graph.walk import Flow, Walk

__all__ = ["Convolution", "channel_axis", "spatial_free"]

SPATIAL = "positions along {} are an image, not channels"


def channel_axis(layer: Any, rank: int) -> int:
    """Return the number of the channel axis of a layer with a `data_format`."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1


def spatial_free(node: Node, walk: Walk, flow: Flow, axis: int) -> Axis:
    """Return the channel labels of a tensor, and fix the labels of its other axes."""
    walk.fix([labels for number, labels in enumerate(flow.axes) if number != axis], SPATIAL.format(node.path))
    return flow.axes[axis]


def filled(rank: int, axis: int, labels: Axis) -> tuple[Axis, ...]:
    """Return the axes of a tensor of which one has labels."""
    return tuple(labels if number == axis else None for number in range(rank))


def positions(node: Node, axis: int, *, of_inputs: bool = False) -> int | None:
    """Return the number of spatial positions in the output (or input) of a convolution, None if it is not known."""
    shape = (node.inputs[0] if of_inputs else node.results[0]).shape
    sizes = [size for number, size in enumerate(shape) if number not in (0, axis)]
    return None if None in sizes else math.prod(size or 0 for size in sizes)


@register_rule(layers.Conv1D, layers.Conv2D, layers.Conv3D)
class Convolution(Rule):
    """Plain and grouped convolutions.

    A group keeps as many channels as every other: the channels with the same number in each group go together.
    """

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind the kernel to the inputs, make the outputs."""
        layer: Any = node.operation
        rank = node.results[0].rank
        axis = channel_axis(layer, rank)
        x = walk.flow(node.inputs[0])
        inputs = spatial_free(node, walk, x, axis)
        count = positions(node, axis)
        window = math.prod(layer.kernel_size)
        depth, filters = layer.kernel.shape[-2:]
        if layer.groups > 1 and depth == 1 and filters % layer.groups == 0:
            outputs = None if inputs is None else np.repeat(inputs, filters // layer.groups)
            walk.bind(layer.kernel, -1, outputs, f"{node.path} has one filter for each input channel")
            walk.count(times(count, window), outputs, sizes=[filters], kernel=layer.kernel)
        else:
            if inputs is not None and layer.groups > 1:
                inputs = walk.labels.unify_rows(inputs.reshape(layer.groups, -1))
            walk.bind(layer.kernel, -2, inputs)
            outputs = walk.make(layer.kernel, -1)
            if outputs is not None and layer.groups > 1:
                walk.labels.unify_rows(outputs.reshape(layer.groups, -1))
            walk.count(times(count, window), inputs, outputs, sizes=[depth, filters], kernel=layer.kernel)
        walk.bind(layer.bias if layer.use_bias else None, 0, outputs)
        return activate(node, walk, filled(rank, axis, outputs), x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new number of filters, and of groups where each channel is one."""
        layer: Any = node.operation
        filters = cut.size(layer.kernel, -1)
        if layer.groups == 1 or layer.kernel.shape[-2] > 1:
            return {"filters": filters}
        return {"filters": filters, "groups": filters // (layer.filters // layer.groups)}


def times(count: int | None, factor: int) -> int | None:
    """Multiply what may not be known."""
    return None if count is None else count * factor


@register_rule(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
class TransposedConvolution(Rule):
    """Transposed convolutions: kernels are (window…, out, in)."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind the kernel to the inputs, make the outputs."""
        layer: Any = node.operation
        rank = node.results[0].rank
        axis = channel_axis(layer, rank)
        x = walk.flow(node.inputs[0])
        inputs = spatial_free(node, walk, x, axis)
        walk.bind(layer.kernel, -1, inputs)
        outputs = walk.make(layer.kernel, -2)
        walk.bind(layer.bias if layer.use_bias else None, 0, outputs)
        window = math.prod(layer.kernel_size)
        sizes = layer.kernel.shape[:-3:-1]
        factor = times(positions(node, axis, of_inputs=True), window)
        walk.count(factor, inputs, outputs, sizes=sizes, kernel=layer.kernel)
        return activate(node, walk, filled(rank, axis, outputs), x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new number of filters."""
        return {"filters": cut.size(node.operation.kernel, -2)}


@register_rule(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
class DepthwiseConvolution(Rule):
    """Depthwise convolutions: each input channel has `depth_multiplier` outputs, which go with it."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass the inputs' labels on."""
        layer: Any = node.operation
        rank = node.results[0].rank
        axis = channel_axis(layer, rank)
        x = walk.flow(node.inputs[0])
        inputs = spatial_free(node, walk, x, axis)
        walk.bind(layer.kernel, -2, inputs)
        outputs = None if inputs is None else np.repeat(inputs, layer.depth_multiplier)
        walk.bind(layer.bias if layer.use_bias else None, 0, outputs)
        factor = times(positions(node, axis), math.prod(layer.kernel_size))
        walk.count(factor, outputs, sizes=[math.prod(layer.kernel.shape[-2:])], kernel=layer.kernel)
        return activate(node, walk, filled(rank, axis, outputs), x.why)


@register_rule(layers.SeparableConv1D, layers.SeparableConv2D)
class SeparableConvolution(Rule):
    """A depthwise and a pointwise convolution in one layer."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind the depthwise kernel to the inputs, make the outputs."""
        layer: Any = node.operation
        rank = node.results[0].rank
        axis = channel_axis(layer, rank)
        x = walk.flow(node.inputs[0])
        inputs = spatial_free(node, walk, x, axis)
        inner = None if inputs is None else np.repeat(inputs, layer.depth_multiplier)
        walk.bind(layer.depthwise_kernel, -2, inputs)
        walk.bind(layer.pointwise_kernel, -2, inner)
        outputs = walk.make(layer.pointwise_kernel, -1)
        walk.bind(layer.bias if layer.use_bias else None, 0, outputs)
        depth, filters = layer.pointwise_kernel.shape[-2:]
        count = positions(node, axis)
        factor = times(count, math.prod(layer.kernel_size))
        walk.count(factor, inner, sizes=[depth], kernel=layer.depthwise_kernel)
        walk.count(count, inner, outputs, sizes=[depth, filters], kernel=layer.pointwise_kernel)
        return activate(node, walk, filled(rank, axis, outputs), x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new number of filters."""
        return {"filters": cut.size(node.operation.pointwise_kernel, -1)}
