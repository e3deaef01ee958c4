"""`tfprune.summary(model)`: what `model.summary()` does not say about size, cost and sparsity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np
from rich.table import Table
from rich.text import Text

from tfprune.console import console
from tfprune.cost import CostModel
from tfprune.errors import InputError, no_weights
from tfprune.granularity import Weight
from tfprune.graph import trace
from tfprune.graph.tree import walk
from tfprune.pruning.mask import read
from tfprune.pruning.selection import find_kernels, select
from tfprune.shown import Shown

__all__ = ["KernelRow", "Summary", "summarise", "summary"]


@dataclass(frozen=True)
class KernelRow:
    """One kernel: its size, its cost for one sample, its zeros, and why it is skipped by default if it is.

    Args:
        path: Where it is.
        shape: Its shape.
        parameters: Number of weights.
        macs: Multiply-accumulates with it for one sample; None where that is not known.
        zeros: Number of zeros.
        skipped: Why it is skipped by default; None if it is not.

    Example:
        >>> row = KernelRow("conv/kernel", (3, 3, 8, 16), parameters=1_152, macs=41_472, zeros=864, skipped=None)
        >>> row.sparsity
        0.75
    """

    path: str
    shape: tuple[int, ...]
    parameters: int
    macs: int | None
    zeros: int
    skipped: str | None

    @property
    def sparsity(self) -> float:
        """Fraction of zeros."""
        return self.zeros / self.parameters


@dataclass(frozen=True)
class GroupRow:
    """A group of channels: what it is, how many there are, and why they stay if they do."""

    name: str
    kind: str
    channels: int
    weights: int
    kept: str | None
    inexact: str | None


@dataclass(frozen=True)
class Summary(Shown):
    """The kernels of a model, its channel groups, and how many parameters there are in all.

    Where the model can't be traced, `groups` is None and `untraced` says why.

    Args:
        name: Name of the model.
        rows: Its kernels.
        parameters: Number of weights, those of normalisations included.
        groups: Its channel groups.
        blocks: Names of the residual blocks that can be left out.
        opaque: Operations into which nobody can look, with the reason.
        untraced: Why it can't be traced; None if it can.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)])
        >>> found = summarise(model)
        >>> found.parameters, found.macs, [(group.name, group.channels) for group in found.groups if group.kept is None]
        (46, 40, [('hidden', 4)])
    """

    name: str
    rows: tuple[KernelRow, ...]
    parameters: int
    groups: tuple[GroupRow, ...] | None = None
    blocks: tuple[str, ...] = ()
    opaque: Mapping[str, str] = field(default_factory=dict)
    untraced: str | None = None

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates for one sample; None if a kernel's is not known."""
        counts = [row.macs for row in self.rows]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def sparsity(self) -> float:
        """Fraction of zeros over all kernels."""
        return sum(row.zeros for row in self.rows) / max(sum(row.parameters for row in self.rows), 1)

    def __str__(self) -> str:
        return f"{self.name}: {self.parameters:,} parameters, {self.sparsity:.1%} of the kernels zero"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        totals = {"name": self.name, "parameters": self.parameters, "macs": self.macs, "sparsity": self.sparsity}
        return {
            **totals,
            "kernels": [{**asdict(row), "sparsity": row.sparsity} for row in self.rows],
            "groups": None if self.groups is None else [asdict(row) for row in self.groups],
            "blocks": list(self.blocks),
            "opaque": dict(self.opaque),
            "untraced": self.untraced,
        }

    def table(self) -> Table:
        """Return a rich table."""
        table = Table(title=Text(self.name), show_footer=True)
        table.add_column("kernel", "total", overflow="fold")
        table.add_column("shape")
        table.add_column("parameters", f"{self.parameters:,}", justify="right")
        table.add_column("MACs", number(self.macs), justify="right")
        table.add_column("sparsity", f"{self.sparsity:.1%}", justify="right")
        table.add_column("skipped")
        for row in self.rows:
            shape = " × ".join(map(str, row.shape))
            cells = [f"{row.parameters:,}", number(row.macs), f"{row.sparsity:.1%}", row.skipped or ""]
            table.add_row(Text(row.path.removesuffix("/kernel")), shape, *cells)
        return table

    def group_table(self) -> Table:
        """Return a rich table of the channel groups."""
        table = Table(title=Text(f"{self.name}: channels that can be removed"))
        table.add_column("group", overflow="fold")
        table.add_column("of what")
        table.add_column("channels", justify="right")
        table.add_column("weights of one", justify="right")
        table.add_column("kept because", overflow="fold")
        for row in self.groups or ():
            why = row.kept or (f"(not exact: {row.inexact})" if row.inexact else "")
            table.add_row(Text(row.name), row.kind, f"{row.channels:,}", f"{row.weights:,}", Text(why))
        return table

    def notes(self) -> list[str]:
        """Return what else there is to say, in lines."""
        lines = [] if self.untraced is None else [f"channels are not known: {self.untraced}"]
        if self.blocks:
            lines.append(f"{len(self.blocks)} residual blocks can be left out: {', '.join(self.blocks)}")
        return lines + [f"opaque {path}: {reason}" for path, reason in self.opaque.items()]


def number(count: int | None) -> str:
    """Return a count with thousands separated, or a dash."""
    return "–" if count is None else f"{count:,}"


def summarise(model: keras.Model) -> Summary:
    """Return the kernels of a model with their size, cost and sparsity, and its channel groups.

    Args:
        model: A built model.

    Returns:
        The summary.

    Raises:
        InputError: If the model is not built.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)])
        >>> _ = tfprune.prune_layer(model.layers[0], 0.75)
        >>> [(row.path, row.sparsity) for row in summarise(model).rows][0]
        ('hidden/kernel', 0.75)
    """
    everything = dict(walk(model))
    kernels, _ = find_kernels(everything)
    if not model.built or (not kernels and not model.weights):
        raise no_weights(model)
    try:
        skipped = {entry.path: entry.reason for entry in select(model, granularity=Weight()).skipped}
    except InputError:  # nothing to prune is nothing wrong with a summary
        skipped = {kernel.path: "frozen" if not kernel.variable.trainable else "no other layer" for kernel in kernels}
    try:
        graph, untraced = trace(model), None
    except InputError as error:
        graph, untraced = None, str(error)
    macs = {} if graph is None else CostModel(graph).by_kernel
    rows = []
    for kernel in kernels:
        shape = tuple(kernel.variable.shape)
        zeros = kernel.size - int(np.count_nonzero(read(kernel.variable)))
        own = macs.get(id(kernel.variable))
        rows.append(KernelRow(kernel.path, shape, kernel.size, own, zeros, skipped.get(kernel.path)))
    parameters = sum(math.prod(weight.shape) for weight in model.weights)
    if graph is None:
        return Summary(model.name, tuple(rows), parameters, untraced=untraced)
    groups = tuple(
        GroupRow(g.name, g.kind, g.size, sum(s.weights_per_channel for s in g.slices), g.reason, g.inexact)
        for g in graph.groups
    )
    opaque = {node.path: node.opaque or "" for node in graph.opaque}
    return Summary(model.name, tuple(rows), parameters, groups, tuple(b.name for b in graph.blocks), opaque)


def summary(model: keras.Model) -> Summary:
    """Print each kernel's shape, parameters, MACs and sparsity, and each group of channels; what is skipped, and why.

    Args:
        model: A built model.

    Returns:
        What was printed, as data.

    Raises:
        InputError: If the model is not built.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="dense")])
        >>> summarise(model).macs
        32
    """
    result = summarise(model)
    console().print(result.table())
    if result.groups:
        console().print(result.group_table())
    for line in result.notes():
        print(f"tfprune: {line}")
    return result
