"""Activations: each channel for itself, unless it is a softmax."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.activations import activations

from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, register_rule
from tfprune.graph.walk import Flow, Walk

__all__ = ["is_silent"]

MIXING = {"softmax", "log_softmax", "sparsemax", "glu"}
"""Activations that look at all channels at once."""


def is_silent(activation: Any) -> bool:
    """Whether an activation maps zero to zero, and each channel for itself."""
    if activation is None:
        return True
    if isinstance(activation, keras.Layer):
        return isinstance(activation, layers.ReLU | layers.LeakyReLU | layers.ELU)
    if is_mixing(activation):
        return False
    with_zero = activation(np.zeros((1, 1), dtype=np.float32))
    return bool(np.all(np.asarray(with_zero) == 0))


def is_mixing(activation: Any) -> bool:
    """Whether an activation looks at all channels at once."""
    return getattr(activation, "__name__", "") in MIXING


@register_rule(layers.Activation)
class ActivationRule(Rule):
    """A function of each element, or a softmax over the last axis."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on; hold what a softmax normalises over."""
        x = walk.flow(node.inputs[0])
        activation = node.operation.activation
        if is_mixing(activation):
            walk.fix(x.axes[-1:], f"{node.path} is a {activation.__name__} over all of them")
        return Flow(x.axes, x.silent and is_silent(activation), x.why)


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
