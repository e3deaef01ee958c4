"""The values of a network's tensors for all samples, moving along the graph in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np
from keras import tree

from tfprune.graph import Graph
from tfprune.refit.forms import Array, Places
from tfprune.refit.network import Network, batch_for
from tfprune.refit.sites import Site

__all__ = ["Store"]

LEAST_PLACES = 16
"""Each sample is seen at so many positions at least, where there are as many."""


class Store:
    """Holds tensors from which all later ones follow, in each of some networks, for all samples.

    It moves along the graph: where what lives at a position needs no more memory than allowed, it holds just that;
    elsewhere it stays behind, and what is wanted is computed anew from there.

    Args:
        graph: The graph.
        networks: Networks with the graph's tensors.
        samples: The model's inputs, an array for each.
        batch: How many samples are computed at once; None for as many as take little memory.
        memory: Bytes that it may hold, for all networks together.
        rows: How many rows a layer is seen with, as a multiple of its inputs, where there are so many.
        seed: Seed of the choice of these rows.
    """

    def __init__(
        self,
        graph: Graph,
        networks: Sequence[Network],
        samples: Sequence[Array],
        *,
        batch: int | None = None,
        memory: int = 2**30,
        rows: float = 30.0,
        seed: int = 0,
    ) -> None:
        self.networks = networks
        self.count = len(samples[0])
        self.memory = memory
        self._rows = rows
        self._rng = np.random.default_rng(seed)
        inputs = tree.flatten(graph.trace.inputs)
        self.batch = inputs[0].shape[0] or batch or batch_for(graph)
        self._inputs = [tensor.index for tensor in inputs]
        given = dict(zip(self._inputs, samples, strict=True))
        self._held = [dict(given) for _ in networks]
        self._fixed = graph.trace.masked  # a mask goes along with a tensor only while its layers run
        self._anchored = any(node.kind in ("ReadWeight", "ForEachSample", "Constant") for node in graph.nodes)
        made = {tensor.index: -1 for tensor in inputs}
        last: dict[int, int] = {}
        tensors = list(inputs)
        for position, node in enumerate(graph.nodes):
            last.update({tensor.index: position for tensor in node.inputs})
            made.update({tensor.index: position for tensor in node.results})
            tensors += node.results
        self._spans = {
            tensor.index: (made[tensor.index], last.get(tensor.index, -1))
            for tensor in tensors
            if tensor.shape and tensor.shape[0] == inputs[0].shape[0]
        }

    def live(self, position: int) -> list[int]:
        """Return the tensors of samples that are made before a position and read from it on."""
        found = {index for index, (made, last) in self._spans.items() if made < position <= last}
        return sorted(found | set(self._inputs if self._anchored else []))

    def size(self, indices: Iterable[int]) -> int:
        """Return how many bytes some tensors need, in all networks together."""
        total = 0
        for network in self.networks:
            for index in indices:
                symbol = network.tensors[index]
                dtype = keras.backend.standardize_dtype(symbol.dtype)
                width = np.dtype("uint16" if dtype == "bfloat16" else dtype).itemsize
                total += self.count * width * int(np.prod([size or 1 for size in symbol.shape[1:]], dtype=np.int64))
        return total

    def advance(self, position: int) -> bool:
        """Hold what lives at a position if there is room for it; return whether it does."""
        wanted = self.live(position)
        if self._fixed or self.size(wanted) > self.memory:
            return False
        held: list[dict[int, Array]] = []
        for network, before in zip(self.networks, self._held, strict=True):
            missing = [index for index in wanted if index not in before]
            parts = [network.values(missing, given) for given in self._batches(before)] if missing else []
            arrays = dict(zip(missing, map(np.concatenate, zip(*parts, strict=True)), strict=True))
            held.append({index: (arrays if index in arrays else before)[index] for index in wanted})
        self._held = held
        return True

    def values(self, wanted: Sequence[int]) -> Iterator[list[dict[int, Array]]]:
        """Yield the values of some tensors by their numbers, for each network, batch by batch."""
        for given in zip(*map(self._batches, self._held), strict=True):
            yield [
                dict(zip(wanted, network.values(wanted, known), strict=True))
                for network, known in zip(self.networks, given, strict=True)
            ]

    def places(self, site: Site, inputs: int, network: Network) -> Places:
        """Choose which rows of each sample of a batch a layer is seen with.

        Args:
            site: Where the layer is called.
            inputs: How many inputs its matrix has.
            network: The network in which it is.
        """
        x, y = (network.shape(tensor.index) for tensor in (site.node.inputs[0], site.result))
        if site.part == "layer":
            x, y = (None, *x[2:]), (None, *y[2:])
        count = network.form(site).count(x, y)
        wanted = max(math.ceil(self._rows * (inputs + 1) / self.count), LEAST_PLACES)
        return np.sort(self._rng.permutation(count)[:wanted])

    def _batches(self, held: dict[int, Array]) -> Iterator[dict[int, Array]]:
        for start in range(0, self.count, self.batch):
            yield {index: array[start : start + self.batch] for index, array in held.items()}
