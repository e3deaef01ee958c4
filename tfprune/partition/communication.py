"""What branches of a network do by themselves, and what they exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import layers

from tfprune.graph import Graph
from tfprune.partition.chain import Chain
from tfprune.partition.stage_model import handed_over
from tfprune.partition.width import Split

__all__ = ["Section", "communication"]

LOCAL = {
    "BatchNormalization", "ReLU", "LeakyReLU", "ELU", "Relu", "Relu6", "Sigmoid", "HardSigmoid", "Silu", "Gelu",
    "HardSilu", "Tanh", "Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "ZeroPadding1D",
    "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling1D", "UpSampling2D", "MaxPooling1D", "MaxPooling2D",
    "AveragePooling1D", "AveragePooling2D", "DepthwiseConv1D", "DepthwiseConv2D", "Add", "Subtract", "Multiply",
    "Maximum", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
}  # fmt: skip
"""What computes each channel from that channel alone."""


@dataclass(frozen=True)
class Section:
    """Operations in a row that all branches do by themselves.

    Args:
        nodes: Their numbers in the graph.
        first: Path of the first.
        last: Path of the last.
        inputs: Names of the tensors that come from outside.
        outputs: Names of those that are read outside.
    """

    nodes: tuple[int, ...] = field(repr=False)
    first: str
    last: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def communication(
    graph: Graph, splits: Sequence[Split], place: Mapping[int, int], groups: int
) -> tuple[tuple[Section, ...], int, int]:
    """Return what branches do by themselves, and the bytes between devices with branches and with whole layers."""
    chain, split = Chain(graph), {id(one.layer) for one in splits}
    roots = {int(graph.roots(np.array([label]))[0]) for label in place}

    def in_branches(index: int) -> bool:
        axes = graph.walk.flows[index].axes if index in graph.walk.flows else ()
        labels = axes[-1] if axes else None
        return labels is not None and all(int(label) in roots for label in graph.roots(np.asarray(labels).reshape(-1)))

    def local(number: int) -> bool:
        node = graph.nodes[number]
        own = id(node.operation) in split or node.kind in LOCAL or is_simple(node)
        tensors = [*chain.reads(number), *node.results]
        return own and not node.opaque and all(in_branches(x.index) for x in tensors)

    alone = {number for number in chain.order if not chain.static[number] and local(number)}
    runs: list[list[int]] = []
    for position, number in enumerate(chain.order):
        if number in alone:
            if position and chain.order[position - 1] in alone:
                runs[-1].append(number)
            else:
                runs.append([number])
    runs = [run for run in runs if any(id(graph.nodes[number].operation) in split for number in run)]
    sections, exchanged = [], 0.0
    for run in runs:
        inputs, outputs = handed_over(chain, run)
        exchanged += sum(x.size for x in (*inputs, *outputs)) * (groups - 1) / groups
        first, last = graph.nodes[run[0]].path, graph.nodes[run[-1]].path
        sections.append(
            Section(tuple(run), first, last, tuple(x.name for x in inputs), tuple(x.name for x in outputs))
        )  # fmt: skip
    dense = sum(chain.flowing[one.node.inputs[0].index].size * (groups - 1) for one in splits)
    return tuple(sections), round(exchanged), dense


def is_simple(node: Any) -> bool:
    """Whether a node is an activation that computes each value from that value alone."""
    operation = node.operation
    return isinstance(operation, layers.Activation) and operation.get_config()["activation"] not in (
        "softmax",
        "log_softmax",
    )
