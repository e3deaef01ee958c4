"""Convolutions as matrices: rows are the windows at their output positions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from tfprune.refit.forms import Array, Form, Places, Shape, product, register_form
from tfprune.refit.windows import patches, window_index

__all__ = ["ConvolutionForm", "DepthwiseForm", "SeparableForm", "TransposedConvolutionForm"]


class Windowed(Form):
    """What convolutions share."""

    transposed = False

    def count(self, x: Shape, y: Shape) -> int:
        """Return the number of output positions."""
        return product(y[2:] if self.layer.data_format == "channels_first" else y[1:-1])

    def seen(self, x: Array, y: Shape, places: Places) -> Array:
        """Return the windows, (samples × places, window positions, channels)."""
        layer = self.layer
        x = channels_last(layer, x)
        made = y[2:] if layer.data_format == "channels_first" else y[1:-1]
        each = zip(x.shape[1:-1], made, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
        tables = [
            window_index(size, int(many or 1), window, stride, dilation, layer.padding, self.transposed)
            for size, many, window, stride, dilation in each
        ]
        found = patches(x, tables, places)
        return found.reshape(-1, *found.shape[2:])

    def outputs(self, y: Array, places: Places) -> Array:
        """Return outputs at some places, (samples × places, channels)."""
        y = channels_last(self.layer, y)
        return y.reshape(len(y), -1, y.shape[-1])[:, places].reshape(-1, y.shape[-1])


def channels_last(layer: Any, x: Array) -> Array:
    """Return a tensor with its channels last."""
    return np.moveaxis(x, 1, -1) if layer.data_format == "channels_first" else x


@register_form(layers.Conv1D, layers.Conv2D, layers.Conv3D)
class ConvolutionForm(Windowed):
    """Convolutions, plain or in groups: a block for each group; inputs go window position by window position.

    Example:
        >>> layer = keras.layers.Conv2D(4, 3, groups=2)
        >>> layer.build((None, 8, 8, 6))
        >>> form = ConvolutionForm(layer)
        >>> form.size, form.count((None, 8, 8, 6), (None, 6, 6, 4))  # two groups of 3 × 3 × 3 inputs
        ((2, 27, 2), 36)
    """

    def matrix(self, kernel: Array) -> Array:
        """Return (groups, window × inputs, outputs)."""
        groups = self.layer.groups
        return kernel.reshape(-1, groups, kernel.shape[-1] // groups).transpose(1, 0, 2)

    def kernel_of(self, matrix: Array) -> Array:
        """Return (window…, inputs, groups × outputs)."""
        return matrix.transpose(1, 0, 2).reshape(self.kernel.shape)

    def rows(self, x: Array, y: Shape, places: Places) -> Array:
        """Return the windows of each group's channels."""
        seen, groups = self.seen(x, y, places), self.layer.groups
        split = seen.reshape(*seen.shape[:2], groups, -1).transpose(2, 0, 1, 3)
        return np.ascontiguousarray(split).reshape(groups, len(seen), -1)

    def targets(self, y: Array, places: Places) -> Array:
        """Return the outputs of each group."""
        flat = self.outputs(y, places)
        return flat.reshape(len(flat), self.layer.groups, -1).transpose(1, 0, 2)


@register_form(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
class TransposedConvolutionForm(Windowed):
    """Transposed convolutions: an output sees the inputs whose windows reach it.

    Example:
        >>> layer = keras.layers.Conv2DTranspose(4, 3)
        >>> layer.build((None, 8, 8, 6))
        >>> TransposedConvolutionForm(layer).size
        (1, 54, 4)
    """

    transposed = True

    def matrix(self, kernel: Array) -> Array:
        """Return (1, window × inputs, outputs)."""
        moved = np.moveaxis(kernel, -1, -2)
        return moved.reshape(1, -1, moved.shape[-1])

    def kernel_of(self, matrix: Array) -> Array:
        """Return (window…, outputs, inputs)."""
        shape = self.kernel.shape
        return np.moveaxis(matrix.reshape(*shape[:-2], shape[-1], shape[-2]), -1, -2)

    def rows(self, x: Array, y: Shape, places: Places) -> Array:
        """Return the windows."""
        seen = self.seen(x, y, places)
        return seen.reshape(1, len(seen), -1)

    def targets(self, y: Array, places: Places) -> Array:
        """Return the outputs."""
        return self.outputs(y, places)[None]


@register_form(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
class DepthwiseForm(Windowed):
    """Depthwise convolutions: a block for each channel.

    Example:
        >>> layer = keras.layers.DepthwiseConv2D(3)
        >>> layer.build((None, 8, 8, 6))
        >>> DepthwiseForm(layer).size  # each channel sees its own window
        (6, 9, 1)
    """

    def matrix(self, kernel: Array) -> Array:
        """Return (channels, window, multiplier)."""
        return kernel.reshape(-1, *kernel.shape[-2:]).transpose(1, 0, 2)

    def kernel_of(self, matrix: Array) -> Array:
        """Return (window…, channels, multiplier)."""
        return matrix.transpose(1, 0, 2).reshape(self.kernel.shape)

    def rows(self, x: Array, y: Shape, places: Places) -> Array:
        """Return the windows of each channel."""
        return np.ascontiguousarray(self.seen(x, y, places).transpose(2, 0, 1))

    def targets(self, y: Array, places: Places) -> Array:
        """Return the outputs of each channel."""
        flat = self.outputs(y, places)
        return flat.reshape(len(flat), -1, self.layer.depth_multiplier).transpose(1, 0, 2)


@register_form(layers.SeparableConv1D, layers.SeparableConv2D)
class SeparableForm(Form):
    """The pointwise part of a separable convolution; its depthwise part is left as it is.

    Example:
        >>> layer = keras.layers.SeparableConv2D(4, 3)
        >>> layer.build((None, 8, 8, 6))
        >>> SeparableForm(layer).size  # of the pointwise part
        (1, 6, 4)
    """

    @property
    def kernel(self) -> keras.Variable:
        """The pointwise kernel."""
        return self.layer.pointwise_kernel

    def matrix(self, kernel: Array) -> Array:
        """Return (1, inputs, outputs)."""
        return kernel.reshape(1, *kernel.shape[-2:])

    def kernel_of(self, matrix: Array) -> Array:
        """Return (1…, inputs, outputs)."""
        return matrix.reshape(self.kernel.shape)

    def count(self, x: Shape, y: Shape) -> int:
        """Return the number of output positions."""
        return product(y[2:] if self.layer.data_format == "channels_first" else y[1:-1])

    def rows(self, x: Array, y: Shape, places: Places) -> Array:
        """Return what the depthwise part makes."""
        layer = self.layer
        strides, dilation = (self._single(value) for value in (layer.strides, layer.dilation_rate))
        inner = ops.depthwise_conv(
            x, layer.depthwise_kernel, strides, layer.padding, layer.data_format, dilation
        )  # fmt: skip
        return self.targets(keras.ops.convert_to_numpy(inner), places)

    def targets(self, y: Array, places: Places) -> Array:
        """Return the outputs at some places."""
        y = channels_last(self.layer, y)
        return y.reshape(len(y), -1, y.shape[-1])[:, places].reshape(1, -1, y.shape[-1])

    @staticmethod
    def _single(values: tuple[int, ...]) -> Any:
        return values[0] if len(set(values)) == 1 else values
