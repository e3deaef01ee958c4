"""A small network, and images for it."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers


def network(seed: int = 0) -> keras.Model:
    """A trained-like residual network with channels that matter little, compiled."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(12, 3, padding="same", activation="relu", name="stem")(inputs)
    y = layers.Conv2D(16, 3, padding="same", use_bias=False, name="inner")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.ReLU(name="relu")(y)
    y = layers.Conv2D(12, 3, padding="same", name="outer")(y)
    x = layers.Add(name="add")([x, y])
    x = layers.Conv2D(24, 3, strides=2, activation="relu", name="last")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(16, activation="relu", name="hidden")(x)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax", name="head")(x), name="residual")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def images(count: int = 96, seed: int = 0):
    """Images, with labels that can be told from them."""
    x = np.random.default_rng(seed).normal(size=(count, 12, 12, 3)).astype("float32")
    y = 2 * (x[:, :6].mean(axis=(1, 2, 3)) > 0) + (x[:, :, :6].mean(axis=(1, 2, 3)) > 0)
    return x, y.astype("int32")
