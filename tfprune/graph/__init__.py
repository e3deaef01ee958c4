"""The channel graph: a model as operations, and what of it lives and dies together."""

from tfprune.graph.blocks import Block
from tfprune.graph.cut import Cut
from tfprune.graph.graph import Graph, trace
from tfprune.graph.groups import ChannelGroup, Slice
from tfprune.graph.node import Node, Tensor
from tfprune.graph.rules import Rule, register_rule
from tfprune.graph.walk import Flow, Term, Walk

__all__ = [
    "Block",
    "ChannelGroup",
    "Cut",
    "Flow",
    "Graph",
    "Node",
    "Rule",
    "Slice",
    "Tensor",
    "Term",
    "Walk",
    "register_rule",
    "trace",
]
