"""A traced network as operations in a row, with what has to be sent where the row is cut."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.graph import Graph, Node, Tensor
from tfprune.graph.weight import ForEachSample, ReadWeight
from tfprune.inputs.signature import unique_names
from tfprune.latency.parts import FREE

__all__ = ["Chain", "Flowing", "cut_points", "lasting_path"]

MOVES_NOTHING = {"Flatten", "Reshape", "ReadWeight", "ForEachSample", "Constant", "ExpandDims", "Squeeze"}
"""What takes no time, but is not fused."""

FLOAT = 4
"""Bytes of a float: stages are exported as float32, whatever the model computes in."""


@dataclass(frozen=True)
class Flowing:
    """A tensor that depends on the inputs, and so has to be sent to whoever reads it.

    Args:
        tensor: The tensor.
        name: Its name, which no other tensor of the network has.
        size: Its bytes for one sample.
        made: The position of the operation that makes it; −1 for an input of the network.
        last: The position of the last operation that reads it; −1 if none does.
        output: Whether it is an output of the network.
        whole: Whether it is ever sent: its first axis is the batch, Keras passes no mask with it, and what reads it is
            nothing that the converter fuses into what makes it, as a batch normalisation.
    """

    tensor: Tensor
    name: str
    size: int
    made: int
    last: int
    output: bool
    whole: bool


class Chain:
    """The operations of a network in an order in which they can run.

    A cut at position p has the first p operations before it and the others behind it; what crosses it are all tensors
    that are made before and read behind. Operations on weights alone (`static`) are done anew by every stage that needs
    what they make, so that this is never sent. What the converter fuses into the operation before it, such as a batch
    normalisation or a ReLU that alone reads what a convolution makes, stays with it.

    Args:
        graph: The network.
        order: The numbers of its nodes, in the order in which they run; by default that of the graph, with what is
            fused moved to what it is fused into.

    Attributes:
        order: The numbers of the nodes.
        static: For each node of the graph whether it depends on weights alone.
        flowing: What depends on the inputs, by the index of the tensor.

    Raises:
        InputError: If a tensor has an open size besides the batch.

    Example:
        >>> layers = [keras.layers.Dense(8, name="a"), keras.layers.Dense(4, name="b"), keras.layers.Dense(2)]
        >>> chain = Chain(tfprune.graph.trace(keras.Sequential([keras.Input((16,)), *layers])))
        >>> chain.cuts.tolist(), [chain.node(position).path for position in range(2)]
        ([0, 1, 2, 3], ['a', 'b'])
        >>> chain.bytes[chain.cuts].tolist()  # that cross each cut
        [64.0, 32.0, 16.0, 0.0]
    """

    def __init__(self, graph: Graph, order: Sequence[int] | None = None) -> None:
        self.graph = graph
        self.inputs = [x for x in tree.flatten(graph.trace.inputs) if isinstance(x, Tensor)]
        self.outputs = [x for x in tree.flatten(graph.trace.outputs) if isinstance(x, Tensor)]
        self.static, self._ancestors = find_static(graph, self.inputs, self.outputs)
        self._constant = {x.index for n, node in enumerate(graph.nodes) if self.static[n] for x in node.results}
        self._fused = find_fused(graph, self.static, self.outputs)
        self.order = tuple(fused_order(len(graph.nodes), self._fused) if order is None else order)
        self.flowing = self._flow()

    def __len__(self) -> int:
        return len(self.order)

    def node(self, position: int) -> Node:
        """Return the operation at a position."""
        return self.graph.nodes[self.order[position]]

    @cached_property
    def cuts(self) -> NDArray[np.int64]:
        """The positions where the row can be cut, rising; with 0, where nothing is before, and the last.

        Behind each but 0 is an operation on what depends on the inputs, so that no stage is without one. Left out are
        those where a tensor would have to be sent that carries a mask, or whose first axis is not the batch.
        """
        moving = np.array([not self.static[number] for number in self.order], dtype=bool)
        bad = self._spread([(x, 1.0) for x in self.flowing.values() if not x.whole]) > 0
        good = np.flatnonzero(moving) + 1
        good = good[~bad[good]]
        end = len(self)
        last = int(np.flatnonzero(moving)[-1]) + 1 if moving.any() else end
        return np.array([0, *(int(p) for p in good if p < last), end], dtype=np.int64)

    @cached_property
    def bytes(self) -> NDArray[np.float64]:
        """The bytes that cross a cut at each position, for one sample, float (operations + 1,)."""
        return self._spread([(x, float(x.size)) for x in self.flowing.values()])

    def boundary(self, position: int) -> list[Flowing]:
        """Return the tensors that cross a cut, in the order in which they are made."""
        found = [x for x in self.flowing.values() if x.made < position <= x.last]
        return sorted(found, key=lambda x: (x.made, x.tensor.index))

    def reads(self, number: int) -> list[Tensor]:
        """Return the tensors that depend on the inputs among what a node of the graph reads."""
        return [x for x in read_by(self.graph.nodes[number]) if x.index not in self._constant]

    def helpers(self, number: int) -> list[int]:
        """Return the nodes on weights alone that a node of the graph needs, in order."""
        return sorted(self._ancestors[number])

    def variables(self, number: int) -> list[keras.Variable]:
        """Return the weights that a node of the graph needs, with those of its helpers."""
        found: dict[int, Any] = {}
        for one in (number, *self._ancestors[number]):
            operation = self.graph.nodes[one].operation
            held = self.graph.nodes[one].args[:1] if isinstance(operation, ReadWeight) else ()
            weights = operation.weights if isinstance(operation, keras.Layer) else held
            found.update((id(weight), weight) for weight in weights)
        return list(found.values())

    def _flow(self) -> dict[int, Flowing]:
        place = {number: position for position, number in enumerate(self.order)}
        made = {x.index: (x, -1, self.graph.trace.names.get(x.index, "input")) for x in self.inputs}
        last: dict[int, int] = {}
        for number, node in enumerate(self.graph.nodes):
            if self.static[number]:
                continue
            for n, x in enumerate(node.results):
                path = lasting_path(node) + ("" if len(node.results) == 1 else f"_{n}")
                made.setdefault(x.index, (x, place[number], path))
            for x in read_by(node):
                last[x.index] = max(last.get(x.index, -1), place[number])
        multiples = multiples_of_batch(self.graph, self.inputs, self.static)
        masked: set[int] = getattr(self.graph.trace, "_masked", set())
        outputs = {x.index for x in self.outputs}
        fused = {self.reads(number)[0].index for number in self._fused}
        names = unique_names([path for *_, path in made.values()])
        batch = self.inputs[0].shape[:1] if self.inputs else ()
        found = {}
        for name, (index, (tensor, at, _)) in zip(names, made.items(), strict=True):
            whole = tensor.shape[:1] == batch and multiples.get(index, 1) == 1
            whole = whole and index not in masked and index not in fused
            found[index] = Flowing(
                tensor, name, size_of(tensor, name), at, last.get(index, -1), index in outputs, whole
            )
        return found

    def _spread(self, values: Sequence[tuple[Flowing, float]]) -> NDArray[np.float64]:
        """Return for each position the sum of what belongs to the tensors that cross it."""
        steps = np.zeros(len(self) + 2)
        for tensor, value in values:
            if tensor.last > tensor.made:
                steps[tensor.made + 1] += value
                steps[tensor.last + 1] -= value
        return np.cumsum(steps)[:-1]


def cut_points(graph: Graph) -> list[tuple[int, list[Flowing]]]:
    """Return the positions where a network can be cut in two, with the tensors that cross each.

    Args:
        graph: The network.

    Example:
        >>> layers = [keras.layers.Dense(8, name="a"), keras.layers.Dense(4, name="b"), keras.layers.Dense(2)]
        >>> model = keras.Sequential([keras.Input((16,)), *layers])
        >>> [(at, [(x.name, x.size) for x in crossing]) for at, crossing in cut_points(tfprune.graph.trace(model))]
        [(1, [('a', 32)]), (2, [('b', 16)])]
    """
    chain = Chain(graph)
    return [(int(p), chain.boundary(int(p))) for p in chain.cuts[1:-1]]


def lasting_path(node: Node) -> str:
    """Return the path of a node, the same whenever the model is traced: Keras numbers what is no layer as it comes."""
    if isinstance(node.operation, keras.Layer):
        return node.path
    return f"{node.path.rpartition('/')[0]}/{node.kind.lower()}".lstrip("/")


def read_by(node: Node) -> list[Tensor]:
    """Return the tensors that a node reads; of what repeats something for each sample, only that."""
    if isinstance(node.operation, ForEachSample):
        return [x for x in node.args[:1] if isinstance(x, Tensor)]
    return node.inputs


def find_static(graph: Graph, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> tuple[list[bool], list[set[int]]]:
    """Return for each node whether it depends on weights alone and makes no output, and which such nodes it needs."""
    given, wanted = ({x.index for x in tensors} for tensors in (inputs, outputs))
    makers: dict[int, int] = {}
    static: list[bool] = []
    ancestors: list[set[int]] = []
    for number, node in enumerate(graph.nodes):
        needed = [makers.get(x.index) for x in read_by(node)]
        own: set[int] = set()
        for maker in needed:
            if maker is not None and static[maker]:
                own |= {maker} | ancestors[maker]
        moving = any(x.index in given for x in read_by(node))
        moving = moving or any(maker is not None and not static[maker] for maker in needed)
        moving = moving or any(x.index in wanted for x in node.results)
        static.append(not moving)
        ancestors.append(own)
        makers.update({x.index: number for x in node.results})
    return static, ancestors


def find_fused(graph: Graph, static: Sequence[bool], outputs: Sequence[Tensor]) -> dict[int, int]:
    """Return the nodes that the converter fuses into another one or leaves out, with that other one."""
    makers: dict[int, int] = {}
    readers: dict[int, int] = {x.index: 2 for x in outputs}
    for number, node in enumerate(graph.nodes):
        if not static[number]:
            makers.update((x.index, number) for x in node.results)
            for index in {x.index for x in read_by(node)}:
                readers[index] = readers.get(index, 0) + 1
    found = {}
    for number, node in enumerate(graph.nodes):
        moving = [x.index for x in read_by(node) if x.index in makers]
        free = node.kind in FREE - MOVES_NOTHING or isinstance(node.operation, keras.layers.BatchNormalization)
        if free and not node.opaque and not static[number] and len(moving) == 1 and readers[moving[0]] == 1:
            found[number] = makers[moving[0]]
    return found


def fused_order(count: int, fused: Mapping[int, int]) -> list[int]:
    """Return the numbers of nodes in order, with each fused one right behind what it is fused into."""
    followers: dict[int, list[int]] = {}
    for number, maker in fused.items():
        followers.setdefault(maker, []).append(number)
    order: list[int] = []
    stack = [number for number in range(count - 1, -1, -1) if number not in fused]
    while stack:
        number = stack.pop()
        order.append(number)
        stack += reversed(followers.get(number, []))
    return order


def multiples_of_batch(graph: Graph, inputs: Sequence[Tensor], static: Sequence[bool]) -> dict[int, float]:
    """Return how many rows each tensor has for a sample: a reshape may put other axes into the first one."""
    rows = {x.index: 1.0 for x in inputs}
    for number, node in enumerate(graph.nodes):
        if static[number]:
            continue
        most = max((rows[x.index] for x in read_by(node) if x.index in rows), default=1.0)
        for made in node.results:
            rows[made.index] = most
            if node.kind == "Reshape" and len(node.inputs) == 1:
                before, after = (math.prod(size or 1 for size in x.shape[1:]) for x in (node.inputs[0], made))
                rows[made.index] = most * before / max(after, 1)
    return rows


def size_of(tensor: Tensor, name: str) -> int:
    """Return the bytes of a tensor for one sample."""
    if any(size is None for size in tensor.shape[1:]):
        raise InputError(
            f"The tensor {name!r} has the shape {tensor.shape}: how much has to be sent is not known. Give a model "
            "whose inputs have a fixed size, all but the batch."
        )
    each = FLOAT if "float" in tensor.dtype else np.dtype(tensor.dtype).itemsize
    return math.prod(size or 1 for size in tensor.shape[1:]) * each
