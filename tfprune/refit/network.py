"""A network whose tensors can be looked at: as it was, or with something removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfprune.graph import Graph
from tfprune.graph.cut import Cut
from tfprune.refit.execution import call_of, run
from tfprune.refit.forms import Array, Form, form_of
from tfprune.refit.sites import Site
from tfprune.surgery.rebuild import Link, Rebuilt

__all__ = ["Network", "batch_for"]

BATCH_BYTES = 2**26
"""The most that one tensor of a batch takes."""

SMALL_SLOPE = 1e-2
"""Channels with a scale smaller than this part of the largest can't make up for what a shortcut lacks."""


class Network:
    """A model made anew from a graph, with its tensors by the graph's numbers.

    Args:
        graph: The graph.
        cut: What the model has of it; all by default.
        chains: What takes the place of some layers; see `Rebuilt`.

    Attributes:
        model: The model.
        built: How it was made.
        tensors: Its symbolic tensors, by the graph's numbers.
        operations: Its operations, by `id` of the graph's.
        forms: The linear forms of layers whose place others have taken, by `id` of the graph's layer.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"), keras.layers.Dense(2)])
        >>> graph = tfprune.graph.trace(model)
        >>> Network(graph, graph.cut(graph.group("a").labels[:6])).model.get_layer("a").units
        10
    """

    def __init__(
        self, graph: Graph, cut: Cut | None = None, chains: Mapping[int, Sequence[Link]] | None = None
    ) -> None:
        built = Rebuilt(graph, graph.cut([]) if cut is None else cut, chains=chains)
        self.model = built.model()
        self.built = built
        self.tensors = built.tensors
        self.operations = built.operations
        self.forms: dict[int, Form] = {}

    def shape(self, index: int) -> tuple[int | None, ...]:
        """Return the shape of a tensor."""
        return tuple(self.tensors[index].shape)

    def values(self, wanted: Sequence[int], given: Mapping[int, Any]) -> list[Array]:
        """Return the values of some tensors, by their numbers, from those of others."""
        symbols = [self.tensors[index] for index in wanted]
        missing = [symbol for symbol in symbols if isinstance(symbol, keras.KerasTensor)]
        found = dict(zip(map(id, missing), run(missing, self._known(given)), strict=True))
        return [keras.ops.convert_to_numpy(found.get(id(symbol), symbol)) for symbol in symbols]

    def layer(self, site: Site) -> Any:
        """Return the linear layer of a site."""
        operation = self.operations[id(site.node.operation)]
        return operation if site.part is None else getattr(operation, site.part)

    def form(self, site: Site) -> Form:
        """Return the linear form of a site."""
        return self.forms.get(id(site.layer)) or form_of(self.layer(site))

    def feed(self, site: Site, given: Mapping[int, Any]) -> tuple[Array, tuple[int, ...]]:
        """Return what the linear layer of a site gets, and the shape of what it makes of it."""
        if site.part in (None, "layer"):
            x = np.asarray(given[site.node.inputs[0].index])
            shape = self.shape(site.result.index)[2 if site.part else 1 :]
            x = site.by_sample(x)
            return x, (len(x), *(size or 1 for size in shape))
        return self._watch(site, given)

    def shift(self, site: Site) -> Array:
        """Return what enters the sum, or the activation, when a layer makes nothing, (1, …)."""
        shape = (1, *(size or 1 for size in self.shape(site.result.index)[1:]))
        nothing = np.zeros(shape, self.tensors[site.result.index].dtype)
        if site.entering.index == site.result.index:
            return nothing
        return self.values([site.entering.index], {site.result.index: nothing})[0]

    def slope(self, site: Site) -> Array:
        """Return what a result is multiplied with before it is added to the shortcut, (1, …); infinite for next to 0.

        Between the two there is nothing but scales and shifts, so that two values tell.
        """
        shape = (1, *(size or 1 for size in self.shape(site.result.index)[1:]))
        if site.entering.index == site.result.index:
            return np.ones(shape)
        one = np.ones(shape, self.tensors[site.result.index].dtype)
        found = self.values([site.entering.index], {site.result.index: one})[0].astype(np.float64) - self.shift(site)
        return np.where(np.abs(found) < SMALL_SLOPE * np.abs(found).max(), np.inf, found)

    def _watch(self, site: Site, given: Mapping[int, Any]) -> tuple[Array, tuple[int, ...]]:
        """Call a composite layer and see what one of its parts gets."""
        node, part = call_of(self.tensors[site.result.index]), self.layer(site)
        args, kwargs = node.arguments.fill_in(self._known(given))
        seen: list[Any] = []

        def call(x: Any, *rest: Any, **options: Any) -> Any:
            y = type(part).call(part, x, *rest, **options)
            seen.append((keras.ops.convert_to_numpy(x), tuple(y.shape)))
            return y

        object.__setattr__(part, "call", call)
        try:
            node.operation(*args, **{**kwargs, **({"training": False} if "training" in kwargs else {})})
        finally:
            part.__dict__.pop("call", None)
        x, shape = seen[0]
        return x, shape

    def _known(self, given: Mapping[int, Any]) -> dict[int, Any]:
        return {id(self.tensors[index]): value for index, value in given.items()}


def batch_for(graph: Graph, most: int = 128) -> int:
    """Return how many samples to compute at once: so many that no tensor of the graph takes more than 64 MB."""
    tensors = [x for node in graph.nodes for x in node.results if x.shape]
    largest = max((int(np.prod([size or 1 for size in x.shape[1:]], dtype=np.int64)) for x in tensors), default=1)
    return int(np.clip(BATCH_BYTES // (4 * largest), 1, most))
