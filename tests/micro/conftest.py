"""Small networks that a microcontroller can run, as int8 files with int8 inputs and outputs."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import tfprune

IMAGES = np.random.default_rng(0).normal(size=(64, 16, 16, 3)).astype("float32")


def conv_net() -> keras.Model:
    x = image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(24, 3, activation="relu")(x)
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(5, activation="softmax", name="scores")(x), name="conv_net")


def depthwise_net() -> keras.Model:
    x = image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = layers.Add()([x, layers.Conv2D(16, 1)(y)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(5, name="scores")(x), name="depthwise_net")


def dense_net() -> keras.Model:
    x = vector = keras.Input((16, 16, 3), name="image")
    x = layers.Dense(40, activation="relu")(layers.Flatten()(x))
    return keras.Model(vector, layers.Dense(5, activation="sigmoid", name="scores")(x), name="dense_net")


NETS: dict[str, Callable[[], keras.Model]] = {"conv": conv_net, "depthwise": depthwise_net, "dense": dense_net}


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return IMAGES


@pytest.fixture(scope="session")
def int8_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An int8 file of each network, with weights that are not those of the initialiser."""
    folder = tmp_path_factory.mktemp("int8")
    files = {}
    for name, make in NETS.items():
        keras.utils.set_random_seed(3)
        model = make()
        for weight in model.trainable_weights:
            weight.assign_add(np.random.default_rng(1).normal(scale=0.05, size=weight.shape))
        files[name] = folder / f"{name}.tflite"
        tfprune.to_tflite(model, files[name], quantize="int8", io_dtype="int8", representative_data=IMAGES)
    return files
