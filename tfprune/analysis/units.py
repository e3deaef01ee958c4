"""What can be switched off in a network: layers, residual blocks, channel groups, or channels that the user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import tree

from tfprune.analysis.intervene import Change
from tfprune.analysis.places import places_of
from tfprune.errors import InputError, nearest
from tfprune.graph import Graph
from tfprune.pruning.kernels import NORMALISATIONS

__all__ = ["KINDS", "Switch", "changes", "switches"]

KINDS = ("layers", "blocks", "groups")
"""What can be asked for by name."""


@dataclass(frozen=True)
class Switch:
    """Something that can be switched off.

    Args:
        name: What it is called.
        tensors: What is left of each tensor, by its number, when it is off: 0 where it is zero and 1 elsewhere, of a
            shape that can be multiplied with the tensor.
        instead: For a tensor the number of another that takes its place.
    """

    name: str
    tensors: Mapping[int, Any] = field(repr=False)
    instead: Mapping[int, int] = field(default_factory=dict, repr=False)

    def change(self, tensor: int, value: Any, before: Mapping[int, Any], on: Any) -> Any:
        """Return what is left of a tensor when this is on (1), off (0) or in between."""
        if tensor in self.instead:
            other = before[self.instead[tensor]]
            return other + keras.ops.cast(on, value.dtype) * (value - other)
        left = keras.ops.cast(self.tensors[tensor], value.dtype)
        on = keras.ops.cast(on, value.dtype)
        return value * (left + on * (1 - left))


def changes(found: Sequence[Switch], on: Any) -> dict[int, Change]:
    """Return what is made of a network's tensors when some of its switches are off.

    Args:
        found: The switches.
        on: 1 for each that is on and 0 for each that is off, a tensor (switches,).
    """
    by_tensor: dict[int, list[int]] = {}
    for number, switch in enumerate(found):
        for tensor in (*switch.tensors, *switch.instead):
            by_tensor.setdefault(tensor, []).append(number)

    def of(tensor: int, numbers: Sequence[int]) -> Change:
        def change(value: Any, before: Mapping[int, Any]) -> Any:
            for number in numbers:
                value = found[number].change(tensor, value, before, on[number])
            return value

        return change

    return {tensor: of(tensor, numbers) for tensor, numbers in by_tensor.items()}


def switches(graph: Graph, of: Any) -> list[Switch]:
    """Return what can be switched off.

    Args:
        graph: The graph.
        of: `"layers"` (what they make is zero), `"blocks"` (their shortcut alone is left), `"groups"` (their channels
            are zero where they are read), or channels of groups by names of the user's own.

    Raises:
        InputError: If there is nothing of that kind, or `of` is something else.
    """
    if isinstance(of, Mapping):
        return [named_switch(graph, str(name), channels) for name, channels in of.items()]
    if of == "blocks":
        found = [
            Switch(block.name, {}, {graph.nodes[block.position].results[0].index: block.shortcut.index})
            for block in graph.blocks
        ]
    elif of == "groups":
        groups = graph.groups
        found = [
            Switch(group.name, {place.tensor: place.without(range(group.size)) for place in places})
            for group, places in zip(groups, places_of(graph, groups), strict=True)
            if places
        ]
    elif of == "layers":
        found = layer_switches(graph)
    else:
        raise InputError(
            f"of is {of!r}; {nearest(of, KINDS)} Or give a dict of channels of groups by names of your own."
        )
    if not found:
        others = " or ".join(f'of="{kind}"' for kind in KINDS if kind != of)
        raise InputError(f"{graph.model.name!r} has no {of} that can be switched off; try {others}.")
    return found


def layer_switches(graph: Graph) -> list[Switch]:
    """Return the layers with weights, but for normalisations and those that make the outputs."""
    outputs = {tensor.index for tensor in tree.flatten(graph.trace.outputs)}
    found: dict[str, Switch] = {}
    for node in graph.nodes:
        layer = node.operation
        if not isinstance(layer, keras.Layer) or not layer.weights or isinstance(layer, NORMALISATIONS):
            continue
        indices = [tensor.index for tensor in node.results if "float" in tensor.dtype]
        if not indices or outputs & set(indices):
            continue
        known = found.get(node.path)
        found[node.path] = Switch(
            node.path, {**(known.tensors if known else {}), **{i: np.float32(0) for i in indices}}
        )
    return list(found.values())


def named_switch(graph: Graph, name: str, channels: Any) -> Switch:
    """Return the switch of channels that the user has named: `{"conv": [0, 1]}`, or a group's name for all of it."""
    wanted = {channels: None} if isinstance(channels, str) else channels
    if not isinstance(wanted, Mapping) or not wanted:
        raise InputError(f"{name!r} is {channels!r}; give channels of groups, such as {{'conv': [0, 1]}}.")
    tensors: dict[int, Any] = {}
    for group_name, numbers in wanted.items():
        group = graph.group(group_name)
        (places,) = places_of(graph, [group])
        chosen = list(range(group.size)) if numbers is None else [int(number) for number in numbers]
        if not places:
            raise InputError(f"No layer reads the channels of {group_name!r} where they could be switched off.")
        if not chosen or min(chosen) < 0 or max(chosen) >= group.size:
            raise InputError(f"The group {group_name!r} has the channels 0 to {group.size - 1}; {numbers!r} was given.")
        for place in places:
            tensors[place.tensor] = place.without(chosen) * tensors.get(place.tensor, np.float32(1))
    return Switch(name, tensors)
