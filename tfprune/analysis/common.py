"""Which layers of two networks are the same, and which of its channels the smaller one has kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from tfprune.graph import Graph
from tfprune.graph.node import Node
from tfprune.surgery.kept import channel_axis, kept_channels

__all__ = ["Pair", "common_layers", "matched_tensors"]


@dataclass(frozen=True)
class Pair:
    """A layer that two networks have.

    Args:
        name: Path of the layer in the network that is whole.
        before: Its call there.
        after: Its call in the other.
        axis: The axis of its channels; None if it has none.
        kept: Numbers of the channels that the other one has kept; None if that is not known.
    """

    name: str
    before: Node = field(repr=False)
    after: Node = field(repr=False)
    axis: int | None
    kept: NDArray[np.int64] | None = field(repr=False)

    def aligned(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return those channels of what the whole network's layer makes that the other one's has."""
        return values if self.axis is None or self.kept is None else np.take(values, self.kept, axis=self.axis)

    @property
    def comparable(self) -> bool:
        """Whether it is known which channel is which."""
        return self.kept is not None


def common_layers(before: Graph, after: Graph) -> list[Pair]:
    """Return the layers that two networks have in common, in order.

    Layers have the same name; where `tfprune` has cut the one out of the other, it knows also which channels are left.
    Else channels are taken to be the same where there are as many. Each layer counts once, at its first call.

    Args:
        before: The network that is whole.
        after: The other one.
    """
    known = kept_channels(after.model)
    there: dict[str, Node] = {}
    for node in before.nodes:
        if isinstance(node.operation, keras.Layer) and len(node.results) == 1:
            there.setdefault(node.path, node)
            there.setdefault(node.operation.name, node)
    found, seen = [], set()
    for node in after.nodes:
        layer = node.operation
        if not isinstance(layer, keras.Layer) or len(node.results) != 1:
            continue
        record = known.get(layer.name)
        names = ([record.layer] if record is not None else []) + [node.path, layer.name]
        partner = next((there[name] for name in names if name in there), None)
        if partner is None or partner.path in seen or partner.results[0].rank != node.results[0].rank:
            continue
        seen.add(partner.path)
        axis = channel_axis(partner.operation, partner.results[0].rank)
        kept = kept_of(partner, node, axis, record)
        found.append(Pair(partner.path, partner, node, axis, kept))
    return found


def kept_of(before: Node, after: Node, axis: int | None, record: Any) -> NDArray[np.int64] | None:
    """Return which channels of a layer are left; None if that is not known."""
    old, new = before.results[0].shape, after.results[0].shape
    rest = [place for place in range(len(old)) if place != axis]
    if axis is None or any(old[place] != new[place] for place in rest):
        return np.arange(0) if axis is None and old == new else None
    if record is not None and record.size == old[axis] and len(record.channels) == new[axis]:
        return np.asarray(record.channels)
    return np.arange(old[axis] or 0) if old[axis] == new[axis] else None


def matched_tensors(before: Graph, after: Graph, pairs: list[Pair]) -> dict[int, tuple[int, Pair | None]]:
    """Return for tensors of the other network which one of the whole network's they stand for, and how to align it.

    Args:
        before: The network that is whole.
        after: The other one.
        pairs: Their common layers.
    """
    found: dict[int, tuple[int, Pair | None]] = {}
    for old, new in zip(tree.flatten(before.trace.inputs), tree.flatten(after.trace.inputs), strict=False):
        if old.shape == new.shape:
            found[new.index] = (old.index, None)
    for pair in pairs:
        if pair.comparable:
            found[pair.after.results[0].index] = (pair.before.results[0].index, pair)
    functions = {node.operation.name: node for node in before.nodes if not isinstance(node.operation, keras.Layer)}
    for node in after.nodes:
        partner = functions.get(node.operation.name)
        if isinstance(node.operation, keras.Layer) or partner is None or partner.kind != node.kind:
            continue
        for old, new in zip(partner.results, node.results, strict=False):
            if old.shape == new.shape:
                found[new.index] = (old.index, None)
    return found
