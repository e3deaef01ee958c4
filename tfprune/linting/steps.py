"""Convolutions that step over inputs, written so that older runtimes compute them right."""

from __future__ import annotations

from typing import Any

import keras

from tfprune.graph.node import Node
from tfprune.linting.pieces import NewLayer
from tfprune.xnnpack.steps import missing

__all__ = ["explicit_padding"]

layers = keras.layers

PADDINGS = {
    layers.Conv1D: layers.ZeroPadding1D,
    layers.DepthwiseConv1D: layers.ZeroPadding1D,
    layers.SeparableConv1D: layers.ZeroPadding1D,
    layers.Conv2D: layers.ZeroPadding2D,
    layers.DepthwiseConv2D: layers.ZeroPadding2D,
    layers.SeparableConv2D: layers.ZeroPadding2D,
}
"""The convolutions that are looked at, and what pads before them."""


def explicit_padding(node: Node) -> list[NewLayer] | None:
    """Return what takes the place of a convolution whose last windows end before its input does, None for others.

    It computes the same: padded with 'valid', behind a padding of its own where it is padded in the other direction.

    Args:
        node: An operation of the graph.
    """
    layer: Any = node.operation
    if type(layer) not in PADDINGS or layer.padding != "same" or layer.data_format != "channels_last":
        return None
    sizes, shapes = layer.kernel_size, (node.inputs[0].shape, node.results[0].shape)
    given, made = ([size or 0 for size in shape[1:-1]] for shape in shapes)  # 0 for what is open
    if set(sizes) == {1} or 0 in given:
        return None
    lacking = [missing(*part) for part in zip(given, made, sizes, layer.strides, layer.dilation_rate, strict=True)]
    if min(lacking) >= 0:
        return None
    config = {name: value for name, value in layer.get_config().items() if name != "name"}
    chain = [NewLayer(type(layer), config | {"padding": "valid"}, layer.get_weights())]
    if max(lacking) > 0:
        padded = [max(count, 0) for count in lacking]
        around = [(count // 2, count - count // 2) for count in padded]
        padding = {"padding": tuple(around) if len(around) > 1 else around[0], "dtype": config["dtype"]}
        chain.insert(0, NewLayer(PADDINGS[type(layer)], padding | {"data_format": "channels_last"}))
    return chain
