"""Networks about which everything is known, because they are built by hand."""

import keras
import numpy as np
from keras import layers


def channels():
    """A network of two convolutions and a head, with planted channels in the first convolution of eight.

    Channel 1 has a filter of zeros, 2 is never active (a bias of −50), 3 is 2.5 times channel 0, 4 is read by nobody,
    and in the second convolution 1 is half of channel 0. The input's channel 2 is not read.
    """
    rng = np.random.default_rng(5)
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(inputs)
    x = layers.Conv2D(4, 3, activation="relu", name="second")(x)
    outputs = layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs, name="planted")
    first, second = model.get_layer("first"), model.get_layer("second")
    kernel = rng.normal(size=(3, 3, 3, 8)).astype("float32")
    bias = rng.normal(size=8).astype("float32") * 0.1
    kernel[..., 2, :] = 0
    kernel[..., 1] = 0
    bias[1], bias[2] = 0.0, -50.0
    kernel[..., 3], bias[3] = 2.5 * kernel[..., 0], 2.5 * bias[0]
    first.set_weights([kernel, bias])
    kernel = rng.normal(size=(3, 3, 8, 4)).astype("float32")
    kernel[..., 4, :] = 0
    kernel[..., 1] = 0.5 * kernel[..., 0]
    second.set_weights([kernel, np.zeros(4, "float32")])
    return model


def images(count=64, shape=(6, 6, 3), seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("float32")


def detectors():
    """A network whose hidden unit c answers to class c alone, and the classes' samples: one-hot inputs with noise."""
    inputs = keras.Input((4,))
    x = layers.Dense(4, activation="relu", name="hidden")(inputs)
    model = keras.Model(inputs, layers.Dense(4, name="head")(x))
    model.get_layer("hidden").set_weights([np.eye(4, dtype="float32"), np.full(4, -0.5, "float32")])
    model.get_layer("head").set_weights([np.eye(4, dtype="float32"), np.zeros(4, "float32")])
    y = np.repeat(np.arange(4), 8)
    noise = np.random.default_rng(0).uniform(0, 0.1, (32, 4))
    return model, (np.eye(4)[y] + noise).astype("float32"), y


def corner(size=8):
    """A network whose answer depends on the mean of the 3 × 3 pixels in the upper left corner alone.

    The convolution passes bright pixels on, as is (channel 0) and negated (channel 1); the head looks at the corner.
    """
    inputs = keras.Input((size, size, 1))
    x = layers.Conv2D(2, 1, activation="relu", name="conv")(inputs)
    outputs = layers.Dense(2, name="head")(layers.Flatten()(x))
    model = keras.Model(inputs, outputs, name="corner")
    model.get_layer("conv").set_weights([np.array([[[[1.0, -1.0]]]], "float32"), np.zeros(2, "float32")])
    weights = np.zeros((size, size, 2, 2), "float32")
    weights[:3, :3, 0] = [-1, 1]
    weights[:3, :3, 1] = [1, -1]
    model.get_layer("head").set_weights([weights.reshape(-1, 2), np.zeros(2, "float32")])
    rng = np.random.default_rng(1)
    x = rng.uniform(0.2, 1.0, (24, size, size, 1)).astype("float32")
    y = np.arange(24) % 2
    x[y == 0, :3, :3] *= -1
    return model, x, y


def mask(size=8):
    found = np.zeros((size, size), bool)
    found[:3, :3] = True
    return found
