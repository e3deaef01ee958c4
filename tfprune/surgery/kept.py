"""Which channels of the whole network the layers of a smaller one have kept."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.graph.cut import Cut
from tfprune.graph.graph import Graph

__all__ = ["Kept", "channel_axis", "kept_channels", "record_kept", "set_kept_channels"]


@dataclass(frozen=True)
class Kept:
    """What a layer has kept of the channels that it makes.

    Args:
        layer: Path of the layer in the whole network.
        channels: Numbers of its channels there, in order, int (channels,).
        size: How many channels it has there.

    Example:
        >>> kept = Kept("conv_1", [0, 2, 3], size=4)
        >>> kept.get_config()
        {'layer': 'conv_1', 'channels': [0, 2, 3], 'size': 4}
    """

    layer: str
    channels: NDArray[np.int64] | Sequence[int] = field(repr=False)
    size: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", np.asarray(self.channels, dtype=np.int64))

    def get_config(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON."""
        return {"layer": self.layer, "channels": np.asarray(self.channels).tolist(), "size": self.size}


RECORDS: weakref.WeakKeyDictionary[keras.Model, dict[str, Kept]] = weakref.WeakKeyDictionary()


def kept_channels(model: keras.Model) -> Mapping[str, Kept]:
    """Return what the layers of a model have kept of the channels of the network that it was cut from, by their names.

    It is known as long as the model lives that `tfprune.shrink`, `prune_filters` or `factorize` returned, and not after
    it has been saved and loaded.

    Args:
        model: The smaller model.

    Returns:
        Nothing if it was not cut, or nobody knows.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> kept_channels(tfprune.shrink(model, {"conv": [0, 2]}))["conv"].channels
        array([1, 3])
    """
    return RECORDS.get(model, {})


def set_kept_channels(model: keras.Model, kept: Mapping[str, Kept]) -> None:
    """Note what the layers of a model have kept, by their names, as it was known of the same model before."""
    RECORDS[model] = dict(kept)


def record_kept(graph: Graph, cut: Cut, names: Mapping[int, str], model: keras.Model) -> None:
    """Note what a model has kept of a graph's channels.

    Args:
        graph: The graph.
        cut: What is left of it.
        names: The name of the layer that has taken a layer's place, by `id` of the graph's.
        model: The model.
    """
    before = kept_channels(graph.model)
    found = {}
    for node in graph.nodes:
        layer = node.operation
        if not isinstance(layer, keras.Layer) or id(layer) not in names or len(node.results) != 1:
            continue
        (tensor,) = node.results
        axis = channel_axis(layer, tensor.rank)
        size = None if axis is None else tensor.shape[axis]
        if axis is None or size is None:
            continue
        labels = cut.axes(tensor)[axis]
        channels = np.arange(size) if labels is None else np.asarray(cut.kept(np.asarray(labels).reshape(-1)))
        kept = Kept(node.path, channels, size)
        if layer.name in before:
            older = before[layer.name]
            kept = Kept(older.layer, np.asarray(older.channels)[channels], older.size)
        found[names[id(layer)]] = kept
    set_kept_channels(model, found)


def channel_axis(layer: keras.Layer, rank: int) -> int | None:
    """Return the axis of the channels that a layer makes; None of what has no axes but that of the samples."""
    if rank < 2:
        return None
    return 1 if getattr(layer, "data_format", None) == "channels_first" and rank > 2 else rank - 1
