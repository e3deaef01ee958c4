"""MobileNet V1 and V2, as Keras has them, or in the form for which phones skip zeros."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from tfprune.errors import InputError

__all__ = ["mobilenet_v1", "mobilenet_v2"]

BLOCKS_V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Filters and strides of the blocks of MobileNet V1 (Howard et al., 2017, table 1)."""

STAGES_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, filters, repetitions and strides of the stages of MobileNet V2 (Sandler et al., 2018, table 2)."""


def mobilenet_v1(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    *,
    alpha: float = 1.0,
    dropout: float = 1e-3,
    sparse_ready: bool = True,
    activation: str | None = "softmax",
) -> keras.Model:
    """Return an untrained MobileNet V1 (Howard et al., "MobileNets", 2017).

    With `sparse_ready`, strided convolutions are padded alike on all sides and the head is a Dense layer, which lets
    XNNPACK skip zeros of the 1 × 1 convolutions on CPUs without AVX (`tfprune.lint` says so). Layers have the names,
    the order and the weights of `keras.applications.MobileNet`, so `set_weights` takes pretrained ones, up to the shape
    of the head's kernel; as strided convolutions then look at the image one pixel further up and left, train on for a
    bit.

    Args:
        input_shape: Height, width and channels of an image; sizes that are even before each stride, such as multiples
            of 32.
        classes: Number of classes.
        alpha: Width of all layers, as a part of the published one.
        dropout: Part of the features that training leaves out before the head.
        sparse_ready: Whether to write it for sparse kernels; else as `keras.applications` does.
        activation: What the head ends in; None for logits.

    Returns:
        A functional model for images as they come out of `keras.applications.mobilenet.preprocess_input`.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> mobilenet_v1((96, 96, 3), 10, alpha=0.25).count_params()
        221114
    """
    check(input_shape, classes, alpha, sparse_ready=sparse_ready)
    inputs = keras.Input(input_shape, name="image")
    x = strided(inputs, "conv1_pad", sparse_ready=sparse_ready, first=True)
    x = layers.Conv2D(int(32 * alpha), 3, strides=2, padding="valid", use_bias=False, name="conv1")(x)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.ReLU(6.0, name="conv1_relu")(x)
    for number, (filters, strides) in enumerate(BLOCKS_V1, 1):
        padding = "same"
        if strides == 2:
            x, padding = strided(x, f"conv_pad_{number}", sparse_ready=sparse_ready), "valid"
        x = layers.DepthwiseConv2D(3, strides=strides, padding=padding, use_bias=False, name=f"conv_dw_{number}")(x)
        x = layers.BatchNormalization(name=f"conv_dw_{number}_bn")(x)
        x = layers.ReLU(6.0, name=f"conv_dw_{number}_relu")(x)
        x = layers.Conv2D(int(filters * alpha), 1, padding="same", use_bias=False, name=f"conv_pw_{number}")(x)
        x = layers.BatchNormalization(name=f"conv_pw_{number}_bn")(x)
        x = layers.ReLU(6.0, name=f"conv_pw_{number}_relu")(x)
    x = layers.GlobalAveragePooling2D(keepdims=not sparse_ready, name="global_average_pooling2d")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    if sparse_ready:
        x = layers.Dense(classes, name="conv_preds")(x)
    else:
        x = layers.Conv2D(classes, 1, padding="same", name="conv_preds")(x)
        x = layers.Reshape((classes,), name="reshape_2")(x)
    if activation is not None:
        x = layers.Activation(activation, name="predictions", dtype="float32")(x)
    return keras.Model(inputs, x, name=f"mobilenet_v1_{alpha:g}")


def mobilenet_v2(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    *,
    alpha: float = 1.0,
    dropout: float = 0.0,
    sparse_ready: bool = True,
    activation: str | None = "softmax",
) -> keras.Model:
    """Return an untrained MobileNet V2 (Sandler et al., "MobileNetV2: Inverted Residuals", 2018).

    With `sparse_ready`, strided convolutions are padded alike on all sides, which lets XNNPACK skip zeros of the 1 × 1
    convolutions on CPUs without AVX (`tfprune.lint` says so). Layers have the names, the order and the weights of
    `keras.applications.MobileNetV2`, so `set_weights` takes pretrained ones; as strided convolutions then look at the
    image one pixel further up and left, train on for a bit.

    Args:
        input_shape: Height, width and channels of an image; sizes that are even before each stride, such as multiples
            of 32.
        classes: Number of classes.
        alpha: Width of all layers, as a part of the published one.
        dropout: Part of the features that training leaves out before the head.
        sparse_ready: Whether to write it for sparse kernels; else as `keras.applications` does.
        activation: What the head ends in; None for logits.

    Returns:
        A functional model for images as they come out of `keras.applications.mobilenet_v2.preprocess_input`.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> mobilenet_v2((96, 96, 3), 10, alpha=0.35).count_params()
        423018
    """
    check(input_shape, classes, alpha, sparse_ready=sparse_ready)
    inputs = keras.Input(input_shape, name="image")
    x: Any = inputs
    if sparse_ready:
        x = layers.ZeroPadding2D(1, name="Conv1_pad")(x)
    padding = "valid" if sparse_ready else "same"
    x = layers.Conv2D(eighths(32 * alpha), 3, strides=2, padding=padding, use_bias=False, name="Conv1")(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name="bn_Conv1")(x)
    x = layers.ReLU(6.0, name="Conv1_relu")(x)
    number = 0
    for expansion, filters, repetitions, strides in STAGES_V2:
        for repetition in range(repetitions):
            x = inverted(
                x, expansion, eighths(filters * alpha), 1 if repetition else strides, number, sparse_ready=sparse_ready
            )
            number += 1
    x = layers.Conv2D(eighths(1280 * alpha) if alpha > 1.0 else 1280, 1, use_bias=False, name="Conv_1")(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name="Conv_1_bn")(x)
    x = layers.ReLU(6.0, name="out_relu")(x)
    x = layers.GlobalAveragePooling2D(name="global_average_pooling2d")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(classes, activation=activation, name="predictions")(x)
    return keras.Model(inputs, x, name=f"mobilenet_v2_{alpha:g}")


def inverted(x: Any, expansion: int, filters: int, strides: int, number: int, *, sparse_ready: bool) -> Any:
    """Return what an inverted residual block makes of a tensor."""
    read = int(x.shape[-1])
    prefix = f"block_{number}_" if number else "expanded_conv_"
    before = x
    if number:
        x = layers.Conv2D(expansion * read, 1, padding="same", use_bias=False, name=f"{prefix}expand")(x)
        x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name=f"{prefix}expand_BN")(x)
        x = layers.ReLU(6.0, name=f"{prefix}expand_relu")(x)
    padding = "same"
    if strides == 2:
        x, padding = strided(x, f"{prefix}pad", sparse_ready=sparse_ready), "valid"
    x = layers.DepthwiseConv2D(3, strides=strides, padding=padding, use_bias=False, name=f"{prefix}depthwise")(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name=f"{prefix}depthwise_BN")(x)
    x = layers.ReLU(6.0, name=f"{prefix}depthwise_relu")(x)
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{prefix}project")(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name=f"{prefix}project_BN")(x)
    if read == filters and strides == 1:
        x = layers.Add(name=f"{prefix}add")([before, x])
    return x


def strided(x: Any, name: str, *, sparse_ready: bool, first: bool = False) -> Any:
    """Return a tensor padded for a 3 × 3 convolution with strides of 2."""
    odd = [int(size) % 2 for size in x.shape[1:3]]
    own = ((0, 1), (0, 1)) if first or not any(odd) else tuple((one, 1) for one in odd)
    return layers.ZeroPadding2D(1 if sparse_ready else own, name=name)(x)


def eighths(value: float) -> int:
    """Return a number of filters as a multiple of 8 that is at most a tenth below `value`."""
    nearest = max(8, int(value + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * value else nearest


def check(input_shape: tuple[int, int, int], classes: int, alpha: float, *, sparse_ready: bool) -> None:
    """Check the arguments of both.

    Raises:
        InputError: If the image is no image, too small or of an odd size, or the width is none.
    """
    if len(input_shape) != 3 or any(not isinstance(size, int) or size < 1 for size in input_shape):
        raise InputError(f"input_shape is {input_shape!r}; give (height, width, channels), as (224, 224, 3).")
    if any(size < 32 for size in input_shape[:2]):
        raise InputError(f"Images of {input_shape[0]} × {input_shape[1]} are too small; give at least 32 × 32.")
    if classes < 1 or not alpha > 0:
        raise InputError(f"classes={classes!r}, alpha={alpha!r}; give a number of classes from 1 and a width above 0.")
    if sparse_ready and (input_shape[2] != 3 or any(size % 32 for size in input_shape[:2])):
        raise InputError(
            f"input_shape is {input_shape}; zeros are skipped for images of three channels whose sizes are "
            "multiples of 32. Give such a shape, or sparse_ready=False."
        )
