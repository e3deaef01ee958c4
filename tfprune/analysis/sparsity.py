"""`sparsity_patterns`: where a network's zeros lie, which channels are dead, and what the others answer to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from rich.table import Table
from rich.text import Text

from tfprune.analysis.channel_activity import Activity, observe, responses_of
from tfprune.analysis.channel_pattern import (
    ChannelPattern,
    duplicates_of,
    filter_likeness,
    unread_of,
    zero_of,
)
from tfprune.analysis.kernel_pattern import PATTERNS, KernelPattern, look_at
from tfprune.analysis.places import output_labels, places_of
from tfprune.analysis.rendering import as_text, listed, new_table, percent, plain
from tfprune.analysis.samples import class_numbers
from tfprune.arguments import named_arguments
from tfprune.errors import InputError, no_weights
from tfprune.graph import ChannelGroup, Graph, trace
from tfprune.graph.tree import walk
from tfprune.numbers import is_real
from tfprune.pruning.mask import read
from tfprune.pruning.selection import find_kernels
from tfprune.shown import Shown
from tfprune.statistics.examples import Examples

__all__ = ["SparsityPatterns", "sparsity_patterns"]


@dataclass(frozen=True)
class SparsityPatterns(Shown):
    """Where the zeros of a network lie.

    Args:
        name: Name of the model.
        kernels: Its kernels.
        channels: Its channel groups; None if it can't be traced.
        classes: The classes of the samples; none without labels.
        untraced: Why it can't be traced; else None.

    Example:
        >>> layers = [keras.layers.Dense(4, name="hidden"), keras.layers.Dense(1, name="out")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> _ = tfprune.prune_layer(layers[0], 0.5)
        >>> found = sparsity_patterns(model)
        >>> found.zeros, found.sparsity, found.distribution["hidden/kernel"]
        (8, 0.4, 1.0)
        >>> found.kernel("hidden").sparsity
        0.5
    """

    name: str
    kernels: tuple[KernelPattern, ...]
    channels: tuple[ChannelPattern, ...] | None
    classes: tuple[int, ...] = ()
    untraced: str | None = None

    @property
    def sparsity(self) -> float:
        """Share of zeros over all kernels."""
        return self.zeros / max(sum(kernel.size for kernel in self.kernels), 1)

    @property
    def zeros(self) -> int:
        """Zeros in all kernels together."""
        return sum(round(kernel.sparsity * kernel.size) for kernel in self.kernels)

    @property
    def distribution(self) -> dict[str, float]:
        """The share of all zeros that lie in each kernel, by its path."""
        total = max(self.zeros, 1)
        return {kernel.path: round(kernel.sparsity * kernel.size) / total for kernel in self.kernels}

    def kernel(self, path: str) -> KernelPattern:
        """Return the kernel of a path, such as `"conv/kernel"`, or of a layer."""
        for each in self.kernels:
            if path in (each.path, each.path.rpartition("/")[0]):
                return each
        raise InputError(f"There is no kernel {path!r}; there are {', '.join(k.path for k in self.kernels)}.")

    def group(self, name: str) -> ChannelPattern:
        """Return the channels of a group."""
        for each in self.channels or ():
            if each.name == name:
                return each
        raise InputError(f"There is no group {name!r}; there are {', '.join(g.name for g in self.channels or ())}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        channels = None if self.channels is None else [each.to_dict() for each in self.channels]
        totals = {"name": self.name, "sparsity": self.sparsity, "classes": self.classes, "untraced": self.untraced}
        return {**plain(totals), "kernels": [each.to_dict() for each in self.kernels], "channels": channels}

    def table(self) -> Table:
        """Return a rich table of the kernels."""
        names = list(dict.fromkeys(name for kernel in self.kernels for name in kernel.fits if ":" in name))
        columns = ("kernel", "sparsity", "of all zeros", "pattern", "zero filters", "unread inputs", *names)
        table = new_table(f"{self.name}: {self.sparsity:.1%} zeros", *columns)
        shares = self.distribution
        for each in self.kernels:
            fits = [percent(each.fits[name].satisfied) if name in each.fits else "–" for name in names]
            cells = [percent(each.sparsity), percent(shares[each.path]), each.pattern]
            dead = [str(len(each.zero_filters)), str(len(each.unread_inputs))]
            table.add_row(Text(each.path), *cells, *dead, *fits)
        return table

    def channel_table(self) -> Table:
        """Return a rich table of the channel groups: what of them can go."""
        table = new_table(f"{self.name}: channels", "group", "channels", "zero", "unread", "silent", "duplicates")
        for each in self.channels or ():
            pairs = [f"{pair.first}={pair.second}" for pair in each.duplicates]
            told = ", ".join(pairs[:6]) + (f", … ({len(pairs)})" if len(pairs) > 6 else "")
            silent = "–" if each.silent is None else listed(each.silent)
            table.add_row(Text(each.name), str(each.size), listed(each.zero), listed(each.unread), silent, told)
        return table

    def __str__(self) -> str:
        parts = [as_text(self.table())]
        if self.channels:
            parts.append(as_text(self.channel_table()))
        if self.untraced:
            parts.append(f"channels are not known: {self.untraced}")
        return "\n".join(parts)


@named_arguments()
def sparsity_patterns(
    model: keras.Model,
    data: Any = None,
    *,
    patterns: Sequence[str | tuple[int, int]] = PATTERNS,
    threshold: float = 0.99,
    samples: int = 512,
    batch: int = 32,
    top: int = 5,
    progress: bool = True,
) -> SparsityPatterns:
    """Say where the zeros of a network lie, which channels carry nothing or the same, and what the others answer to.

    Args:
        model: A built model; it is only read.
        data: Anything `fit` takes: shows which channels are silent and which carry the same; with class labels also
            which classes each answers to. None looks at the weights only.
        patterns: N:M patterns and blocks (outputs, inputs) to look for.
        threshold: From which cosine on two channels are duplicates, up to a factor: of their activations (correlation
            too) where there are data, else of their filters, in (0, 1].
        samples: How many samples are used at most.
        batch: How many go through the network at once.
        top: How many samples are named that a channel answers to most.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The patterns of each kernel and of each channel group.

    Raises:
        InputError: If the model is not built, the data don't fit it, or an argument makes no sense.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(1)])
        >>> model.layers[0].kernel.assign([[1, 2, 0, 3], [0, 0, 0, 1], [1, 2, 0, 1], [0, 0, 0, 0]])
        <...>
        >>> found = sparsity_patterns(model)
        >>> found.kernel("hidden").zero_filters, found.kernel("hidden").unread_inputs
        ((2,), (3,))
        >>> [(pair.first, pair.second, pair.scale) for pair in found.group("hidden").duplicates]
        [(0, 1, 2.0)]
    """
    if not is_real(threshold) or not 0 < threshold <= 1:
        raise InputError(f"threshold is {threshold!r}; give a number in (0, 1], such as 0.99.")
    kernels, _ = find_kernels(dict(walk(model)))
    if not model.built or not model.weights:
        raise no_weights(model)
    found = tuple(look_at(each.path, read(each.variable), each.axes, patterns) for each in kernels)
    examples = None if data is None else Examples(model, data, samples, batch)
    labels = None if examples is None else class_numbers(examples.y)
    classes = () if labels is None else tuple(np.unique(labels).tolist())
    try:
        graph = trace(model)
    except InputError as error:
        return SparsityPatterns(model.name, found, None, classes, str(error))
    active = {} if examples is None else activities(graph, examples, progress)
    outputs = output_labels(graph)
    channels = []
    for group in graph.groups:
        activity = active.get(group.name)
        zero = zero_of(group)
        unread = unread_of(group) & ~np.isin(graph.roots(group.labels), list(outputs))
        silent = np.zeros(group.size, bool) if activity is None else activity.largest == 0
        moments = () if activity is None else activity.moments()
        usable = ~zero & ~silent & ~unread
        channels.append(
            ChannelPattern(
                group.name,
                group.kind,
                group.size,
                tuple(np.flatnonzero(zero).tolist()),
                tuple(np.flatnonzero(unread).tolist()),
                None if activity is None else tuple(np.flatnonzero(silent).tolist()),
                duplicates_of(usable, *filter_likeness(group), moments, threshold),
                None
                if activity is None
                else responses_of(activity, labels, classes, np.flatnonzero(silent).tolist(), top),
            )
        )
    return SparsityPatterns(model.name, found, tuple(channels), classes)


def activities(graph: Graph, examples: Examples, progress: bool) -> dict[str, Activity]:
    """Return what the channels of each group carry on samples, by its name, where they can be seen."""
    seen: list[ChannelGroup] = []
    places = []
    for group, own in zip(graph.groups, places_of(graph, graph.groups), strict=True):
        if own:
            seen.append(group)
            places.append(own)
    found = observe(graph, places, examples, progress) if places else []
    return {group.name: activity for group, activity in zip(seen, found, strict=True)}
