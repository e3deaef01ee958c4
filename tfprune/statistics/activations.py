"""What channels do on data, where other layers read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from tfprune.backend import need_tensorflow
from tfprune.console import track
from tfprune.errors import InputError
from tfprune.graph import ChannelGroup
from tfprune.graph.node import Tensor
from tfprune.refit.execution import run
from tfprune.refit.network import Network
from tfprune.statistics.registry import of_channels
from tfprune.statistics.study import Array, Study

__all__ = ["activation_gradient", "activation_mean", "activation_share"]

need_tensorflow(__name__)

Place = tuple[int, int, Array]
"""A tensor's number, the axis along which channels lie in it, and their positions, (channels, positions)."""


@of_channels("activation_mean", "data")
def activation_mean(study: Study, groups: Sequence[ChannelGroup]) -> list[Array]:
    """Return the mean of `|a|` of each channel, (channels, tensors in which it is read)."""
    return summed(study, groups, lambda a: tf.abs(tf.cast(a, tf.float32)), "activations")


@of_channels("activation_share", "data")
def activation_share(study: Study, groups: Sequence[ChannelGroup]) -> list[Array]:
    """Return the share of activations of each channel that are not zero, (channels, tensors in which it is read)."""
    return summed(study, groups, lambda a: tf.cast(a != 0, tf.float32), "activations")


def summed(study: Study, groups: Sequence[ChannelGroup], measure: Callable[[Any], Any], what: str) -> list[Array]:
    """Return the mean of a measure of the activations of each channel."""
    places, network = places_of(study, groups), Network(study.graph)
    symbols = {index: network.tensors[index] for own in places for index, _, _ in own}
    inputs = [network.tensors[tensor.index] for tensor in tree.flatten(study.graph.trace.inputs)]

    @tf.function(reduce_retracing=True, autograph=False)
    def of_batch(x: Any) -> Any:
        given = {id(symbol): array for symbol, array in zip(inputs, x, strict=True)}
        values = dict(zip(symbols, run(list(symbols.values()), given), strict=True))
        return [[along(measure(values[index]), axis) for index, axis, _ in own] for own in places]

    sums = [np.zeros((group.size, len(own))) for group, own in zip(groups, places, strict=True)]
    for x, count in batches(study, what):
        for total, own, made in zip(sums, places, of_batch(x), strict=True):
            for number, ((_, _, positions), each) in enumerate(zip(own, made, strict=True)):
                total[:, number] += each.numpy()[positions].mean(axis=1) * count / study.examples.count
    return sums


@of_channels("activation_gradient", "labels")
def activation_gradient(study: Study, groups: Sequence[ChannelGroup]) -> list[Array]:
    """Return the mean over samples of `|Σ a ∂L/∂a|` of each channel, (channels, tensors in which it is read)."""
    places, network = places_of(study, groups), Network(study.graph)
    symbols = {index: network.tensors[index] for own in places for index, _, _ in own}
    trace_inputs = tree.flatten(study.graph.trace.inputs)
    inputs = [network.tensors[tensor.index] for tensor in trace_inputs]
    outputs = [network.tensors[tensor.index] for tensor in tree.flatten(study.graph.trace.outputs)]
    model = study.model

    @tf.function(reduce_retracing=True, autograph=False)
    def of_batch(x: Any, y: Any, weight: Any, count: Any) -> Any:
        flat = tf.nest.flatten(x)
        given = {id(symbol): array for symbol, array in zip(inputs, flat, strict=True)}
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([a for a in flat if a.dtype.is_floating])
            found = run([*symbols.values(), *outputs], given)
            values = dict(zip(symbols, found, strict=False))
            made = tf.nest.pack_sequence_as(study.graph.trace.outputs, found[len(symbols) :])
            loss = model.compute_loss(x=x, y=y, y_pred=made, sample_weight=weight, training=False)
            loss = loss * tf.cast(count, loss.dtype)  # the loss is a mean, and each sample's own is wanted
        slopes = dict(zip(values, tape.gradient(loss, list(values.values())), strict=True))
        del tape
        result = []
        for own in places:
            each = []
            for index, axis, positions in own:
                slope = slopes[index]
                product = values[index] * (tf.zeros_like(values[index]) if slope is None else slope)
                axes = [other for other in range(1, len(product.shape)) if other != axis]
                by_sample = tf.reduce_sum(tf.cast(product, tf.float32), axis=axes)
                chosen = tf.reduce_sum(tf.gather(by_sample, positions, axis=1), axis=2)
                each.append(tf.reduce_sum(tf.abs(chosen), axis=0))
            result.append(each)
        return result

    sums = [np.zeros((group.size, len(own))) for group, own in zip(groups, places, strict=True)]
    examples = study.examples
    for x, y, weight in track(examples, examples.batches, "activation gradients", study.progress):
        x = tree.map_structure(tf.convert_to_tensor, x)
        found = study.run(of_batch, x, y, weight, len(tree.flatten(x)[0]))
        for total, made in zip(sums, found, strict=True):
            for number, each in enumerate(made):
                total[:, number] += each.numpy() / examples.count
    return sums


def along(values: Any, axis: int) -> Any:
    """Return the mean over all axes but one."""
    return tf.reduce_mean(values, axis=[other for other in range(len(values.shape)) if other != axis])


def batches(study: Study, what: str) -> Iterator[tuple[list[Any], int]]:
    """Yield the inputs of each batch, and how many samples it has."""
    for x, _, _ in track(study.examples, study.examples.batches, what, study.progress):
        flat = [tf.convert_to_tensor(array) for array in tree.flatten(x)]
        yield flat, int(flat[0].shape[0])


def places_of(study: Study, groups: Sequence[ChannelGroup]) -> list[list[Place]]:
    """Return in which tensors the channels of each group are read by layers with kernels.

    Raises:
        InputError: If those of a group are read by no such layer.
    """
    graph = study.graph
    kernels = {id(s.variable) for group in groups for s in group.slices if s.role == "input"}
    readers = [
        node
        for node in graph.nodes
        if isinstance(node.operation, keras.Layer) and any(id(v) in kernels for v in node.operation.weights)
    ]
    result = []
    for group in groups:
        own = {id(s.variable) for s in group.slices if s.role == "input"}
        found: dict[int, Place] = {}
        for node in readers:
            if not any(id(v) in own for v in node.operation.weights):
                continue
            for tensor in node.inputs:
                place = place_in(graph, tensor, group)
                if place is not None:
                    found[tensor.index] = place
        if not found:
            raise InputError(f"No layer reads the channels of {group.name} where they can be seen; skip it (skip=…).")
        result.append(list(found.values()))
    return result


def place_in(graph: Any, tensor: Tensor, group: ChannelGroup) -> Place | None:
    """Return where the channels of a group lie in a tensor; None if they don't."""
    for axis, labels in enumerate(graph.cut([]).axes(tensor)):
        if labels is None or axis == 0:
            continue
        order = {int(label): number for number, label in enumerate(group.labels)}
        owner = np.array([order.get(int(label), -1) for label in graph.roots(np.asarray(labels).reshape(-1))])
        each = [np.flatnonzero(owner == number) for number in range(group.size)]
        if len({len(positions) for positions in each}) == 1 and len(each[0]):
            return tensor.index, axis, np.array(each)
    return None
