"""One walk over a trace: every node's rule moves the labels on."""

from __future__ import annotations

import keras
from keras import tree

from tfprune.graph.node import Node, Tensor
from tfprune.graph.trace import Trace
from tfprune.graph.walk import Flow, Walk

__all__ = ["propagate"]


def propagate(trace: Trace) -> Walk:
    """Return the labels of all tensors and variables of a trace.

    The model's inputs and outputs keep their shape, and so does whatever an opaque node sees.
    """
    walk = Walk()
    for tensor in tree.flatten(trace.inputs):
        walk.flows[tensor.index] = Flow((None,) * tensor.rank, True, "the network's input")
    for position, node in enumerate(trace.nodes):
        walk.node, walk.position = node, position
        flows = hold(node, walk) if node.opaque else apply(node, walk)
        walk.flows.update({tensor.index: flow for tensor, flow in zip(node.results, flows, strict=True)})
    for tensor in tree.flatten(trace.outputs):
        walk.fix(walk.flows[tensor.index].axes, "the network's output")
    return walk


def apply(node: Node, walk: Walk) -> list[Flow]:
    """Return the labels that a node's rule gives to its results."""
    if node.rule is None:
        raise RuntimeError(f"{node.path} has neither a rule nor a reason for having none")
    for name, value in node.kwargs.items():
        if "mask" in name and isinstance(value, Tensor):
            walk.fix(walk.flows[value.index].axes, f"{node.path} takes them for a mask")
    flows: Flow | list[Flow] = node.rule.propagate(node, walk)
    for variable in given_variables(node):
        if id(variable) not in walk.sites:
            keep(variable, walk, f"{node.path} has no slice of {variable.path}")
    return flows if isinstance(flows, list) else [flows]


def hold(node: Node, walk: Walk) -> list[Flow]:
    """Fix all that an opaque node sees; what it makes keeps its size."""
    for tensor in node.inputs:
        walk.fix(walk.flows[tensor.index].axes, f"{node.path} is opaque: {node.opaque}")
    for variable in variables_of(node):
        keep(variable, walk, f"{node.path} is opaque: {node.opaque}")
    return [Flow((None,) * tensor.rank, False, f"{node.path} is opaque") for tensor in node.results]


def variables_of(node: Node) -> list[keras.Variable]:
    """Return the weights that a node uses: its arguments and those of its layer."""
    return [*given_variables(node), *(node.operation.weights if isinstance(node.operation, keras.Layer) else [])]


def given_variables(node: Node) -> list[keras.Variable]:
    """Return the weights among a node's arguments."""
    return [x for x in tree.flatten((node.args, dict(node.kwargs))) if isinstance(x, keras.Variable)]


def keep(variable: keras.Variable, walk: Walk, why: str) -> None:
    """Fix all axes of a variable."""
    for axis in range(len(variable.shape)):
        walk.bind(variable, axis, None, why)
