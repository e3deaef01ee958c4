"""Convolutions that step over inputs, written so that older runtimes compute them right."""

from __future__ import annotations

import math
from typing import Any

import keras

from tfprune.graph.node import Node
from tfprune.linting.pieces import NewLayer

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
    sizes, given = layer.kernel_size, [size for size in node.inputs[0].shape[1:-1] if size is not None]
    if set(sizes) == {1} or len(given) < len(sizes):
        return None
    missing = []
    for inputs, size, step, apart in zip(given, sizes, layer.strides, layer.dilation_rate, strict=True):
        last = (math.ceil(inputs / step) - 1) * step
        missing.append(last + (size - 1) * apart + 1 - inputs)
    if min(missing) >= 0:
        return None
    config = {name: value for name, value in layer.get_config().items() if name != "name"}
    chain = [NewLayer(type(layer), config | {"padding": "valid"}, layer.get_weights())]
    if max(missing) > 0:
        around = [(max(count, 0) // 2, max(count, 0) - max(count, 0) // 2) for count in missing]
        padding = {"padding": tuple(around) if len(around) > 1 else around[0], "dtype": config["dtype"]}
        chain.insert(0, NewLayer(PADDINGS[type(layer)], padding | {"data_format": "channels_last"}))
    return chain
