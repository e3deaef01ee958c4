"""Which variables are kernels, and which of their axes are channels."""

from __future__ import annotations

import math

import keras
from keras import layers

from tfprune.granularity import KernelAxes
from tfprune.graph.kinds import DEPTHWISE

__all__ = ["is_depthwise", "kernel_axes", "why_not_kernel"]

DENSE_AXES = KernelAxes(inputs=(-2,), outputs=(-1,))
"""(in, out), and (window…, in, out) of convolutions."""

TRANSPOSED_AXES = KernelAxes(inputs=(-1,), outputs=(-2,))
"""(window…, out, in) of transposed convolutions."""

NO_INPUTS = KernelAxes(inputs=(), outputs=(-2, -1))
"""Kernels that sum over no channels: depthwise convolutions (window…, in, multiplier), embeddings (tokens, width)."""

NORMALISATIONS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.Normalization,
    layers.UnitNormalization,
    getattr(layers, "RMSNormalization", layers.LayerNormalization),
)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)


def is_depthwise(layer: keras.Layer, variable: keras.Variable) -> bool:
    """Whether a kernel has one input channel for each of its outputs."""
    return isinstance(layer, DEPTHWISE) or (isinstance(layer, SEPARABLE) and variable.name == "depthwise_kernel")


def why_not_kernel(layer: keras.Layer, variable: keras.Variable) -> str | None:
    """Return why a variable is not a kernel that can be pruned, or None if it is one.

    A kernel is a float weight of at least two axes that a layer other than a normalisation multiplies its inputs with.
    """
    if isinstance(layer, NORMALISATIONS):
        return "normalisation"
    if getattr(layer, "quantization_mode", None) is not None:
        return f"quantised ({layer.quantization_mode})"
    if getattr(layer, "lora_enabled", False):
        return "LoRA is enabled"
    if not keras.backend.is_float_dtype(variable.dtype):
        return f"not a float ({variable.dtype})"
    if "bias" in variable.name:
        return "bias"
    if len(variable.shape) < 2:
        return "vector or scalar"
    if math.prod(variable.shape) == 0:
        return "empty"
    return None


def kernel_axes(layer: keras.Layer, variable: keras.Variable) -> KernelAxes:
    """Return which axes of a kernel are input and output channels.

    Known for Keras' own layers; an unknown layer's kernel is taken as (…, in, out).
    """
    if is_depthwise(layer, variable) or isinstance(layer, layers.Embedding):
        return NO_INPUTS
    if isinstance(layer, TRANSPOSED):
        return TRANSPOSED_AXES
    if isinstance(layer, layers.EinsumDense):
        return einsum_axes(layer.equation)
    return DENSE_AXES


def einsum_axes(equation: str) -> KernelAxes:
    """Return the channel axes of an EinsumDense kernel: the letters that are summed over, and those that come out.

    Example:
        >>> einsum_axes("abc,cde->abde")  # as attention projects to heads
        KernelAxes(inputs=(0,), outputs=(1, 2))
    """
    inputs, result = equation.replace(" ", "").replace("...", "").split("->")
    kernel = inputs.split(",")[1]
    return KernelAxes(
        inputs=tuple(axis for axis, letter in enumerate(kernel) if letter not in result),
        outputs=tuple(axis for axis, letter in enumerate(kernel) if letter in result),
    )
