"""One walk over a trace: every node's rule moves the labels on."""

from __future__ import annotations

from keras import tree

from tfprune.graph.node import Node
from tfprune.graph.rules import find_rule
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
    rule = find_rule(node.operation)
    if rule is None:
        raise RuntimeError(f"{node.path} has neither a rule nor a reason for having none")
    flows = rule.propagate(node, walk)
    return flows if isinstance(flows, list) else [flows]


def hold(node: Node, walk: Walk) -> list[Flow]:
    """Fix all that an opaque node sees; what it makes keeps its size."""
    for tensor in node.inputs:
        walk.fix(walk.flows[tensor.index].axes, f"{node.path} is opaque: {node.opaque}")
    return [Flow((None,) * tensor.rank, False, f"{node.path} is opaque") for tensor in node.results]
