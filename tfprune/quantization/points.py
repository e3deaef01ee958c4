"""Where a network has activations that TFLite holds as int8 tensors, and which layers make or read them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import tree

from tfprune.graph.node import Node, Tensor
from tfprune.graph.trace import trace_calls
from tfprune.graph.tree import walk
from tfprune.graph.weight import ForEachSample, ReadWeight
from tfprune.quantization.fusing import (
    FIXED,
    Readers,
    activation_of,
    fused_end,
    keeps_scale,
    makes_values,
    overwritten,
)

__all__ = ["Points", "Site", "find_points"]

Point = int | tuple[float, float]
"""The number of a range that is learned, or one that TFLite prescribes."""


@dataclass
class Site:
    """What is quantised in one call of a layer or operation.

    Args:
        inputs: What it reads: a point for the number of the tensor among its positional arguments.
        before: What its own activation reads.
        outputs: What it returns, by the number of the tensor.

    Example:
        >>> layer = keras.layers.Dense(4, name="hidden")
        >>> points = find_points(keras.Sequential([keras.Input((8,)), layer]))
        >>> points.sites[id(layer)][1]  # reads range 0 and makes range 1
        [Site(inputs={0: 0}, before=None, outputs={0: 1})]
    """

    inputs: dict[int, Point] = field(default_factory=dict)
    before: Point | None = None
    outputs: dict[int, Point] = field(default_factory=dict)


@dataclass
class Points:
    """All activations that are quantised.

    Args:
        sites: Operations, each with what is quantised in each of its calls, by `id` of the operation.
        shared: For each range the numbers of all those that its scale has to hold, itself among them.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2)])
        >>> points = find_points(model)
        >>> len(points.sites), points.shared
        (2, [[0], [1], [2]])
    """

    sites: dict[int, tuple[keras.Operation, list[Site]]]
    shared: list[list[int]]


class _Finder:
    def __init__(self, model: keras.Model) -> None:
        self.trace = trace_calls(model)
        self.readers = Readers(self.trace.nodes, list(tensors(self.trace.outputs)))
        self.makers = {x.index: node for node in self.trace.nodes for x in node.results}
        self.lasting = {id(operation): operation for operation in lasting(model)}
        self.nodes: dict[int, list[Node]] = {}
        for node in self.trace.nodes:
            if id(node.operation) in self.lasting:
                self.nodes.setdefault(id(node.operation), []).append(node)
        self.sites = {key: [Site() for _ in nodes] for key, nodes in self.nodes.items()}
        self.points: dict[int, Point] = {}  # by the index of the tensor
        self.root: list[int] = []
        self.inner: set[int] = set()
        self.overwritten: list[tuple[int, int]] = []  # points of what is combined in place, and of the result

    def run(self) -> Points:
        for x in tensors(self.trace.inputs):
            self.put(x)
        for node in self.trace.nodes:
            self.look_at(node)
        for key, nodes in self.nodes.items():
            if not follow(nodes, self.makers):
                self.share_calls(self.sites[key])
        roots = [self.find(number) for number in range(len(self.root))]
        groups = {own: {other for other, root in enumerate(roots) if root == own} for own in roots}
        held = {own: set(group) for own, group in groups.items()}
        for operand, result in self.overwritten:
            held[self.find(operand)] |= groups[self.find(result)]
        shared = [sorted(held[own]) for own in roots]
        used = {key: (self.lasting[key], sites) for key, sites in self.sites.items() if any(map(is_used, sites))}
        return Points(used, shared)

    def look_at(self, node: Node) -> None:
        if isinstance(node.operation, ReadWeight | ForEachSample):
            return
        if keeps_scale(node):
            own = [self.points[x.index] for x in node.inputs if x.index in self.points]
            if makes_values(node):
                own += [point for point in map(self.put, node.results) if point is not None]
            elif own:
                self.points.update({x.index: own[0] for x in node.results})
            self.share(own)
            return
        end = fused_end(node, self.readers)
        if end is None:  # an activation of its own comes after the integers
            site = self.site_of(node)
            if site is not None:
                site.before = self.new()
            end = node.results[0]
        else:  # what is on the way to the end is never held
            x = node.results[0]
            while x.index != end.index:
                self.inner.add(x.index)
                x = self.readers[x][0].results[0]
        for x in (end, *node.results[1:]):
            if x.index not in self.points and x.index not in self.inner:
                self.put(x, FIXED.get(activation_of(node)))
        first = overwritten(node, self.readers)
        operand, result = (None if x is None else self.points.get(x.index) for x in (first, end))
        if isinstance(operand, int) and isinstance(result, int):
            self.overwritten.append((operand, result))

    def new(self) -> int:
        self.root.append(len(self.root))
        return len(self.root) - 1

    def find(self, number: int) -> int:
        while self.root[number] != number:
            number = self.root[number]
        return number

    def put(self, x: Tensor, fixed: tuple[float, float] | None = None) -> Point | None:
        """Have a tensor quantised where it is made, else wherever it is read."""
        if not is_float(x):
            return None
        last = x.index in self.readers.outputs
        if fixed is not None and last and fixed[0] == 0.0:
            return None  # a probability that the loss takes the logarithm of
        point = self.points[x.index] = self.new() if fixed is None else fixed
        maker = self.makers.get(x.index)
        site = None if maker is None else self.site_of(maker)
        if maker is not None and site is not None:
            site.outputs[position(x, maker.outputs)] = point
            return point
        for reader in self.readers[x]:
            site = self.site_of(reader)
            if site is not None:
                for number, given in enumerate(tree.flatten(reader.args)):
                    if isinstance(given, Tensor) and given.index == x.index:
                        site.inputs[number] = point
        return point

    def site_of(self, node: Node) -> Site | None:
        nodes = self.nodes.get(id(node.operation), [])
        return next((self.sites[id(node.operation)][n] for n, one in enumerate(nodes) if one is node), None)

    def share(self, points: list[Point]) -> None:
        """Give learned ranges one scale."""
        numbers = [point for point in points if isinstance(point, int)]
        for number in numbers[1:]:
            self.root[self.find(number)] = self.find(numbers[0])

    def share_calls(self, sites: list[Site]) -> None:
        """Give the calls of an operation one scale, as nobody knows which of them comes first."""
        inputs, outputs = by_key([site.inputs for site in sites]), by_key([site.outputs for site in sites])
        before: list[Point] = [site.before for site in sites if site.before is not None]
        for group in [before, *inputs, *outputs]:
            self.share(group)


def find_points(model: keras.Model) -> Points:
    """Return where the activations of a model are quantised.

    An int8 tensor is what comes into the network, and what each operation makes together with the batch normalisation
    and the ReLU that the converter fuses with it. What is only moved about, pooled or put side by side keeps its
    scale; sigmoid, softmax and tanh have the scales that TFLite prescribes. Probabilities that the network ends in are
    left as they are, as rounding them to zero would make the loss infinite. What is added, subtracted or multiplied in
    place gets a scale that holds the result too, as the converter does it (seen with TensorFlow 2.21).

    What happens between the layers of a layer's own code is quantised where a layer reads it.

    Args:
        model: A built model.

    Returns:
        The points.

    Raises:
        InputError: If it can't be traced.

    Example:
        >>> layers = [keras.layers.Dense(4), keras.layers.ReLU(), keras.layers.Dense(2)]
        >>> points = find_points(keras.Sequential([keras.Input((8,)), *layers]))
        >>> [type(operation).__name__ for operation, _ in points.sites.values()], len(points.shared)
        (['Dense', 'ReLU', 'Dense'], 3)
    """
    return _Finder(model).run()


def lasting(model: keras.Model) -> Iterator[keras.Operation]:
    """Yield all layers of a model and the operations of its functional graphs: what is called whenever it runs."""
    for _, layer in walk(model):
        yield layer
        yield from getattr(layer, "_operations", ())
        yield from getattr(getattr(layer, "_functional", None), "_operations", ())


def follow(nodes: list[Node], makers: dict[int, Node]) -> bool:
    """Whether each call of an operation reads what comes of the one before, so that their order is known."""
    for before, after in itertools.pairwise(nodes):
        seen: set[int] = set()
        todo = list(after.inputs)
        while todo:
            maker = makers.get(todo.pop().index)
            if maker is not None and id(maker) not in seen:
                seen.add(id(maker))
                todo += maker.inputs
        if id(before) not in seen:
            return False
    return True


def is_used(site: Site) -> bool:
    """Whether something is quantised at a call."""
    return bool(site.inputs or site.outputs) or site.before is not None


def by_key(given: list[dict[int, Point]]) -> list[list[Point]]:
    """Return the values under each key of some dicts."""
    return [[one[key] for one in given if key in one] for key in {key for one in given for key in one}]


def is_float(x: Tensor) -> bool:
    """Whether a tensor has a batch of floats."""
    return "float" in x.dtype and x.rank > 0


def tensors(structure: Any) -> Iterator[Tensor]:
    """Yield the tensors of a structure."""
    yield from (x for x in tree.flatten(structure) if isinstance(x, Tensor))


def position(x: Tensor, structure: Any) -> int:
    """Return the number of a tensor in a structure."""
    return next(n for n, one in enumerate(tree.flatten(structure)) if isinstance(one, Tensor) and one.index == x.index)
