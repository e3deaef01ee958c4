"""`compare_layers`: what each layer of a network has lost when it became smaller."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import tree
from rich.table import Table
from rich.text import Text

from tfprune.analysis.common import Pair, common_layers, matched_tensors
from tfprune.analysis.likeness import Alignment, Noise
from tfprune.analysis.rendering import as_text, new_table, number, plain
from tfprune.analysis.samples import arrays_of
from tfprune.arguments import named_arguments
from tfprune.console import track
from tfprune.errors import InputError
from tfprune.graph import Graph, trace
from tfprune.refit.measure import likeness
from tfprune.refit.network import Network
from tfprune.shown import Shown
from tfprune.statistics.examples import Examples

__all__ = ["LayerChange", "LayerChanges", "compare_layers"]


@dataclass(frozen=True)
class LayerChange:
    """What a layer has lost.

    Args:
        layer: Its path in the network before.
        channels: How many channels it has, before and after; None where it has none.
        cka: Linear centred kernel alignment of its outputs before and after, 1 where they are alike up to a rotation
            and a scale; it needs no channel to be known.
        snr: Signal-to-noise ratio of its outputs in dB, of the channels that are left: with all that the layers before
            it have lost. None where channels can't be told apart.
        own_snr: The same if it is given what the layer before was given: what it has lost itself. Infinite if nothing.
    """

    layer: str
    channels: tuple[int, int] | None
    cka: float
    snr: float | None
    own_snr: float | None


@dataclass(frozen=True)
class LayerChanges(Shown):
    """What the layers of a network have lost.

    Args:
        before: Name of the network before.
        after: Name of the network after.
        layers: Its common layers, in order.
        error: Squared difference of the networks' outputs, relative to their variance; None if their shapes differ.
        agreement: The share of samples with the same top class; None if no output is a vector of classes.
        missing: Layers that one of the two lacks.

    Example:
        >>> first = LayerChange("conv_1", (8, 6), cka=0.99, snr=22.0, own_snr=22.0)
        >>> second = LayerChange("conv_2", (8, 2), cka=0.83, snr=6.1, own_snr=6.5)
        >>> found = LayerChanges("original", "small", (first, second), error=0.2, agreement=0.91)
        >>> found.lost_most, found.layer("conv_2").channels
        ('conv_2', (8, 2))
    """

    before: str
    after: str
    layers: tuple[LayerChange, ...]
    error: float | None
    agreement: float | None
    missing: tuple[str, ...] = ()

    @property
    def lost_most(self) -> str | None:
        """The layer that has lost most itself; where that is not known, that whose outputs are least alike."""
        own = {each.layer: each.own_snr for each in self.layers if each.own_snr is not None}
        own = {name: value for name, value in own.items() if math.isfinite(value)}
        if own:
            return min(own, key=lambda name: own[name] or 0.0)
        alike = {each.layer: each.cka for each in self.layers if math.isfinite(each.cka) and each.cka < 1 - 1e-9}
        return min(alike, key=lambda name: alike[name], default=None)

    def layer(self, name: str) -> LayerChange:
        """Return what a layer has lost."""
        for each in self.layers:
            if each.layer == name:
                return each
        raise InputError(f"There is no layer {name!r}; there are {', '.join(each.layer for each in self.layers)}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; infinite ratios are None."""
        found: dict[str, Any] = plain({**asdict(self), "lost_most": self.lost_most})
        return found

    def table(self) -> Table:
        """Return a rich table of the layers."""
        columns = ("layer", "channels", "CKA", "SNR (dB)", "own SNR (dB)")
        table = new_table(f"{self.before} → {self.after}", *columns)
        for each in self.layers:
            channels = "–" if each.channels is None else " → ".join(map(str, dict.fromkeys(each.channels)))
            mark = " ←" if each.layer == self.lost_most else ""
            cells = [f"{each.cka:.4f}", number(each.snr), number(each.own_snr) + mark]
            table.add_row(Text(each.layer), channels, *cells)
        return table

    def __str__(self) -> str:
        lines = [as_text(self.table())]
        if self.error is not None:
            same = "" if self.agreement is None else f", the same top class for {self.agreement:.1%}"
            lines.append(f"outputs differ by {self.error:.2%} of their variance{same}")
        if self.lost_most is not None:
            lines.append(f"lost most: {self.lost_most}")
        return "\n".join(lines)


@named_arguments()
def compare_layers(
    before: keras.Model, after: keras.Model, data: Any, *, samples: int = 256, batch: int = 64, progress: bool = True
) -> LayerChanges:
    """Say for each layer that two networks have in common how far its outputs have changed, and which lost most.

    Channels are matched where `tfprune.shrink`, `prune_filters` or `factorize` made the one network of the other in
    this process; else where a layer has as many in both.

    Args:
        before: The network as it was.
        after: The network that came of it.
        data: Anything `fit` takes; labels are not needed.
        samples: How many samples are used at most; at least 4.
        batch: How many go through the networks at once; the larger the better CKA is estimated.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        What each layer has lost.

    Raises:
        InputError: If they have no layer in common, or the data don't fit.

    Example:
        >>> before = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="hidden"), keras.layers.Dense(2)])
        >>> after = tfprune.shrink(before, {"hidden": [0, 3]})
        >>> found = compare_layers(before, after, np.random.default_rng(0).normal(size=(64, 4)))
        >>> found.layer("hidden").channels, found.layer("hidden").snr, found.lost_most == "hidden"
        ((8, 6), inf, False)
    """
    examples = Examples(before, data, samples, batch)
    if examples.count < 4 or batch < 4:
        raise InputError(f"There are {examples.count} samples in batches of {batch}; give at least 4.")
    graphs = trace(before), trace(after)
    pairs = common_layers(*graphs)
    if not pairs:
        raise InputError(
            f"{before.name!r} and {after.name!r} have no layer of the same name; give a network and its like."
        )
    networks = Network(graphs[0]), Network(graphs[1])
    own = {pair.name: feeds_of(pair, matched_tensors(*graphs, pairs)) for pair in pairs}
    alike = {pair.name: Alignment() for pair in pairs}
    noise = {pair.name: Noise(-1 if pair.axis is None else pair.axis) for pair in pairs}
    alone = {pair.name: Noise(-1 if pair.axis is None else pair.axis) for pair in pairs}
    outputs: tuple[list[Any], list[Any]] = ([], [])
    arrays = arrays_of(examples)
    starts = range(0, examples.count, batch)
    for start in track(starts, len(starts), "layers", progress):
        sets = [wanted_of(graph, side, pairs, own) for side, graph in enumerate(graphs)]
        found = [
            dict(zip(wanted, network.values(wanted, given_to(graph, arrays, start, batch)), strict=True))
            for graph, network, wanted in zip(graphs, networks, sets, strict=True)
        ]
        for pair in pairs:
            old = found[0][pair.before.results[0].index]
            new = found[1][pair.after.results[0].index]
            alike[pair.name].add(old, new)
            if not pair.comparable:
                continue
            noise[pair.name].add(pair.aligned(old), new)
            feeds = own[pair.name]
            if feeds is not None:
                given = {
                    index: found[0][source] if how is None else how.aligned(found[0][source])
                    for index, (source, how) in feeds.items()
                }
                (made,) = networks[1].values([pair.after.results[0].index], given)
                alone[pair.name].add(pair.aligned(old), made)
        for side, graph in enumerate(graphs):
            outputs[side].append([found[side][tensor.index] for tensor in tree.flatten(graph.trace.outputs)])
    layers = tuple(
        LayerChange(
            pair.name,
            channels_of(pair),
            alike[pair.name].value,
            noise[pair.name].decibels if pair.comparable else None,
            alone[pair.name].decibels if pair.comparable and own[pair.name] is not None else None,
        )
        for pair in pairs
    )
    ends = [[np.concatenate(each).astype(np.float64) for each in zip(*side, strict=True)] for side in outputs]
    same = [each.shape for each in ends[0]] == [each.shape for each in ends[1]]
    like = likeness(*ends) if same else None
    return LayerChanges(
        before.name,
        after.name,
        layers,
        None if like is None else like.error,
        None if like is None else like.agreement,
        missing_of(graphs, pairs),
    )


def feeds_of(pair: Pair, matched: dict[int, tuple[int, Pair | None]]) -> dict[int, tuple[int, Pair | None]] | None:
    """Return what a layer is given in the network before, by its tensors after; None if that is not known."""
    if any(tensor.index not in matched for tensor in pair.after.inputs) or not pair.after.inputs:
        return None
    return {tensor.index: matched[tensor.index] for tensor in pair.after.inputs}


def wanted_of(graph: Graph, side: int, pairs: list[Pair], own: dict[str, Any]) -> list[int]:
    """Return the numbers of all tensors of a network that are looked at."""
    wanted = [(pair.before, pair.after)[side].results[0].index for pair in pairs]
    wanted += [tensor.index for tensor in tree.flatten(graph.trace.outputs)]
    if side == 0:
        wanted += [source for feeds in own.values() if feeds is not None for source, _ in feeds.values()]
    return list(dict.fromkeys(wanted))


def given_to(graph: Graph, arrays: list[Any], start: int, batch: int) -> dict[int, Any]:
    """Return the inputs of a batch, by the numbers of their tensors."""
    inputs = tree.flatten(graph.trace.inputs)
    return {tensor.index: array[start : start + batch] for tensor, array in zip(inputs, arrays, strict=True)}


def channels_of(pair: Pair) -> tuple[int, int] | None:
    """Return how many channels a layer has before and after."""
    if pair.axis is None:
        return None
    sizes = pair.before.results[0].shape[pair.axis], pair.after.results[0].shape[pair.axis]
    return None if None in sizes else (sizes[0] or 0, sizes[1] or 0)


def missing_of(graphs: tuple[Graph, Graph], pairs: list[Pair]) -> tuple[str, ...]:
    """Return the layers with weights that one of two networks lacks."""
    have = {id(pair.before.operation) for pair in pairs} | {id(pair.after.operation) for pair in pairs}
    nodes = [node for graph in graphs for node in graph.nodes if isinstance(node.operation, keras.Layer)]
    return tuple(
        dict.fromkeys(node.path for node in nodes if node.operation.weights and id(node.operation) not in have)
    )
