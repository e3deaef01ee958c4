"""Residual blocks: branches that are added to what they begin with, and can be left out whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers, tree

from tfprune.graph.node import Node, Tensor
from tfprune.graph.rules.elementwise import KeepRule
from tfprune.graph.trace import Trace

__all__ = ["Block", "find_blocks"]


@dataclass(frozen=True)
class Block:
    """A branch that is added to what it begins with.

    Args:
        name: Path of the layer or operation that adds.
        position: Number of the node that adds.
        shortcut: What is left when the branch goes.
        nodes: Numbers of the nodes that go with the branch.
        closers: Variables that make the branch zero when they are: of the last layer in it with any. None if that layer
            has no such variables.

    Example:
        >>> x = image = keras.Input((8, 8, 4))
        >>> x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)
        >>> model = keras.Model(image, keras.layers.Add(name="add")([image, x]))
        >>> graph = tfprune.graph.trace(model)
        >>> [block] = graph.blocks
        >>> block.name, [graph.nodes[number].path for number in block.nodes], [one.name for one in block.closers]
        ('add', ['conv'], ['kernel', 'bias'])
    """

    name: str
    position: int
    shortcut: Tensor = field(repr=False)
    nodes: tuple[int, ...] = field(repr=False)
    closers: tuple[keras.Variable, ...] | None = field(repr=False)


def find_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return the residual blocks of a model, in order.

    A branch counts if all of it begins in the shortcut, nothing outside reads what it makes, and its result has the
    shortcut's shape. A block with a projection in its shortcut is none: without it sizes would not fit.
    """
    makers = {tensor.index: number for number, node in enumerate(trace.nodes) for tensor in node.results}
    readers: dict[int, set[int]] = defaultdict(set)
    for number, node in enumerate(trace.nodes):
        for tensor in node.inputs:
            readers[tensor.index].add(number)
    outputs = {tensor.index for tensor in tree.flatten(trace.outputs)}
    blocks = []
    for position, node in enumerate(trace.nodes):
        if node.kind != "Add" or len(node.inputs) != 2 or node.inputs[0].shape != node.inputs[1].shape:
            continue
        for shortcut, end in (node.inputs, node.inputs[::-1]):
            branch = between(trace.nodes, makers, shortcut, end)
            if branch is None or not branch:
                continue
            made = {tensor.index for number in branch for tensor in trace.nodes[number].results}
            inside = branch | {position}
            if made & outputs or any(readers[index] - inside for index in made):
                continue
            closers = find_closers(trace.nodes, makers, end)
            blocks.append(Block(node.path, position, shortcut, tuple(sorted(branch)), closers))
            break
    return tuple(blocks)


def between(nodes: Sequence[Node], makers: dict[int, int], begin: Tensor, end: Tensor) -> set[int] | None:
    """Return the numbers of the nodes on the ways from one tensor to another; None if some way begins elsewhere."""
    found: set[int] = set()
    stack = [end]
    while stack:
        tensor = stack.pop()
        if tensor.index == begin.index:
            continue
        if tensor.index not in makers:
            return None
        number = makers[tensor.index]
        if number not in found:
            found.add(number)
            if not nodes[number].inputs:
                return None
            stack.extend(nodes[number].inputs)
    return found


def find_closers(nodes: Sequence[Node], makers: dict[int, int], end: Tensor) -> tuple[keras.Variable, ...] | None:
    """Return the variables of the last layer of a branch that make it zero."""
    while end.index in makers:
        node = nodes[makers[end.index]]
        layer: Any = node.operation
        if node.opaque:
            return None
        if isinstance(layer, layers.BatchNormalization | layers.LayerNormalization) and layer.gamma is not None:
            return tuple(v for v in (layer.gamma, layer.beta) if v is not None)
        layer = getattr(layer, "_output_dense", layer)
        if type(layer).__name__ == "LayerScale":
            return (layer.gamma,)
        kernel = getattr(layer, "pointwise_kernel", None)
        kernel = getattr(layer, "kernel", None) if kernel is None else kernel
        if kernel is not None and getattr(layer, "activation", None) in (None, keras.activations.linear):
            return tuple(v for v in (kernel, getattr(layer, "bias", None)) if v is not None)
        if len(node.inputs) != 1 or not (isinstance(node.rule, KeepRule) or is_linear(node)):
            return None
        end = node.inputs[0]
    return None


def is_linear(node: Node) -> bool:
    """Whether an operation only scales its tensor: a linear activation, or a product with a constant."""
    activation = getattr(node.operation, "activation", None)
    if isinstance(node.operation, layers.Activation):
        return activation in (None, keras.activations.linear)
    return node.kind == "Multiply"
