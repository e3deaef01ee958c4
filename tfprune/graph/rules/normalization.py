"""Normalisations: some treat each channel for itself, some all of them together."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers
from numpy.typing import NDArray

from tfprune.graph.cut import Cut
from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, find_rule, register_rule
from tfprune.graph.walk import Flow, Walk

STATISTICS = "{} takes mean and variance over all of them"


@register_rule(layers.BatchNormalization)
class BatchNormalizationRule(Rule):
    """Scale, offset and statistics of each channel."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind all four vectors."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
        labels = x.axes[axis]
        walk.fix([a for n, a in enumerate(x.axes) if n != axis % len(x.axes)], f"{node.path} averages over them")
        for variable in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance):
            walk.bind(variable, 0, labels)
        return Flow(x.axes, layer.gamma is not None or (x.silent and layer.beta is None), x.why)


def axes_of(layer: Any, rank: int) -> list[int]:
    """Return the numbers of the axes that a layer normalises over."""
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    return [axis % rank for axis in axes]


@register_rule(layers.LayerNormalization)
class LayerNormalizationRule(Rule):
    """Mean and variance over all channels: what is left is normalised by its own."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind scale and offset."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        axes = axes_of(layer, len(x.axes))
        for number, axis in enumerate(axes):
            walk.labels.mark_inexact(x.axes[axis], STATISTICS.format(node.path))
            for variable in (layer.gamma, layer.beta):
                walk.bind(variable, number, x.axes[axis])
        passing = [axis for axis in x.labelled if axis not in axes]
        zero = layer.gamma is not None or x.labelled == passing
        return Flow(x.axes, zero and (not passing or (x.silent and layer.beta is None)), x.why)


@register_rule(getattr(layers, "RMSNormalization", None))
class RMSNormalizationRule(Rule):
    """Root mean square over all channels.

    Zeros add nothing to the sum of squares, so a smaller network is exact with another epsilon and scale:
    γ x √C / √(S + C ε) = γ′ x √C′ / √(S + C′ ε′) for ε′ = ε C / C′ and γ′ = γ √(C / C′).
    """

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind the scale."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        axes = axes_of(layer, len(x.axes))
        for number, axis in enumerate(axes):
            if not x.silent:
                walk.labels.mark_inexact(x.axes[axis], f"{node.path} takes the mean square over all of them")
            walk.bind(layer.scale, number, x.axes[axis])
        return Flow(x.axes, x.silent or all(axis in axes for axis in x.labelled), x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new epsilon."""
        return {"epsilon": float(node.operation.epsilon * self._ratio(node, cut))}

    def weights(self, node: Node, cut: Cut, variable: keras.Variable, values: NDArray[Any]) -> NDArray[Any]:
        """Return the corrected scale."""
        return (values * math.sqrt(self._ratio(node, cut))).astype(values.dtype)

    def _ratio(self, node: Node, cut: Cut) -> float:
        scale = node.operation.scale
        return float(math.prod(size / cut.size(scale, axis) for axis, size in enumerate(scale.shape)))


@register_rule(layers.GroupNormalization)
class GroupNormalizationRule(Rule):
    """Mean and variance over the channels of a group; exact where each channel is a group of its own."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Keep groups of equal size, bind scale and offset."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        labels = x.axes[layer.axis]
        channels = node.inputs[0].shape[layer.axis]
        others = [a for n, a in enumerate(x.axes) if n != layer.axis % len(x.axes)]
        walk.fix(others, f"{node.path} averages over them")
        for variable in (layer.gamma, layer.beta):
            walk.bind(variable, 0, labels)
        if labels is not None and layer.groups != channels:
            walk.labels.unify_rows(labels.reshape(layer.groups, -1))
            walk.labels.mark_inexact(labels, STATISTICS.format(node.path))
        return Flow(x.axes, layer.gamma is not None, x.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new number of groups where each channel is one."""
        layer: Any = node.operation
        channels = node.inputs[0].shape[layer.axis]
        return {"groups": cut.shape(node.inputs[0])[layer.axis]} if layer.groups == channels else {}


@register_rule(layers.UnitNormalization)
class UnitNormalizationRule(Rule):
    """Division by the norm, to which zeros add nothing."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on."""
        x = walk.flow(node.inputs[0])
        if not x.silent:
            axes = [node.operation.axis] if isinstance(node.operation.axis, int) else node.operation.axis
            for axis in axes:
                walk.labels.mark_inexact(x.axes[axis], f"{node.path} divides by the norm of all of them")
        return x


@register_rule(layers.SpectralNormalization)
class SpectralNormalizationRule(Rule):
    """The layer inside, whose kernel it keeps at spectral norm one while training."""

    def propagate(self, node: Node, walk: Walk) -> Flow | list[Flow]:
        """Let the inner layer's rule work, and bind the singular vector."""
        inner, rule = inside(node)
        flow = rule.propagate(inner, walk)
        sites = walk.sites.get(id(node.operation.kernel), [None])
        walk.bind(node.operation.vector_u, 1, None if isinstance(sites[-1], str) else sites[-1])
        return flow

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the inner layer, made anew."""
        inner, rule = inside(node)
        return {"layer": changed(inner.operation, rule.config(inner, cut))}

    def check(self, node: Node) -> str | None:
        """Refuse layers without a rule, or with one that changes more than sizes."""
        return beyond(node)


def beyond(node: Node) -> str | None:
    """Return why the layer that a wrapper wraps is beyond the wrapper's rule, or None."""
    layer = node.operation.layer
    rule = find_rule(layer)
    if rule is None:
        return f"there is no rule for {type(layer).__name__} in it"
    if any(getattr(type(rule), name) is not getattr(Rule, name) for name in ("call", "after", "weights")):
        return f"{type(layer).__name__} in it needs more than new sizes"
    return rule.check(inside(node)[0])


def inside(node: Node) -> tuple[Node, Rule]:
    """Return the call of the layer that a wrapper wraps, with the rule for it."""
    import dataclasses

    layer = node.operation.layer
    rule = find_rule(layer)
    if rule is None:
        raise RuntimeError(f"{node.path}: there is no rule for {type(layer).__name__}")
    return dataclasses.replace(node, operation=layer), rule


def changed(layer: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """Return a serialised layer with other arguments, without the input shape that it was built for."""
    serialised = keras.saving.serialize_keras_object(layer)
    serialised.pop("build_config", None)
    return {**serialised, "config": {**serialised["config"], **changes}}


@register_rule(layers.Normalization)
class NormalizationRule(Rule):
    """Fixed mean and variance of each feature, which it keeps."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Hold all axes."""
        x = walk.flow(node.inputs[0])
        walk.fix(x.axes, f"{node.path} has statistics for each")
        return Flow((None,) * len(x.axes), False, x.why or node.path)
