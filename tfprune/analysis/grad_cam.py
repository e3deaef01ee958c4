"""Grad-CAM: where a convolutional network looks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, tree
from numpy.typing import NDArray
from scipy.ndimage import zoom

from tfprune.analysis.scores import checked_classes, checked_input, score_of
from tfprune.backend import need_tensorflow
from tfprune.errors import InputError
from tfprune.graph import Graph, trace
from tfprune.graph.node import Node, Tensor
from tfprune.refit.execution import run
from tfprune.refit.network import Network
from tfprune.surgery.kept import channel_axis

__all__ = ["grad_cam", "has_maps"]

need_tensorflow(__name__)

CONVOLUTIONS = tuple(
    getattr(layers, f"{kind}{rank}D")
    for kind, ranks in (("Conv", (1, 2, 3)), ("DepthwiseConv", (1, 2)), ("SeparableConv", (1, 2)))
    for rank in ranks
)
FOLLOWERS = ("BatchNormalization", "Activation", "ReLU", "Relu", "LeakyReLU", "Dropout", "SpatialDropout2D", "Identity",
             "Add", "Multiply", "Silu", "Gelu", "Relu6", "HardSwish", "Swish", "PReLU", "ELU")  # fmt: skip
"""What may come between a convolution and the maps that are looked at."""


def grad_cam(
    model: keras.Model, x: Any, classes: Any = None, *, layer: str | None = None, batch: int = 32
) -> NDArray[np.float32]:
    """Return where in an image or a sequence a convolutional network sees what speaks for a class.

    `relu(Σ_c α_c A_c)`, where `A_c` are the feature maps of the last convolution, after its normalisation and
    activation, and `α_c` is the mean slope of the score along them (Selvaraju et al., "Grad-CAM", 2017), brought to the
    size of the input by linear interpolation.

    Args:
        model: A built model with a convolution, one input and one output (samples, classes).
        x: Samples, (samples, positions…, channels), or with channels first where the network has them so.
        classes: The class of each sample whose score is explained; None for the network's top class.
        layer: Name or path of another convolution.
        batch: How many samples go through the network at once.

    Returns:
        An array (samples, positions…) of numbers ≥ 0.

    Raises:
        InputError: If there is no such convolution, or the samples don't fit.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten(),
        ...                           keras.layers.Dense(3)])
        >>> grad_cam(model, np.ones((2, 8, 8, 1))).shape
        (2, 8, 8)
    """
    values = checked_input(model, x)
    chosen = checked_classes(model, values, classes, batch)
    graph = trace(model)
    node, tensor = maps_in(graph, layer)
    network = Network(graph)
    (given,) = (each.index for each in tree.flatten(graph.trace.inputs))
    (output,) = (network.tensors[each.index] for each in tree.flatten(graph.trace.outputs))
    axis = channel_axis(node.operation, tensor.rank) or tensor.rank - 1
    places = [each for each in range(1, tensor.rank) if each != axis]
    parts = []
    for start in range(0, len(values), batch):
        rows = slice(start, start + batch)
        (maps,) = network.values([tensor.index], {given: values[rows]})
        watched = tf.constant(maps)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            known = {id(network.tensors[given]): values[rows], id(network.tensors[tensor.index]): watched}
            (answer,) = run([output], known)
            total = tf.reduce_sum(score_of(answer, chosen[rows]))
        slope = tape.gradient(total, watched)
        slopes = np.zeros_like(maps) if slope is None else np.asarray(slope)
        weights = slopes.mean(axis=tuple(places), keepdims=True)
        parts.append(np.maximum((weights * maps).sum(axis=axis), 0.0))
    found = np.concatenate(parts)
    target = [values.shape[each] for each in places]
    factors = [1.0, *(wanted / size for wanted, size in zip(target, found.shape[1:], strict=True))]
    larger = zoom(found.astype(np.float64), factors, order=1, mode="nearest", grid_mode=True)
    maps_found: NDArray[np.float32] = np.maximum(larger, 0.0).astype(np.float32)
    return maps_found


def has_maps(graph: Graph) -> bool:
    """Whether a network has a convolution whose maps have the axes of the input."""
    inputs = tree.flatten(graph.trace.inputs)
    return len(inputs) == 1 and any(
        isinstance(node.operation, CONVOLUTIONS) and node.results[0].rank == inputs[0].rank for node in graph.nodes
    )


def maps_in(graph: Graph, layer: str | None) -> tuple[Node, Tensor]:
    """Return a convolution, the last one by default, and the tensor of its maps after normalisation and activation.

    Raises:
        InputError: If there is none.
    """
    found = [node for node in graph.nodes if isinstance(node.operation, CONVOLUTIONS)]
    if layer is not None:
        found = [node for node in found if layer in (node.path, node.operation.name)]
    rank = tree.flatten(graph.trace.inputs)[0].rank
    found = [node for node in found if node.results[0].rank == rank]
    if not found:
        told = "no convolution over the axes of its input" if layer is None else f"no convolution {layer!r}"
        raise InputError(f"{graph.model.name!r} has {told}; use integrated_gradients or occlusion.")
    node, tensor = found[-1], found[-1].results[0]
    outputs = {each.index for each in tree.flatten(graph.trace.outputs)}
    while tensor.index not in outputs:
        readers = [each for each in graph.nodes if any(own.index == tensor.index for own in each.inputs)]
        if len(readers) != 1 or readers[0].kind not in FOLLOWERS or readers[0].results[0].shape != tensor.shape:
            break
        tensor = readers[0].results[0]
    return node, tensor
