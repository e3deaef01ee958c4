"""`tfprune.graph.trace(model)`: what a model is made of, and what of it can be removed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import keras
import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from tfprune.errors import InputError, nearest
from tfprune.graph.blocks import Block, find_blocks
from tfprune.graph.cut import Cut
from tfprune.graph.groups import ChannelGroup, find_groups
from tfprune.graph.labels import Resolved
from tfprune.graph.node import Node
from tfprune.graph.propagate import propagate
from tfprune.graph.trace import Trace, trace_calls
from tfprune.graph.walk import Walk
from tfprune.shown import Shown

__all__ = ["Graph", "trace"]


class Graph(Shown):
    """A model as a flat graph of operations, with its channel groups.

    Make one with `trace`. The model is only read.

    Args:
        model: A built model.

    Attributes:
        model: The model.
        nodes: Its operations, nested and composite ones opened, in the order in which they can run.
        groups: Its channel groups.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2, name="head")])
        >>> graph = trace(model)
        >>> [node.kind for node in graph.nodes]
        ['Conv2D', 'GlobalAveragePooling2D', 'Dense']
        >>> graph.group("conv").size, [group.name for group in graph.prunable]
        (4, ['conv'])
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._trace = trace_calls(model)
        self._walk = propagate(self._trace)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The operations, in the order in which they can run."""
        return tuple(self._trace.nodes)

    @cached_property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """The channel groups, in the order in which their channels are made."""
        return find_groups(self._walk, self._resolved)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The residual blocks whose branch can be left out, in order."""
        return find_blocks(self._trace)

    @property
    def prunable(self) -> tuple[ChannelGroup, ...]:
        """The groups of which something can be removed."""
        return tuple(group for group in self.groups if group.prunable)

    @property
    def opaque(self) -> tuple[Node, ...]:
        """The operations into which nobody can look, with the reason in `opaque`."""
        return tuple(node for node in self.nodes if node.opaque)

    def group(self, name: str) -> ChannelGroup:
        """Return the group of that name.

        Raises:
            InputError: If there is none; the message names the group that the channels of a layer of that name go with.
        """
        if name in self._by_name:
            return self._by_name[name]
        groups = [own.name for own in self.groups if any(f"/{path}".endswith(f"/{name}") for path in own.layers)]
        if groups:
            those = f"the group {groups[0]!r}" if len(groups) == 1 else f"the groups {', '.join(map(repr, groups))}"
            raise InputError(
                f"There is no channel group {name!r}: the channels of {name!r} go with {those}. Give numbers of "
                "channels under that name."
            )
        raise InputError(f"There is no channel group {name!r}. {nearest(name, list(self._by_name))}")

    def cut(self, removed: Iterable[int] | NDArray[np.integer]) -> Cut:
        """Return what is left when some channels are gone.

        Args:
            removed: Labels of the channels, from `ChannelGroup.labels`.
        """
        return Cut(self._walk, self._resolved.removed(int(label) for label in removed))

    def roots(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each of some labels the one that stands for all that are equal to it."""
        found: NDArray[np.int64] = self._resolved.root[labels]
        return found

    def kept(self, removed: Iterable[int]) -> NDArray[np.bool_]:
        """Return for each label whether it is kept when some channels are gone, bool (labels,)."""
        return ~self._resolved.removed(removed)

    def spread(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the values of channels, given at their labels, for each label, float (labels,)."""
        return self._resolved.spread(values)

    def gathered(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return for each channel the sum of what all labels have that go with it, float (labels,)."""
        return self._resolved.gathered(values)

    @property
    def trace(self) -> Trace:
        """The calls, with the model's inputs and outputs."""
        return self._trace

    @property
    def walk(self) -> Walk:
        """The labels of all tensors and variables."""
        return self._walk

    @cached_property
    def _by_name(self) -> dict[str, ChannelGroup]:
        return {group.name: group for group in self.groups}

    @cached_property
    def _resolved(self) -> Resolved:
        return self._walk.labels.resolve()

    def __str__(self) -> str:
        lines = [f"{self.model.name}: {len(self.nodes)} operations, {len(self.groups)} channel groups"]
        lines += [f"  {line}" for group in self.groups for line in str(group).splitlines()]
        lines += [f"  opaque {node.path} ({node.kind}): {node.opaque}" for node in self.opaque]
        return "\n".join(lines)

    def table(self) -> Table:
        """Return a rich table of the groups."""
        table = Table(title=Text(f"{self.model.name}: channel groups"))
        for column in ("group", "channels", "of what", "weights a channel", "variables", "kept because"):
            table.add_column(
                column, overflow="fold", justify="right" if column in ("channels", "variables") else "left"
            )
        for group in self.groups:
            weights = sum(entry.weights_per_channel for entry in group.slices)
            why = group.reason or (f"(inexact: {group.inexact})" if group.inexact else "")
            row = (str(group.size), group.kind, f"{weights:,}", str(len(group.slices)), why)
            table.add_row(Text(group.name), *row)
        return table


def trace(model: keras.Model) -> Graph:
    """Return the graph of operations of any Keras model, and its channel groups.

    Sequential and functional models are read, nested ones inlined; composite and subclassed layers and models are
    called once on symbolic tensors. What can't be looked into (raw TensorFlow code, a `Lambda`) is an opaque operation:
    its channels stay, and `Graph.opaque` has the reason. `register_rule` teaches it a layer.

    Args:
        model: A built model.

    Returns:
        The graph.

    Raises:
        InputError: If the model is not built, or can't be traced.

    Example:
        >>> layers = [keras.layers.Conv2D(4, 3, name="conv"), keras.layers.GlobalAveragePooling2D(),
        ...           keras.layers.Dense(2, name="head")]
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), *layers], name="example")
        >>> for group in trace(model).groups:
        ...     print(group)
        conv: 4 × filter, prunable
            output example/conv/kernel axis 3
            pass   example/conv/bias axis 0
            input  example/head/kernel axis 0
        head: 2 × unit, kept: the network's output
            output example/head/kernel axis 1
            pass   example/head/bias axis 0
    """
    return Graph(model)
