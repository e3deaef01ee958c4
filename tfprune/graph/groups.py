"""Channel groups: the channels of a graph, gathered by what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.graph.labels import Resolved
from tfprune.graph.walk import Walk

__all__ = ["STATISTICS", "ChannelGroup", "Slice", "find_groups"]

IntArray = NDArray[np.int64]

STATISTICS = ("moving_mean", "moving_variance", "mean", "variance", "vector_u")
"""Weights that say nothing about what a channel carries."""


@dataclass(frozen=True)
class Slice:
    """Where the channels of a group are in one variable.

    Args:
        variable: The variable.
        axis: The axis along which they lie.
        positions: Positions of each channel, int64 (channels, positions per channel).
        role: `"output"` where the variable makes the channels, `"input"` where a kernel reads them, `"pass"` for the
            vectors in between, such as a bias or the scale of a normalisation.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"),
        ...                           keras.layers.Dense(2, name="out")], name="net")
        >>> for one in tfprune.graph.trace(model).group("hidden").slices:
        ...     print(one.role, one.path, one.axis, one.weights_per_channel)
        output net/hidden/kernel 1 8
        pass net/hidden/bias 0 1
        input net/out/kernel 0 2
    """

    variable: keras.Variable = field(repr=False)
    axis: int
    positions: IntArray = field(repr=False)
    role: str

    @property
    def path(self) -> str:
        """Path of the variable."""
        return str(self.variable.path)

    @property
    def weights_per_channel(self) -> int:
        """How many weights of the variable go with one channel."""
        size: int = np.prod(self.variable.shape, dtype=int) // self.variable.shape[self.axis] * self.positions.shape[1]
        return int(size)

    def __str__(self) -> str:
        each = f", {self.positions.shape[1]} each" if self.positions.shape[1] > 1 else ""
        return f"{self.role:<6} {self.path} axis {self.axis}{each}"


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are alike: each has a slice in the same axes of the same variables, and goes with all its slices.

    A channel is what can be removed: a filter with its bias, its normalisation and the inputs of whatever reads it; a
    unit of an LSTM; a head of an attention. Where a residual connection adds layers, their channels are the same.

    Args:
        name: What it is called: the layer that makes the channels first, with a number if it makes several groups.
        kind: `"filter"`, `"unit"`, `"head"` or `"head size"`.
        labels: The label of each channel, int64 (channels,).
        slices: What goes with the channels.
        reason: Why nothing of it can be removed; None if it can.
        inexact: Why the others compute something else when one of its channels goes, even a silent one; else None.
        layers: Paths of the nodes that make the channels.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"),
        ...                           keras.layers.Dense(2, name="out")], name="net")
        >>> hidden, out = tfprune.graph.trace(model).groups
        >>> hidden.size, hidden.prunable, out.reason
        (4, True, "the network's output")
        >>> print(hidden)
        hidden: 4 × unit, prunable
            output net/hidden/kernel axis 1
            pass   net/hidden/bias axis 0
            input  net/out/kernel axis 0
    """

    name: str
    kind: str
    labels: IntArray = field(repr=False)
    slices: tuple[Slice, ...] = field(repr=False)
    reason: str | None = None
    inexact: str | None = None
    layers: tuple[str, ...] = field(default=(), repr=False)

    @property
    def size(self) -> int:
        """Number of channels."""
        return len(self.labels)

    @property
    def prunable(self) -> bool:
        """Whether channels can be removed."""
        return self.reason is None

    def __str__(self) -> str:
        state = f"kept: {self.reason}" if self.reason else f"inexact: {self.inexact}" if self.inexact else "prunable"
        return "\n".join([f"{self.name}: {self.size} × {self.kind}, {state}", *(f"    {s}" for s in self.slices)])


def find_groups(walk: Walk, resolved: Resolved) -> tuple[ChannelGroup, ...]:
    """Return the groups of a graph, in the order in which their channels are made.

    Channels that could not be told apart by where their slices lie, and by which tensors they are in, form one group;
    so no tensor loses all its channels as long as every group keeps one. A channel is described by a sum of random
    numbers, one for each axis of each variable and tensor, so that this takes time in proportion to their sizes.
    """
    sites = [
        (variable, axis, resolved.root[labels])
        for key, variable in walk.variables.items()
        for axis, labels in enumerate(walk.sites[key])
        if labels is not None and not isinstance(labels, str)
    ]
    rng = np.random.default_rng(0)
    marks = rng.integers(1, 2**63, size=len(sites), dtype=np.uint64)
    signature = np.zeros(len(resolved.root), dtype=np.uint64)
    expanded = []
    for (variable, axis, roots), mark in zip(sites, marks, strict=True):
        channels, positions = expand(resolved, roots)
        np.add.at(signature, channels, mark)
        expanded.append((variable, axis, channels, positions))
    for labels in {id(axis): axis for flow in walk.flows.values() for axis in flow.axes if axis is not None}.values():
        channels, _ = expand(resolved, resolved.root[labels])
        signature[np.unique(channels)] += rng.integers(1, 2**63, dtype=np.uint64)
    state = [resolved.fixed.get(label) is not None for label in range(len(signature))]
    used = np.unique(np.concatenate([e[2] for e in expanded])) if expanded else np.zeros(0, dtype=np.int64)
    keys: dict[tuple[int, bool], list[int]] = {}
    for label in used.tolist():
        keys.setdefault((int(signature[label]), state[label]), []).append(label)
    group_of = np.full(len(signature), -1)
    members = [np.array(labels) for labels in keys.values()]
    for number, labels in enumerate(members):
        group_of[labels] = number
    slices: list[list[Slice]] = [[] for _ in members]
    makers: list[dict[str, None]] = [{} for _ in members]
    for variable, axis, channels, positions in expanded:
        for number in np.unique(group_of[channels]).tolist():
            inside = group_of[channels] == number
            order = np.argsort(channels[inside], kind="stable")
            each = positions[inside][order].reshape(len(members[number]), -1)
            slices[number].append(Slice(variable, axis, each, role_of(walk, variable, axis)))
        for node, made in walk.makers.get(id(variable), []):
            leaves, _ = expand(resolved, resolved.root[made])
            for number in np.unique(group_of[leaves]).tolist():
                makers[number][node.path] = None
    return named(members, slices, [tuple(paths) for paths in makers], resolved, walk)


def expand(resolved: Resolved, roots: IntArray) -> tuple[IntArray, IntArray]:
    """Return the labels that remove each position of an axis, and the positions; products have two or more."""
    if not resolved.is_product[roots].any():
        return roots, np.arange(len(roots))
    pairs = [(leaf, position) for position, root in enumerate(roots.tolist()) for leaf in resolved.leaves(root)]
    channels, positions = np.array(pairs).T
    return channels, positions


def role_of(walk: Walk, variable: keras.Variable, axis: int) -> str:
    """Return what a variable does along an axis."""
    if len(variable.shape) < 2:
        return "pass"
    made = walk.makers.get(id(variable), [])
    labels = walk.sites[id(variable)][axis]
    return "output" if any(own is labels for _, own in made) else "input"


def named(
    members: Sequence[IntArray],
    slices: Sequence[Sequence[Slice]],
    makers: Sequence[tuple[str, ...]],
    resolved: Resolved,
    walk: Walk,
) -> tuple[ChannelGroup, ...]:
    """Return groups with names of their own."""
    taken: dict[str, int] = {}
    groups = []
    for labels, own, paths in zip(members, slices, makers, strict=True):
        name = paths[0] if paths else own[0].path
        taken[name] = taken.get(name, 0) + 1
        label = int(labels[0])
        groups.append(
            ChannelGroup(
                name if taken[name] == 1 else f"{name}#{taken[name]}",
                kind_of(own, walk),
                labels,
                tuple(own),
                resolved.fixed.get(label),
                next((resolved.inexact[x] for x in labels.tolist() if x in resolved.inexact), None),
                paths,
            )
        )
    return tuple(groups)


def kind_of(slices: Sequence[Slice], walk: Walk) -> str:
    """Return what the channels of a group are called; heads are those of attention, or of a product by an equation."""
    for entry in slices:
        rank = len(entry.variable.shape)
        makers = [type(node.operation).__name__ for node, _ in walk.makers.get(id(entry.variable), [])]
        if entry.role == "output" and rank >= 3 and any("Conv" in name for name in makers):
            return "filter"
        if entry.role == "output" and "recurrent" in entry.path:
            return "unit"
        if entry.role == "output" and any(part in entry.path for part in ("query", "key", "value")) and rank == 3:
            return "head" if entry.axis == 1 else "head size"
        if entry.role == "output" and rank >= 3:
            return "filter"
    return "unit"
