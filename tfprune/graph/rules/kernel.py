"""Convolutions as functions of `keras.ops`, whose kernels are arguments."""

from __future__ import annotations

import abc
import math

import numpy as np

from tfprune.graph.labels import Axis
from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.rules.convolution import channel_axis, filled, positions, spatial_free, times
from tfprune.graph.walk import Flow, Walk, is_movable


class KernelRule(Rule):
    """What all convolutions share: channels at one end, none of the window's positions."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify the channels with the kernel's inputs; pass its outputs on."""
        x, kernel = walk.flow(node.args[0]), walk.flow(node.args[1])
        axis = channel_axis(node.operation, len(x.axes))
        inputs = spatial_free(node, walk, x, axis)
        walk.fix(kernel.axes[:-2], f"{node.path} has them for a window")
        outputs = self.meet(node, walk, inputs, kernel)
        return Flow(filled(len(x.axes), axis, outputs), kernel.silent, x.why)

    @abc.abstractmethod
    def meet(self, node: Node, walk: Walk, inputs: Axis, kernel: Flow) -> Axis:
        """Unify the channels with the kernel, and return those of the result."""

    def join(self, node: Node, walk: Walk, left: Axis, right: Axis) -> None:
        """Make the channels and an axis of the kernel the same."""
        if left is not None or right is not None:
            walk.same(left, right, f"{node.path} multiplies them with something that keeps its size")

    def check(self, node: Node) -> str | None:
        """Refuse constant kernels, and groups of channels."""
        if not all(is_movable(value) for value in node.args):
            return "its kernel is a constant"
        channels = node.args[0].shape[channel_axis(node.operation, len(node.args[0].shape))]
        return "it has groups" if channels != node.args[1].shape[self.inputs] else None

    inputs = -2


@register_rule(operation_class("Conv"))
class ConvRule(KernelRule):
    """A plain convolution."""

    def meet(self, node: Node, walk: Walk, inputs: Axis, kernel: Flow) -> Axis:
        """Unify the kernel's inputs; its outputs are the result's."""
        self.join(node, walk, inputs, kernel.axes[-2])
        shape = node.args[1].shape
        count = positions(node, channel_axis(node.operation, len(shape)))
        walk.count(times(count, math.prod(shape[:-2])), kernel.axes[-2], kernel.axes[-1], sizes=shape[-2:])
        return kernel.axes[-1]


@register_rule(operation_class("ConvTranspose"))
class ConvTransposeRule(KernelRule):
    """A transposed convolution: kernels are (window…, out, in)."""

    inputs = -1

    def meet(self, node: Node, walk: Walk, inputs: Axis, kernel: Flow) -> Axis:
        """Unify the kernel's inputs; its outputs are the result's."""
        self.join(node, walk, inputs, kernel.axes[-1])
        shape = node.args[1].shape
        count = positions(node, channel_axis(node.operation, len(shape)), of_inputs=True)
        walk.count(times(count, math.prod(shape[:-2])), kernel.axes[-1], kernel.axes[-2], sizes=shape[:-3:-1])
        return kernel.axes[-2]


@register_rule(operation_class("DepthwiseConv"))
class DepthwiseConvRule(KernelRule):
    """A convolution of each channel by itself."""

    def meet(self, node: Node, walk: Walk, inputs: Axis, kernel: Flow) -> Axis:
        """Unify the kernel's channels; its multiples of them stay together."""
        self.join(node, walk, inputs, kernel.axes[-2])
        walk.fix(kernel.axes[-1:], f"{node.path} has as many for each channel")
        shape = node.args[1].shape
        count = times(positions(node, channel_axis(node.operation, len(shape))), math.prod(shape[:-2]) * shape[-1])
        walk.count(count, kernel.axes[-2], sizes=shape[-2:-1])
        return None if kernel.axes[-2] is None else np.repeat(kernel.axes[-2], shape[-1])
