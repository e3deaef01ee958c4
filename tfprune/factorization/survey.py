"""The layers of a network that have kernels, what they cost, and what an error in a kernel does to their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import layers

from tfprune.cost import Cost
from tfprune.cost.operation import Operation
from tfprune.factorization.base import Array
from tfprune.factorization.constrained import centered
from tfprune.factorization.geometry import Geometry, geometry_of
from tfprune.factorization.metric import Metric
from tfprune.factorization.pieces import Piece, Step
from tfprune.graph import Graph
from tfprune.graph.node import Node
from tfprune.refit import Network
from tfprune.refit.selection import Selection

__all__ = ["Candidate", "Measure", "candidates_of", "measures"]


@dataclass(frozen=True)
class Measure:
    """What an error in a layer's kernel costs.

    Args:
        metrics: For each block.
        scale: How much each output counts, float (blocks, outputs).
    """

    metrics: Sequence[Metric] = field(repr=False)
    scale: Array = field(repr=False)


@dataclass(frozen=True)
class Candidate:
    """A layer with a kernel.

    Args:
        path: Where it is.
        layer: The layer.
        geometry: What forms must know of it; None if it has no form.
        shapes: Shapes of its inputs, one for each call.
        reason: Why it stays as it is; None if that is open.
        timing: Returns what operations take on a device, in milliseconds; None if nobody asks for that.
    """

    path: str
    layer: Any = field(repr=False)
    geometry: Geometry | None = field(repr=False)
    shapes: tuple[tuple[int | None, ...], ...] = field(repr=False)
    reason: str | None = None
    timing: Callable[[list[Operation]], float] | None = field(default=None, repr=False)

    @cached_property
    def cost(self) -> Cost:
        """What the layer costs."""
        if self.geometry is None:
            raise RuntimeError(f"{self.path} has no cost of its own")
        layer = self.layer
        kernel = layer.embeddings if isinstance(layer, layers.Embedding) else layer.kernel
        whole = Piece(type(layer), layer.get_config(), np.broadcast_to(np.float32(0), kernel.shape))
        return self.price([whole])

    def operations(self, steps: Sequence[Step]) -> list[Operation]:
        """Return what layers do that take its place, in all its calls."""
        found: list[Operation] = []
        for shape in self.shapes:
            for step in steps:
                found += step.operations(shape)
                shape = step.after(shape)
        return found

    def price(self, steps: Sequence[Step]) -> Cost:
        """Return what layers cost that take its place."""
        done = self.operations(steps)
        parameters = sum(one.parameters for one in done[: len(done) // len(self.shapes)])
        macs = sum(one.macs for one in done)
        dtype = "uint16" if self.layer.variable_dtype == "bfloat16" else self.layer.variable_dtype
        latency = None if self.timing is None else self.timing(done)
        return Cost(parameters, parameters * np.dtype(dtype).itemsize, macs, latency)


def candidates_of(graph: Graph) -> list[Candidate]:
    """Return the layers of a graph that have kernels, each once, in order."""
    nodes: dict[int, list[Node]] = {}
    for node in graph.nodes:
        if isinstance(node.operation, keras.Layer) and any(len(w.shape) > 1 for w in node.operation.weights):
            nodes.setdefault(id(node.operation), []).append(node)
    found = []
    for calls in nodes.values():
        node = calls[0]
        geometry: Geometry | str = node.opaque or geometry_of(node.operation)
        if not isinstance(geometry, str) and any(len(call.inputs) != 1 for call in calls):
            geometry = "it is called on more than one tensor"
        shapes = tuple(call.inputs[0].shape for call in calls)
        if isinstance(geometry, str):
            found.append(Candidate(node.path, node.operation, None, shapes, geometry))
        else:
            reason = None if node.operation.trainable else "it is frozen"
            found.append(Candidate(node.path, node.operation, geometry, shapes, reason))
    return found


def measures(
    graph: Graph,
    candidates: Sequence[Candidate],
    samples: Sequence[Array] | None,
    *,
    seed: int,
    network: Network | None,
) -> Iterator[tuple[Candidate, Measure]]:
    """Yield for each open layer what an error in its kernel costs, on the inputs that it gets.

    Args:
        graph: The graph.
        candidates: Its layers.
        samples: The model's inputs; None to count all errors of weights alike.
        seed: Seed of the choice of rows.
        network: The whole network; needed with samples.
    """
    open_ones = {id(candidate.layer): candidate for candidate in candidates if candidate.reason is None}
    if samples is not None and network is not None:
        selection = Selection(graph, [], network, samples, seed=seed)
        for site in selection.sites:
            if not site.alone or site.part is not None or id(site.layer) not in open_ones:
                continue
            candidate = open_ones.pop(id(site.layer))
            selection.store.advance(site.position)
            reader = selection.look(site)
            kernel, outputs = reader.matrix[:, :-1], site.form.weights
            norms = np.sqrt(np.square(outputs).sum(axis=1))
            scale = np.divide(np.sqrt(np.square(kernel).sum(axis=1)), norms, out=np.zeros_like(norms), where=norms > 0)
            scale = np.maximum(scale, 1e-6 * max(float(scale.max()), 1e-30)) / np.sqrt(max(reader.gram.rows, 1))
            yield candidate, Measure([centered(reader.gram, block) for block in range(len(kernel))], scale)
    for candidate in open_ones.values():
        if candidate.geometry is not None:
            kernel = candidate.geometry.kernel
            size = np.sqrt(max(float(np.square(kernel).sum()), 1e-30))
            yield candidate, Measure([Metric()] * len(kernel), np.full((len(kernel), kernel.shape[-1]), 1 / size))
