"""`error_injection`: what noise in one layer alone does to a network's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.table import Table
from rich.text import Text

from tfprune.analysis.intervene import Change, Effects
from tfprune.analysis.rendering import as_text, new_table, number, percent, plain
from tfprune.arguments import named_arguments
from tfprune.backend import need_tensorflow
from tfprune.console import track
from tfprune.errors import InputError
from tfprune.graph import Graph, trace
from tfprune.graph.choice import LayerChoice, inside
from tfprune.graph.node import Node
from tfprune.graph.tree import walk
from tfprune.numbers import is_integer, is_real
from tfprune.refit.measure import likeness
from tfprune.shown import Shown
from tfprune.statistics.examples import Examples
from tfprune.surgery.kept import channel_axis

__all__ = ["Sensitivities", "Sensitivity", "error_injection"]

need_tensorflow(__name__)

LARGE_PRIME = 7919
"""Keeps the seeds of layers, batches and repetitions apart."""

LARGEST = 2**31
"""Numbers that make up a seed are below this."""


@dataclass(frozen=True)
class Sensitivity:
    """What noise in a layer does.

    Args:
        layer: Its path.
        error: Squared difference of the network's outputs relative to their variance; the mean over the repetitions.
        spread: Standard deviation of that over the repetitions; 0 of one.
        agreement: Share of samples with the same top class; None if no output is a vector of classes.
        loss: By how much the loss rises; None where it is not known.
    """

    layer: str
    error: float
    spread: float
    agreement: float | None
    loss: float | None


@dataclass(frozen=True)
class Sensitivities(Shown):
    """What noise in each layer of a network does, the most sensitive first.

    Args:
        name: Name of the model.
        snr: The signal-to-noise ratio that each layer's outputs were given, in dB.
        layers: The layers.

    Example:
        >>> layers = (Sensitivity("conv_1", 0.08, 0.01, 0.9, None), Sensitivity("conv_2", 0.002, 0.0, 1.0, None))
        >>> found = Sensitivities("net", 20.0, layers)
        >>> found.layers[0].layer, found.layers[0].agreement  # the most sensitive
        ('conv_1', 0.9)
    """

    name: str
    snr: float
    layers: tuple[Sensitivity, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        found: dict[str, Any] = plain(asdict(self))
        return found

    def table(self) -> Table:
        """Return a rich table."""
        title = f"{self.name}: noise of {self.snr:g} dB in one layer"
        table = new_table(title, "layer", "output error", "±", "same class", "loss")
        for each in self.layers:
            loss = "–" if each.loss is None else f"{each.loss:+.3g}"
            table.add_row(Text(each.layer), percent(each.error), number(each.spread), percent(each.agreement), loss)
        return table

    def __str__(self) -> str:
        return as_text(self.table())


@named_arguments(noise="give snr=20, in decibels")
def error_injection(
    model: keras.Model,
    data: Any,
    *,
    snr: float = 20.0,
    layers: Sequence[LayerChoice] | None = None,
    repeats: int = 3,
    samples: int = 256,
    batch: int = 64,
    seed: int = 0,
    progress: bool = True,
) -> Sensitivities:
    """Add noise to the outputs of one layer after the other and measure what it does to the network's outputs.

    The noise is normal, independent, and as strong in each channel as its signal: its standard deviation is that of
    the channel's values on the data, times `10^(−snr/20)`. So it is what a compression of that quality would do to the
    layer if its errors were without structure; layers at the head of the list want to be compressed with care.

    Args:
        model: A built model; it is only read.
        data: Anything `fit` takes; with labels, and a compiled model, the loss is measured too.
        snr: Signal-to-noise ratio in dB; 20 is noise of a tenth of the signal.
        layers: The layers; None for all with weights other than normalisations.
        repeats: How often each layer's noise is drawn.
        samples: How many samples are used at most.
        batch: How many go through the network at once.
        seed: Seed of the noise, an int.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        What noise in each layer does, the most sensitive first.

    Raises:
        InputError: If there is no such layer, or an argument makes no sense.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="a"), keras.layers.Dense(2)])
        >>> found = error_injection(model, np.random.default_rng(0).normal(size=(32, 4)), snr=40)
        >>> found.layers[0].error < 0.01
        True
    """
    if not is_real(snr):
        raise InputError(f"snr is {snr!r}; give decibels, such as 20.")
    if not is_integer(repeats) or repeats < 1:
        raise InputError(f"repeats is {repeats!r}; give an int from 1.")
    graph = trace(model)
    nodes = chosen_nodes(graph, layers)
    examples = Examples(model, data, samples, batch)
    axes = [channel_axis(node.operation, node.results[0].rank) for node in nodes]
    places = [node.results[0].index for node in nodes]
    scales: dict[int, Any] = {}

    def make(strengths: Any, number: Any) -> Mapping[int, Change]:
        repeat = tf.cast(strengths[-1], tf.int32)
        found = {}
        for row, place in enumerate(places):
            key = tf.stack([(seed * LARGE_PRIME + row) % LARGEST, tf.cast(number, tf.int32) * LARGE_PRIME + repeat])
            found[place] = noisy(strengths[row], scales[place], key)
        return found

    effects = Effects(graph, examples, make)
    scales.update(spreads_of(effects, places, axes, batch))
    whole = effects.measure(np.zeros(len(nodes) + 1))
    found = []
    for row, node in enumerate(track(nodes, len(nodes), "noise", progress)):
        strengths = np.zeros(len(nodes) + 1)
        strengths[row] = 10.0 ** (-float(snr) / 20.0)
        errors, same, losses = [], [], []
        for repeat in range(repeats):
            strengths[-1] = repeat
            made = effects.measure(strengths)
            like = likeness(whole[1], made[1])
            errors.append(like.error)
            same.append(like.agreement)
            losses.append(made[0] - whole[0])
        agreement = None if same[0] is None else float(np.mean([each or 0.0 for each in same]))
        loss = float(np.mean(losses)) if effects.of_loss else None
        found.append(Sensitivity(node.path, float(np.mean(errors)), float(np.std(errors)), agreement, loss))
    found.sort(key=lambda each: -each.error)
    return Sensitivities(model.name, float(snr), tuple(found))


def noisy(strength: Any, scale: Any, key: Any) -> Change:
    """Return a change that adds noise to a tensor where its strength is more than zero.

    Args:
        strength: The strength.
        scale: What the noise is as strong as where the strength is 1, of the tensor's rank.
        key: Seed of the noise, int32 (2,).
    """

    def change(value: Any, _: Mapping[int, Any]) -> Any:
        def with_noise() -> Any:
            draws = tf.random.stateless_normal(tf.shape(value), key) * scale
            return value + tf.cast(draws * strength, value.dtype)

        return tf.cond(strength > 0, with_noise, lambda: tf.identity(value))

    return change


def chosen_nodes(graph: Graph, layers: Sequence[LayerChoice] | None) -> list[Node]:
    """Return the calls of the layers that get noise, each layer's first one.

    Raises:
        InputError: If there are none.
    """
    from tfprune.pruning.kernels import NORMALISATIONS

    wanted = None if layers is None else inside(dict(walk(graph.model)), layers)
    found: dict[int, Node] = {}
    for node in graph.nodes:
        layer: Any = node.operation
        if not isinstance(layer, keras.Layer) or len(node.results) != 1 or "float" not in node.results[0].dtype:
            continue
        usual = bool(layer.weights) and not isinstance(layer, NORMALISATIONS)
        if usual if wanted is None else id(layer) in wanted:
            found.setdefault(id(layer), node)
    if not found:
        raise InputError(f"{graph.model.name!r} has no such layer that noise can be added to; leave out layers=.")
    return list(found.values())


def spreads_of(effects: Effects, places: list[int], axes: list[int | None], batch: int) -> dict[int, Any]:
    """Return the standard deviation of each channel of some tensors on the data, ready to be multiplied with them."""
    sums: dict[int, list[Any]] = {place: [0.0, 0.0, 0] for place in places}
    for start in range(0, effects.examples.count, batch):
        values = effects.network.values(places, effects.given(start, start + batch))
        for place, axis, array in zip(places, axes, values, strict=True):
            others = tuple(each for each in range(array.ndim) if each != axis)
            wide = array.astype(np.float64)
            sums[place][0] = sums[place][0] + wide.sum(axis=others, keepdims=True)
            sums[place][1] = sums[place][1] + np.square(wide).sum(axis=others, keepdims=True)
            sums[place][2] += array.size // int(np.prod(np.shape(sums[place][0]), dtype=int))
    return {
        place: tf.constant(np.sqrt(np.maximum(square / count - np.square(total / count), 0.0)), tf.float32)
        for place, (total, square, count) in sums.items()
    }
