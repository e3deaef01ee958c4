"""Layers written otherwise, so that runtimes skip zeros and older ones do not err; the model computes what it did."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tfprune.graph import trace
from tfprune.graph.graph import Graph
from tfprune.graph.node import Node
from tfprune.linting.pieces import NewLayer
from tfprune.linting.steps import explicit_padding
from tfprune.surgery.compiled import carry_compilation
from tfprune.surgery.rebuild import Rebuilt

__all__ = ["rewrite"]

layers = keras.layers
Chain = list[NewLayer]

PLAIN = (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.Dropout)
"""Layers that treat every value alike, whatever the shape."""


def rewrite(model: Any) -> tuple[Any, tuple[str, ...]]:
    """Return a model that computes the same, with what can be written for the sparse kernels written so.

    - A 1 × 1 convolution behind a global pooling, whose result is not multiplied back, becomes a Dense layer.
    - `Flatten` of one position, and an average pooling over all positions, become global average poolings.
    - A first convolution of a grey image reads three copies of it.
    - Squeeze-and-excitation by Dense layers and `Reshape` is written with 1 × 1 convolutions.
    - A convolution padded with "same" that steps over its last inputs, which older runtimes compute wrong, gets the
      padding "valid".

    Args:
        model: A built Keras model of any kind; it is only read.

    Returns:
        The model, a plain functional one if anything changed, else the given one; and what changed, in words.
    """
    graph = trace(model)
    chains: dict[int, Chain] = {}
    told: list[str] = []
    for change in (excitations, heads, poolings, grey, steps):
        for node, chain, words in change(graph):
            if id(node.operation) not in chains:
                chains[id(node.operation)] = chain
                told.append(f"{node.operation.name}: {words}")
    if not chains:
        return model, ()
    made = Rebuilt(graph, graph.cut([]), chains=chains).model()
    carry_compilation(model, made)
    return made, tuple(told)


Change = list[tuple[Node, Chain, str]]


def heads(graph: Graph) -> Change:
    """Return the 1 × 1 convolutions on one position that lead on to the outputs only."""
    found = []
    for node in graph.nodes:
        layer: Any = node.operation
        if not pointwise(node) or not one_position(node) or returns_to_images(graph, node):
            continue
        config = kept(layer, "activation", "use_bias", *REGULARISED) | {"units": layer.filters}
        weights = [value.reshape(value.shape[-2:]) if value.ndim == 4 else value for value in layer.get_weights()]
        found.append((node, [NewLayer(layers.Dense, config, weights)], "a Dense layer instead of a 1 × 1 convolution"))
    return found


def poolings(graph: Graph) -> Change:
    """Return what gives or reads one position and is no global average pooling."""
    found: Change = []
    for node in graph.nodes:
        layer: Any = node.operation
        if isinstance(layer, layers.Flatten) and one_position(node) and not pooled(graph, node):
            chain = [NewLayer(layers.GlobalAveragePooling2D, kept(layer))]
            found.append((node, chain, "a global average pooling of one position instead of Flatten"))
        if isinstance(layer, layers.AveragePooling2D) and channels_last(layer):
            shape = node.inputs[0].shape
            if tuple(layer.pool_size) == tuple(shape[1:3]) and node.results[0].shape[1:3] == (1, 1):
                chain = [NewLayer(layers.GlobalAveragePooling2D, kept(layer) | {"keepdims": True})]
                found.append((node, chain, "a global average pooling instead of one of that size"))
    return found


def grey(graph: Graph) -> Change:
    """Return the first convolutions of grey images, and the paddings before them."""
    found: Change = []
    makers = {result.index: node for node in graph.nodes for result in node.results}
    readers = reads(graph)
    for node in graph.nodes:
        layer: Any = node.operation
        if type(layer) is not layers.Conv2D or not channels_last(layer) or node.inputs[0].shape[-1] != 1:
            continue
        if layer.kernel_size != (3, 3) or layer.strides != (2, 2):
            continue
        kernel, *rest = layer.get_weights()
        same = {name: value for name, value in layer.get_config().items() if name != "name"}
        copies = NewLayer(layers.Concatenate, {"dtype": same["dtype"]}, copies=3)
        chain = [NewLayer(layers.Conv2D, same, [np.pad(kernel, [(0, 0), (0, 0), (0, 2), (0, 0)]), *rest])]
        before = makers.get(node.inputs[0].index)
        words = "reads three copies of the grey image"
        if before is not None and isinstance(before.operation, layers.ZeroPadding2D):
            if readers[node.inputs[0].index] != 1:
                continue
            padding: Any = before.operation
            pad = {name: value for name, value in padding.get_config().items() if name != "name"}
            found.append((before, [copies, NewLayer(layers.ZeroPadding2D, pad)], words))
            found.append((node, chain, "has a kernel for three channels, two of them zero"))
        else:
            found.append((node, [copies, *chain], words))
    return found


def excitations(graph: Graph) -> Change:
    """Return the layers of squeeze-and-excitation blocks that lose and regain their positions."""
    found: Change = []
    makers = {result.index: node for node in graph.nodes for result in node.results}
    readers = reads(graph)
    for node in graph.nodes:
        if not is_reshape_to_one(node):
            continue
        between: list[Node] = []
        at = makers.get(node.inputs[0].index)
        while at is not None and isinstance(at.operation, (layers.Dense, *PLAIN)) and at.inputs:
            between.append(at)
            at = makers.get(at.inputs[0].index)
        if at is None or not isinstance(at.operation, layers.GlobalAveragePooling2D) or at.operation.keepdims:
            continue
        chain = [at, *between]
        if not channels_last(at.operation) or any(readers.get(one.results[0].index, 0) != 1 for one in chain):
            continue
        pool = NewLayer(layers.GlobalAveragePooling2D, kept(at.operation) | {"keepdims": True})
        found.append((at, [pool], "keeps its dimensions"))
        for dense in (one for one in between if isinstance(one.operation, layers.Dense)):
            layer: Any = dense.operation
            config = kept(layer, "activation", "use_bias", *REGULARISED) | {"filters": layer.units, "kernel_size": 1}
            weights = [value[None, None] if value.ndim == 2 else value for value in layer.get_weights()]
            words = "a 1 × 1 convolution instead of a Dense layer"
            found.append((dense, [NewLayer(layers.Conv2D, config, weights)], words))
        linear = NewLayer(layers.Activation, kept(node.operation) | {"activation": "linear"})
        found.append((node, [linear], "nothing is left to reshape"))
    return found


def steps(graph: Graph) -> Change:
    """Return the convolutions that step over their last inputs."""
    chains = ((node, explicit_padding(node)) for node in graph.nodes)
    return [(node, chain, "padding='valid' instead of 'same'") for node, chain in chains if chain]


REGULARISED = ("kernel_regularizer", "bias_regularizer", "kernel_initializer", "bias_initializer")


def kept(layer: Any, *names: str) -> dict[str, Any]:
    """Return what of a layer's config another layer takes over."""
    config = layer.get_config()
    return {name: config[name] for name in ("dtype", "trainable", *names) if name in config}


def channels_last(layer: Any) -> bool:
    """Whether a layer has channels last."""
    return bool(getattr(layer, "data_format", "channels_last") == "channels_last")


def pointwise(node: Node) -> bool:
    """Whether a node is a plain 1 × 1 convolution."""
    layer: Any = node.operation
    if type(layer) is not layers.Conv2D or not channels_last(layer):
        return False
    return bool(layer.kernel_size == (1, 1) and layer.groups == 1)


def one_position(node: Node) -> bool:
    """Whether a node reads images of one position."""
    shape = node.inputs[0].shape if node.inputs else ()
    return len(shape) == 4 and shape[1:3] == (1, 1) and channels_last(node.operation)


def is_reshape_to_one(node: Node) -> bool:
    """Whether a node turns (batch, channels) into (batch, 1, 1, channels)."""
    if not isinstance(node.operation, layers.Reshape):
        return False
    old, new = node.inputs[0].shape, node.results[0].shape
    return len(old) == 2 and len(new) == 4 and new[1:3] == (1, 1) and new[3] == old[1]


def reads(graph: Graph) -> dict[int, int]:
    """Return how often each tensor is read."""
    found: dict[int, int] = {}
    for node in graph.nodes:
        for tensor in node.inputs:
            found[tensor.index] = found.get(tensor.index, 0) + 1
    for tensor in keras.tree.flatten(graph.trace.outputs):
        found[tensor.index] = found.get(tensor.index, 0) + 1
    return found


def pooled(graph: Graph, node: Node) -> bool:
    """Whether what a node reads comes from a global average pooling, by way of layers that treat every value alike."""
    makers = {result.index: other for other in graph.nodes for result in other.results}
    at = makers.get(node.inputs[0].index)
    while at is not None and isinstance(at.operation, PLAIN):
        at = makers.get(at.inputs[0].index)
    return at is not None and isinstance(at.operation, layers.GlobalAveragePooling2D)


def returns_to_images(graph: Graph, node: Node) -> bool:
    """Whether what a node makes meets images of several positions again."""
    reached = {result.index for result in node.results}
    for other in graph.nodes:
        if reached & {tensor.index for tensor in other.inputs}:
            if any(len(x.shape) == 4 and x.shape[1:3] != (1, 1) for x in other.results):
                return True
            reached |= {result.index for result in other.results}
    return False
