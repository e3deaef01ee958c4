"""How many channels a group may keep: multiples, a least number, and what the user asked for by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.graph import ChannelGroup, Graph
from tfprune.graph.choice import LayerChoice, inside
from tfprune.graph.tree import walk
from tfprune.numbers import is_integer, is_real
from tfprune.schedules import check_sparsity

__all__ = ["Limits", "make_limits", "resolve_choices"]


@dataclass(frozen=True)
class Limits:
    """How many channels a group may keep.

    Args:
        round_to: Kept channels are a multiple of this, or all that there are; 8 suits most processors, 16 int8.
        min_channels: No group keeps fewer.
        least: Higher numbers that some groups keep at least, by name.
    """

    round_to: int = 1
    min_channels: int = 1
    least: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("round_to", "min_channels"):
            value = getattr(self, name)
            if not is_integer(value) or value < 1:
                raise InputError(f"{name} is {value!r}; give an int from 1.")

    def allowed(self, group: ChannelGroup) -> NDArray[np.int64]:
        """Return the numbers of channels that a group may keep, rising; all that it has is always one."""
        width = next((entry.positions.shape[1] for entry in group.slices if entry.role == "output"), 1)
        counts = np.arange(1, group.size + 1)
        least = max(self.min_channels, self.least.get(group.name, 1))
        fits = (counts * width % self.round_to == 0) & (counts >= least)
        fits[-1] = True
        found: NDArray[np.int64] = counts[fits]
        return found

    def nearest(self, group: ChannelGroup, count: float) -> int:
        """Return the allowed number of channels nearest to a wanted one, of two equally near the higher."""
        allowed = self.allowed(group)[::-1]
        return int(allowed[np.argmin(np.abs(allowed - count))])


def resolve_choices(
    graph: Graph,
    layers: Sequence[LayerChoice] | None,
    skip: Sequence[LayerChoice] | None,
    per_layer: Mapping[keras.Layer | str, float | int] | None,
) -> tuple[list[ChannelGroup], dict[str, float | int]]:
    """Return the groups with what the user chose noted as their reason, and what is wanted of some by name.

    Args:
        graph: The graph.
        layers: Only channels that these layers make.
        skip: None that these layers make.
        per_layer: For the channels that a layer makes: the fraction to remove as a float, or the number to keep.

    Raises:
        InputError: If a layer is unknown, makes no channels that can be pruned, or a number is out of range.
    """
    everything = dict(walk(graph.model))
    makers = {node.path: node.operation for node in graph.nodes}
    wanted = None if layers is None else inside(everything, layers)
    unwanted = inside(everything, skip or ())
    groups = []
    for group in graph.groups:
        made_by = {id(makers[path]) for path in group.layers if path in makers}
        reason = group.reason
        if reason is None and made_by & unwanted:
            reason = "skipped by name"
        elif reason is None and wanted is not None and not made_by & wanted:
            reason = "not chosen"
        groups.append(replace(group, reason=reason))
    own: dict[str, float | int] = {}
    for choice, value in (per_layer or {}).items():
        for group in made_in(graph, groups, choice):
            name = choice if isinstance(choice, str) else choice.name
            if not group.prunable:
                raise InputError(f"The channels of {name!r} can't be pruned: {group.reason}.")
            own[group.name] = check_wanted(name, value, group.size)
    return groups, own


def made_in(graph: Graph, groups: Sequence[ChannelGroup], choice: LayerChoice) -> list[ChannelGroup]:
    """Return the groups whose channels a layer makes.

    Raises:
        InputError: If the layer is unknown or makes none.
    """
    makers = {node.path: node.operation for node in graph.nodes}
    chosen = inside(dict(walk(graph.model)), [choice])
    found = [group for group in groups if any(id(makers[path]) in chosen for path in group.layers if path in makers)]
    if not found:
        name = choice if isinstance(choice, str) else getattr(choice, "name", choice)
        raise InputError(f"The layer {name!r} makes no channels; give one that does.")
    return found


def make_limits(
    graph: Graph,
    groups: Sequence[ChannelGroup],
    round_to: int,
    min_channels: int | Mapping[keras.Layer | str, int],
) -> Limits:
    """Return limits from a least number of channels for all groups, or for those that some layers make."""
    if not isinstance(min_channels, Mapping):
        return Limits(round_to, min_channels)
    least: dict[str, int] = {}
    for choice, count in min_channels.items():
        Limits(round_to, count)  # refuses what is no number
        least.update({group.name: count for group in made_in(graph, groups, choice)})
    return Limits(round_to, 1, least)


def check_wanted(name: str, value: float | int, size: int) -> float | int:
    """Return a sparsity or a number of channels to keep, refusing what is out of range."""
    if is_integer(value):
        if not 1 <= value <= size:
            raise InputError(f"{name!r} has {size} channels; {value!r} of them can't be kept. Give 1 to {size}.")
        return int(value)
    if not is_real(value):
        raise InputError(f"{value!r} is given for {name!r}; give a fraction to remove, or a number to keep.")
    return check_sparsity(value, f"The sparsity of {name!r}")
