"""Which channels belong together: a network's channels clustered into as many branches as there are devices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from tfprune.errors import InputError
from tfprune.graph import ChannelGroup, Graph, Node
from tfprune.graph.choice import LayerChoice, inside
from tfprune.graph.tree import walk

__all__ = ["Split", "cluster", "find_splits", "strength"]

Array = NDArray[np.float64]

STARTS = 4
SWEEPS = 20


@dataclass(frozen=True)
class Split:
    """A layer that can be split: its inputs and its outputs are channels that can be put into another order.

    Args:
        node: Its call.
        inputs: The group of channels that it reads.
        outputs: The group that it makes.
    """

    node: Node = field(repr=False)
    inputs: ChannelGroup
    outputs: ChannelGroup

    @property
    def layer(self) -> Any:
        """The layer."""
        return self.node.operation


def find_splits(
    graph: Graph, groups: int, chosen: Sequence[LayerChoice] | None = None
) -> tuple[list[Split], dict[str, str]]:
    """Return the layers that can be split into branches, and why others can't.

    Args:
        graph: The network.
        groups: How many branches there are.
        chosen: The layers to split; by default all that can be.

    Returns:
        The layers, in order; and for each convolution and `Dense` layer that is chosen and left out, why, by its path.

    Raises:
        InputError: If a chosen layer is not part of the network.
    """
    everything = dict(walk(graph.model))
    wanted = None if chosen is None else inside(everything, chosen)
    found, reasons, seen = [], {}, set()
    for node in graph.nodes:
        layer: Any = node.operation
        if id(layer) in seen or (wanted is not None and id(layer) not in wanted):
            continue
        if isinstance(layer, (layers.Conv1D, layers.Conv2D, layers.Dense)) and not node.opaque:
            seen.add(id(layer))
            made = split_of(graph, node, groups)
            if isinstance(made, Split):
                found.append(made)
            else:
                reasons[node.path] = made
    return found, reasons


def split_of(graph: Graph, node: Node, groups: int) -> Split | str:
    """Return how a layer can be split, or why it can't."""
    layer: Any = node.operation
    if getattr(layer, "groups", 1) != 1:
        return "it is in groups already"
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        return "its channels come first"
    if sum(one.operation is layer for one in graph.nodes) > 1:
        return "it is called more than once"
    rank = len(layer.kernel.shape)
    if softmaxed(layer):
        return "its activation is over all outputs"
    sides: dict[int, ChannelGroup] = {}
    for group in graph.groups:
        for one in group.slices:
            every = np.arange(layer.kernel.shape[one.axis]) if one.variable is layer.kernel else None
            if every is not None and one.positions.shape[1] == 1 and np.array_equal(one.positions[:, 0], every):
                sides[one.axis] = group
    for axis, what in ((rank - 2, "inputs"), (rank - 1, "outputs")):
        if axis not in sides:
            return f"its {what} are not one group of channels, one after the other"
        group = sides[axis]
        if group.reason is not None:
            return f"its {what} keep their order: {group.reason}"
        if group.kind not in ("filter", "unit"):
            return f"its {what} are heads of an attention"
        if group.size % groups or group.size < 2 * groups:
            return f"its {group.size} {what} are not {groups} groups of two or more"
    return Split(node, sides[rank - 2], sides[rank - 1])


def softmaxed(layer: Any) -> bool:
    """Whether the activation of a layer looks at all outputs at a time."""
    return getattr(layer.activation, "__name__", "") in ("softmax", "log_softmax")


def strength(split: Split, deviation: Array | None = None) -> Array:
    """Return how strongly each input of a layer is connected with each output: `Σ W² · variance`.

    Args:
        split: The layer.
        deviation: Standard deviation of the values at each position of its input axis, float (positions,); None is 1.

    Returns:
        Float (input channels, output channels): what of the variance of an output comes from an input, as far as inputs
        are uncorrelated.
    """
    kernel = np.square(split.layer.kernel.numpy().astype(np.float64))
    kernel = kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0)
    if deviation is not None:
        kernel = kernel * np.square(deviation)[:, None]
    found: Array = kernel
    return found


def cluster(
    strengths: Sequence[tuple[str, str, Array]], sizes: Mapping[str, int], branches: int, seed: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Put channels into branches so that as much as possible of all connections is within them.

    Each group of channels is split into equal parts. From a spectral start (the leading singular vectors of the
    normalised connections, Dhillon, "Co-clustering documents and words using bipartite spectral graph partitioning",
    2001) and random ones, each group in turn is assigned anew, given the branches of the others: that is an assignment
    problem, solved exactly, so that no step makes it worse. The best of all starts is returned.

    Args:
        strengths: For each layer the names of the groups of its inputs and outputs, and how strongly they are
            connected, float (inputs, outputs).
        sizes: How many channels each group has: a multiple of the branches.
        branches: How many branches there are.
        seed: Seed of the random starts.

    Returns:
        For each group the branch of each channel, int (channels,).

    Example:
        >>> blocks = np.kron(np.eye(2), np.ones((2, 2)))[[0, 2, 1, 3]]
        >>> found = cluster([("a", "b", blocks)], {"a": 4, "b": 4}, 2)
        >>> bool(found["a"][0] == found["a"][2] != found["a"][1])
        True
    """
    rng = np.random.default_rng(seed)
    best: dict[str, NDArray[np.int64]] = {}
    most = -1.0
    touching = {name: [n for n, (a, b, _) in enumerate(strengths) if name in (a, b)] for name in sizes}
    for start in range(STARTS):
        if start == 0:
            found = spectral(strengths, sizes, branches)
        else:
            found = {name: rng.permutation(np.arange(size) % branches) for name, size in sizes.items()}
        inside = np.array([within(one, found) for one in strengths])
        for _ in range(SWEEPS):
            before = float(inside.sum())
            for name in sizes:
                own = touching[name]
                tried = {**found, name: assigned(affinity([strengths[n] for n in own], found, name, branches))}
                values = np.array([within(strengths[n], tried) for n in own])
                if values.sum() > inside[own].sum():
                    found, inside[own] = tried, values
            if inside.sum() <= before * (1 + 1e-6):
                break
        if inside.sum() > most:
            best, most = found, float(inside.sum())
    return best


def within(one: tuple[str, str, Array], found: Mapping[str, NDArray[np.int64]]) -> float:
    """Return how much of a layer's connections is within branches."""
    a, b, own = one
    return float(own[found[a][:, None] == found[b][None]].sum())


def affinity(
    strengths: Sequence[tuple[str, str, Array]], found: Mapping[str, NDArray[np.int64]], name: str, branches: int
) -> Array:
    """Return how strongly each channel of a group is connected with each branch, float (channels, branches)."""
    total: Any = 0.0
    for a, b, own in strengths:
        for mine, other, table in ((a, b, own), (b, a, own.T)):
            if mine == name:
                total = total + table @ np.eye(branches)[found[other]]
    return np.asarray(total, dtype=np.float64)


def assigned(values: Array) -> NDArray[np.int64]:
    """Return the branch of each channel that is best, each branch with as many."""
    count, branches = values.shape
    found = np.zeros(count, dtype=np.int64)
    if branches == 2:  # those that lose most in the first are in the second
        found[np.argsort(values[:, 0] - values[:, 1], kind="stable")[: count // 2]] = 1
        return found
    places = np.repeat(np.arange(branches), count // branches)
    rows, columns = linear_sum_assignment(-values[:, places])
    found[rows] = places[columns]
    return found


def spectral(
    strengths: Sequence[tuple[str, str, Array]], sizes: Mapping[str, int], branches: int
) -> dict[str, NDArray[np.int64]]:
    """Return branches from the leading eigenvectors of all connections, `D^(-1/2) A D^(-1/2)`, without the first."""
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()])[:-1].tolist(), strict=True))
    total, wanted = sum(sizes.values()), max(math.ceil(math.log2(branches)), 1)

    def times(x: Array) -> Array:
        y = np.zeros(total)
        for a, b, own in strengths:
            i, j = slice(starts[a], starts[a] + own.shape[0]), slice(starts[b], starts[b] + own.shape[1])
            y[i] += own @ x[j]
            y[j] += own.T @ x[i]
        return y

    scale = 1 / np.sqrt(np.maximum(times(np.ones(total)), 1e-12))
    normalised = LinearOperator((total, total), matvec=lambda x: scale * times(scale * x.reshape(-1)), dtype=np.float64)
    try:
        values, vectors = eigsh(normalised, k=wanted + 1, which="LA", v0=scale, maxiter=300, tol=1e-3)
    except ArpackError:
        return {name: np.arange(size) * branches // size for name, size in sizes.items()}
    leading = vectors[:, np.argsort(-values)][:, 1:] * scale[:, None]
    found = {}
    for name, size in sizes.items():
        own = leading[starts[name] : starts[name] + size]
        place = np.zeros(size, dtype=np.int64)
        parts = [np.arange(size)]
        for column in own.T:  # halved along one vector after the other
            parts = [half for part in parts for half in np.array_split(part[np.argsort(column[part])], 2)]
        place[np.concatenate(parts)] = np.arange(size) * branches // size
        found[name] = place
    return found


def deviations(
    graph: Graph, network: Any, splits: Sequence[Split], samples: Sequence[NDArray[Any]]
) -> dict[str, Array]:
    """Return the standard deviation of what each layer gets at each position of its inputs, by the layer's path."""
    inputs = [tensor.index for tensor in keras.tree.flatten(graph.trace.inputs)]
    wanted = [split.node.inputs[0].index for split in splits]
    values = network.values(wanted, dict(zip(inputs, samples, strict=True))) if wanted else []
    found = {}
    for split, value in zip(splits, values, strict=True):
        flat = value.reshape(-1, value.shape[-1]).astype(np.float64)
        if not np.isfinite(flat).all():
            raise InputError(f"What {split.node.path} gets is not finite; give other samples.")
        found[split.node.path] = flat.std(axis=0)
    return found
