"""A small convolutional network for small images: the demo's and the benchmarks'."""

from __future__ import annotations

import keras
from keras import layers

__all__ = ["small_cnn"]


def small_cnn(
    input_shape: tuple[int, int, int] = (28, 28, 1), classes: int = 10, widths: tuple[int, ...] = (16, 32, 64)
) -> keras.Model:
    """Return an untrained network of 3 × 3 convolutions with batch normalisation, and a Dense layer before the last.

    Args:
        input_shape: Height, width and channels of an image; values from 0 to 255.
        classes: Number of classes.
        widths: Filters of each convolution; the image is halved after each.

    Returns:
        A functional model that ends in a softmax.

    Example:
        >>> small_cnn().count_params()
        98778
    """
    x = inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255)(x)
    for index, width in enumerate(widths, 1):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv_{index}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm_{index}")(x)
        x = layers.ReLU(name=f"relu_{index}")(x)
        x = layers.MaxPooling2D(name=f"pool_{index}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="hidden")(x)
    outputs = layers.Dense(classes, activation="softmax", name="classes")(x)
    return keras.Model(inputs, outputs, name="small_cnn")
