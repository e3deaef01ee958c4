"""The linear layers of a graph: where they are called, what holds their bias, and what is added to what they make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from keras import layers, tree

from tfprune.graph import Graph
from tfprune.graph.kinds import IDLE
from tfprune.graph.node import Node, Tensor
from tfprune.refit.activations import Bounds, bounds_of, bounds_of_function
from tfprune.refit.forms import Array, Form, find_form, form_of

__all__ = ["Site", "find_sites"]

ATTENTION = tuple(
    getattr(layers, name) for name in ("MultiHeadAttention", "GroupQueryAttention") if hasattr(layers, name)
)

PROJECTIONS = ("_query_dense", "_key_dense", "_value_dense", "_output_dense")


@dataclass(frozen=True)
class Site:
    """A call of a linear layer.

    Args:
        node: The call.
        part: The attribute of the called layer that has the linear layer, as a composite layer has several; else None.
        position: Its number in the graph.
        norm: The batch normalisation that alone reads the result, and can take up a bias; None if there is none.
        total: The sum that the result goes into after nothing but a scale and a shift for each channel; else None.
        entering: The tensor that enters the sum; else the result.
        others: The other tensors of that sum.
        alone: Whether the layer is called nowhere else.
        bounds: Where the activation cuts off that alone reads `entering`, or the sum, or is part of the layer; else
            None.
    """

    node: Node = field(repr=False)
    part: str | None
    position: int
    norm: Node | None = field(repr=False)
    total: Node | None = field(repr=False)
    entering: Tensor = field(repr=False)
    others: tuple[Tensor, ...] = field(repr=False)
    alone: bool
    bounds: Bounds | None = None

    @property
    def name(self) -> str:
        """Path of the layer."""
        return self.node.path if self.part is None else f"{self.node.path}/{self.part.lstrip('_')}"

    @property
    def layer(self) -> Any:
        """The linear layer, in the graph's model."""
        return self.node.operation if self.part is None else getattr(self.node.operation, self.part)

    @property
    def form(self) -> Form:
        """Its linear form."""
        return form_of(self.layer)

    def by_sample(self, x: Array) -> Array:
        """Return a tensor as the layer sees it: of a `TimeDistributed` each step is a sample."""
        return x.reshape(-1, *x.shape[2:]) if self.part == "layer" else x

    @property
    def result(self) -> Tensor:
        """What it makes."""
        return self.node.results[0]


def find_sites(graph: Graph) -> list[Site]:
    """Return the calls of linear layers of a graph, in order."""
    nodes = graph.nodes
    readers: dict[int, list[int]] = defaultdict(list)
    for number, node in enumerate(nodes):
        for tensor in node.inputs:
            readers[tensor.index].append(number)
    outputs = {tensor.index for tensor in tree.flatten(graph.trace.outputs)}
    times: dict[int, int] = defaultdict(int)
    for node in nodes:
        times[id(node.operation)] += 1
    sites = []
    for position, node in enumerate(nodes):
        for part in parts_of(node):
            norm, total, entering, others = follow(nodes, readers, outputs, node, part, times)
            alone = times[id(node.operation)] == 1
            bounds = bounds_after(nodes, readers, outputs, node, part, total.results[0] if total else entering)
            sites.append(Site(node, part, position, norm, total, entering, others, alone, bounds))
    return sites


def parts_of(node: Node) -> list[str | None]:
    """Return the attributes of a called layer that have linear layers, in the order in which they run."""
    operation: Any = node.operation
    if node.opaque:
        return []
    if isinstance(operation, ATTENTION):
        return [name for name in PROJECTIONS if find_form(getattr(operation, name)) is not None]
    if isinstance(operation, layers.TimeDistributed):
        return ["layer"] if find_form(operation.layer) is not None else []
    return [None] if find_form(operation) is not None and len(node.inputs) == 1 else []


def follow(
    nodes: Sequence[Node],
    readers: dict[int, list[int]],
    outputs: set[int],
    node: Node,
    part: str | None,
    times: dict[int, int],
) -> tuple[Node | None, Node | None, Tensor, tuple[Tensor, ...]]:
    """Return the normalisation and the sum that a layer's result goes into, as what, and what else is added."""
    norm: Node | None = None
    tensor = node.results[0]
    last = node.operation if part is None else getattr(node.operation, part)
    made = part in (None, "layer", "_output_dense") and len(node.results) == 1
    if not made or getattr(getattr(last, "activation", None), "__name__", "linear") != "linear":
        return None, None, tensor, ()
    first = True
    while len(readers[tensor.index]) == 1 and tensor.index not in outputs:
        reader: Any = nodes[readers[tensor.index][0]]
        if reader.kind == "Add" and all(x.shape == tensor.shape for x in reader.inputs):
            others = tuple(x for x in reader.inputs if x.index != tensor.index)
            return norm, (reader if others else None), tensor, others
        if isinstance(reader.operation, layers.BatchNormalization) and not reader.opaque:
            fits = first and times[id(reader.operation)] == 1 and along_channels(reader.operation, last, tensor)
            norm = reader if fits else norm
        elif not isinstance(reader.operation, IDLE) and type(reader.operation).__name__ != "LayerScale":
            break
        first = False
        tensor = reader.results[0]
    return norm, None, tensor, ()


def bounds_after(
    nodes: Sequence[Node],
    readers: dict[int, list[int]],
    outputs: set[int],
    node: Node,
    part: str | None,
    tensor: Tensor,
) -> Bounds | None:
    """Return where the activation cuts off that a layer has, or that alone reads the tensor that it leads to."""
    if part not in (None, "layer", "_output_dense") or len(node.results) != 1:
        return None
    last: Any = node.operation if part is None else getattr(node.operation, part)
    own = getattr(last, "activation", None)
    if getattr(own, "__name__", "linear") != "linear":
        return bounds_of_function(own)
    found = {bounds_of(nodes[reader]) for reader in readers[tensor.index]}
    return found.pop() if len(found) == 1 and tensor.index not in outputs else None


def along_channels(norm: Any, layer: Any, tensor: Tensor) -> bool:
    """Whether a normalisation has its statistics along the axis of a layer's outputs."""
    layer = getattr(layer, "layer", layer)
    first = getattr(layer, "data_format", None) == "channels_first"
    axis = norm.axis[0] if isinstance(norm.axis, list | tuple) else norm.axis
    return bool(axis % tensor.rank == (1 if first else tensor.rank - 1))
