"""Layers taken apart, channels put into the order of their branches, and layers with a block for each branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, tree
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.graph import Graph
from tfprune.graph.choice import LayerChoice, inside
from tfprune.graph.tree import walk
from tfprune.partition.width import Split
from tfprune.refit.network import Network

__all__ = ["InBranches", "copies_of", "reorder", "take_apart"]


@dataclass(frozen=True)
class InBranches:
    """What takes the place of a layer whose kernel has blocks along its diagonal and zeros besides.

    Args:
        layer: The layer.
        groups: How many blocks there are.
    """

    layer: Any
    groups: int

    def make(self, name: str) -> list[Any]:
        """Return a convolution in groups, or a `Dense` layer for each branch and what puts them together."""
        config = self.layer.get_config()
        if not isinstance(self.layer, layers.Dense):
            return [type(self.layer).from_config({**config, "groups": self.groups, "name": name})]
        units = config["units"] // self.groups
        each = [
            layers.Dense.from_config({**config, "units": units, "name": f"{name}_branch_{number}"})
            for number in range(1, self.groups + 1)
        ]
        return [*each, layers.Concatenate(name=name)]

    def call(self, made: Sequence[Any], x: Any) -> Any:
        """Return what it makes of a tensor."""
        if len(made) == 1:
            return made[0](x)
        size = x.shape[-1] // self.groups
        return made[-1]([layer(x[..., n * size : (n + 1) * size]) for n, layer in enumerate(made[:-1])])

    def fill(self, made: Sequence[Any]) -> None:
        """Give the layers the blocks."""
        kernel = self.layer.kernel.numpy()
        ins, outs = (size // self.groups for size in kernel.shape[-2:])
        blocks = [
            kernel[..., n * ins : (n + 1) * ins, n * outs : (n + 1) * outs] for n in range(self.groups)
        ]  # fmt: skip
        if len(made) == 1:
            made[0].kernel.assign(np.concatenate(blocks, axis=-1))
            if self.layer.use_bias:
                made[0].bias.assign(self.layer.bias.numpy())
            return
        for n, (layer, block) in enumerate(zip(made[:-1], blocks, strict=True)):
            layer.kernel.assign(block)
            if self.layer.use_bias:
                layer.bias.assign(self.layer.bias.numpy()[n * outs : (n + 1) * outs])


def copies_of(model: keras.Model, copied: Network, chosen: Sequence[LayerChoice]) -> list[Any]:
    """Return the copies of chosen layers."""
    wanted = inside(dict(walk(model)), chosen)
    return [made for key, made in copied.operations.items() if key in wanted and isinstance(made, keras.Layer)]


def take_apart(split: Split, inputs: NDArray[np.int64], outputs: NDArray[np.int64]) -> None:
    """Set to zero what connects channels of different branches."""
    kernel = split.layer.kernel
    kernel.assign(kernel.numpy() * (inputs[:, None] == outputs[None]))


def reorder(graph: Graph, found: Mapping[str, NDArray[np.int64]], groups: int) -> dict[int, int]:
    """Put channels into the order of their branches, in all variables; return the branch of each channel's label."""
    samples = [
        np.random.default_rng(0).uniform(size=(2, *(size or 1 for size in x.shape[1:]))).astype(x.dtype)
        for x in tree.flatten(graph.trace.inputs)
    ]
    pack = tree.pack_sequence_as(graph.trace.inputs, samples)
    before = [np.asarray(x) for x in tree.flatten(graph.model(pack))]
    place: dict[int, int] = {}
    for name, branches in found.items():
        group = graph.group(name)
        order = np.argsort(branches, kind="stable")
        for one in group.slices:
            index = np.arange(one.variable.shape[one.axis])
            index[one.positions] = one.positions[order]
            one.variable.assign(one.variable.numpy().take(index, axis=one.axis))
        place.update((int(label), n * groups // group.size) for n, label in enumerate(group.labels))
    after = [np.asarray(x) for x in tree.flatten(graph.model(pack))]
    if not all(np.allclose(x, y, rtol=1e-2, atol=1e-3 * np.abs(x).max()) for x, y in zip(before, after, strict=True)):
        raise InputError(
            f"The channels of {', '.join(map(repr, list(found)[:4]))} can't be put into another order, as something in "
            "this network depends on it; split other layers (layers=)."
        )
    return place
