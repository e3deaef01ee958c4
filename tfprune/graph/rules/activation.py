"""Activations: each channel for itself, unless it is a softmax."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from keras.src.activations import activations

from tfprune.graph.labels import Axis
from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, register_rule
from tfprune.graph.walk import Flow, Walk

__all__ = ["activate", "is_silent", "strange_activation"]

MIXING = {"softmax", "log_softmax", "sparsemax"}
"""Activations that look at all channels at once."""

PLAIN_LAYERS = layers.ReLU | layers.LeakyReLU | layers.ELU
"""Layers that may be an activation."""


def strange_activation(operation: Any) -> str | None:
    """Return why an activation in a layer, or in what it wraps, is beyond the rules; None if none is."""
    names = ("layer", "forward_layer", "backward_layer", "cell")
    parts = [operation, *(getattr(operation, name, None) for name in names)]
    for part in parts:
        for name in ("activation", "recurrent_activation"):
            activation = getattr(part, name, None)
            if activation is not None and not is_known(activation):
                return f"its {name.replace('_', ' ')} is not a function of each element"
    return None


def is_known(activation: Any) -> bool:
    """Whether an activation is one of Keras' own, or does with one element what it does with it among others."""
    if isinstance(activation, keras.Layer):
        return isinstance(activation, PLAIN_LAYERS)
    if getattr(activation, "__module__", "").startswith("keras.src."):
        return getattr(activation, "__name__", "") != "glu"
    values = np.random.default_rng(0).normal(0, 3, (4, 6)).astype(np.float32)
    try:
        together = ops.convert_to_numpy(activation(values))
        alone = [ops.convert_to_numpy(activation(value.reshape(1, 1))).reshape(()) for value in values.reshape(-1)]
    except Exception:  # whatever somebody's own function does with an array
        return False
    return together.shape == values.shape and np.allclose(together.reshape(-1), alone, rtol=1e-4, atol=1e-6)


def activate(node: Node, walk: Walk, axes: tuple[Axis, ...], why: str) -> Flow:
    """Return the labels after a layer's activation; a softmax holds its channels."""
    activation = node.operation.activation
    if is_mixing(activation):
        walk.fix(axes[-1:], f"{node.path} is a {activation.__name__} over all of them")
    return Flow(axes, is_silent(activation), why)


def is_silent(activation: Any) -> bool:
    """Whether an activation maps zero to zero, and each channel for itself."""
    if activation is None:
        return True
    if isinstance(activation, keras.Layer):
        return isinstance(activation, PLAIN_LAYERS)
    if is_mixing(activation):
        return False
    with_zero = activation(np.zeros((1, 1), dtype=np.float32))
    return bool(np.all(ops.convert_to_numpy(with_zero) == 0))


def is_mixing(activation: Any) -> bool:
    """Whether an activation looks at all channels at once."""
    return getattr(activation, "__name__", "") in MIXING


@register_rule(layers.Activation)
class ActivationRule(Rule):
    """A function of each element, or a softmax over the last axis."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on; hold what a softmax normalises over."""
        x = walk.flow(node.inputs[0])
        flow = activate(node, walk, x.axes, x.why)
        return Flow(x.axes, x.silent and flow.silent, x.why)


@register_rule(layers.ReLU, layers.LeakyReLU, layers.ELU, getattr(activations, "ReLU", None),
               getattr(activations, "Mish", None))  # fmt: skip
class ElementRule(Rule):
    """A function of each element that maps zero to zero, unless a slope begins at a threshold above it."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on."""
        x = walk.flow(node.inputs[0])
        threshold, slope = (getattr(node.operation, name, 0) or 0 for name in ("threshold", "negative_slope"))
        return Flow(x.axes, x.silent and not (threshold > 0 and slope), x.why)


@register_rule(layers.Softmax)
class SoftmaxRule(Rule):
    """A softmax over some axes: they keep their size."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Hold what is normalised over."""
        x = walk.flow(node.inputs[0])
        axis = node.operation.axis
        over = [x.axes[number] for number in ([axis] if isinstance(axis, int) else axis)]
        walk.fix(over, f"{node.path} is a softmax over all of them")
        return Flow(x.axes, False, x.why)


@register_rule(layers.PReLU)
class PReLURule(Rule):
    """A slope for each channel."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind the slopes."""
        x = walk.flow(node.inputs[0])
        alpha = node.operation.alpha
        for number, size in enumerate(alpha.shape):
            if size != 1:
                walk.bind(alpha, number, x.axes[number + 1])
        return x
