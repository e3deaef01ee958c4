"""Fake quantisation: numbers rounded to what integers of a scale can stand for, and still floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfprune.backend import need_tensorflow

__all__ = ["fake_quantize", "quantize_activation", "quantize_kernel"]

need_tensorflow(__name__)

LOWEST, HIGHEST = -128, 127
"""The integers of an int8 activation."""


@tf.custom_gradient  # type: ignore[untyped-decorator]
def fake_quantize(x: Any, scale: Any, zero: Any, lowest: Any, highest: Any) -> tuple[Any, Any]:
    """Return `scale · (clip(round(x / scale) + zero, lowest, highest) − zero)`.

    On the way back the gradient passes as it is where the integer is in its range, and ends where it is clipped
    (straight-through estimator): equation 12 of Jacob et al. 2018, "Quantization and Training of Neural Networks for
    Efficient Integer-Arithmetic-Only Inference". What is half a step outside rounds to the last integer and counts as
    inside, so that the largest weight of a kernel learns too.

    Args:
        x: Float tensor.
        scale: The real value of one integer step, above 0, of a shape that broadcasts to that of `x`.
        zero: The integer that stands for 0.0, as a float.
        lowest: The smallest integer, as a float.
        highest: The largest, as a float.

    Returns:
        A tensor of the shape of `x`. Zero becomes zero, exactly.

    Example:
        >>> x = tf.constant([-9.0, -0.4, 0.0, 0.6, 9.0])
        >>> fake_quantize(x, 0.5, 0.0, -2.0, 2.0).numpy().tolist()
        [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    integers = tf.round(x / scale) + zero
    inside = (integers >= lowest) & (integers <= highest)

    def backward(upstream: Any) -> tuple[Any, None, None, None, None]:
        return tf.where(inside, upstream, tf.zeros_like(upstream)), None, None, None, None

    return (tf.clip_by_value(integers, lowest, highest) - zero) * scale, backward


def quantize_kernel(kernel: Any, axes: Sequence[int], bits: int = 8) -> Any:
    """Return a kernel as it is stored: symmetric, with a scale of its own for each output channel.

    `scale = max |w| / (2^(bits − 1) − 1)` over the weights of a channel, so integers go from −127 to 127 with 8 bits,
    and zero is zero.

    Args:
        kernel: Float tensor.
        axes: The axes over which weights share a scale: all but those of the output channels.
        bits: Bits of a weight.

    Example:
        >>> quantize_kernel(tf.constant([[127.0, 0.02], [-3.4, 0.0], [0.0, 2.54]]), [0]).numpy().tolist()
        [[127.0, 0.019999999552965164], [-3.0, 0.0], [0.0, 2.5399999618530273]]
    """
    kernel, most = tf.convert_to_tensor(kernel), float(2 ** (bits - 1) - 1)
    scale = tf.reduce_max(tf.abs(tf.stop_gradient(kernel)), axis=list(axes), keepdims=True) / most
    scale = tf.where(scale > 0, scale, tf.ones_like(scale))  # a channel of zeros
    return fake_quantize(kernel, scale, 0.0, -most, most)


def quantize_activation(x: Any, low: Any, high: Any) -> Any:
    """Return an activation as an int8 tensor holds it: one scale, and zero is an integer.

    `scale = (high − low) / 255`, `zero = round(−128 − low / scale)`, with the range widened to contain 0.

    Args:
        x: Tensor of any float type.
        low: Smallest value of its range, float32 scalar.
        high: Largest; where it is not above `low`, nothing is known and `x` stays as it is.

    Example:
        >>> print(quantize_activation(tf.constant([-1.0, 0.004, 0.006, 3.0]), 0.0, 2.55).numpy())
        [0.   0.   0.01 2.55]
    """
    low, high = tf.minimum(low, 0.0), tf.maximum(high, 0.0)
    known = high > low
    scale = tf.where(known, (high - low) / (HIGHEST - LOWEST), 1.0)
    zero = tf.clip_by_value(tf.round(LOWEST - low / scale), LOWEST, HIGHEST)
    made = fake_quantize(tf.cast(x, tf.float32), scale, zero, float(LOWEST), float(HIGHEST))
    return tf.where(known, tf.cast(made, x.dtype), x)
