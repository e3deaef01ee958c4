"""What several tests need: a small network, and a count of zeros."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np

ROOT = Path(__file__).resolve().parents[1]


def examples(count: int) -> int:
    """Return how many examples hypothesis is to draw: so many, or EXAMPLES times that."""
    return count * int(os.environ.get("EXAMPLES", "1"))


def small_model(**compile_options) -> keras.Model:
    """A functional network with a stem, a depthwise and two prunable layers, and a head; compiled."""
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(6, 3, name="stem")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Conv2D(12, 1, activation="relu", name="pointwise")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(20, activation="relu", name="hidden")(x)
    outputs = layers.Dense(3, activation="softmax", dtype="float32", name="head")(x)
    model = keras.Model(inputs, outputs, name="small")
    options = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", **compile_options}
    model.compile(**options)
    return model


def model_and_data(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write `model.keras`, compiled, and `train.npz` with 64 samples of three classes; return these."""
    keras.utils.set_random_seed(1)
    small_model(metrics=["accuracy"]).save(folder / "model.keras")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 8, 8, 2)).astype("float32"), rng.integers(0, 3, 64)
    np.savez(folder / "train.npz", x=x, y=y)
    return x, y


def sparsity_of(layer_or_variable) -> float:
    """The fraction of zeros in a layer's kernel, counted."""
    kernel = np.asarray(getattr(layer_or_variable, "kernel", layer_or_variable))
    return float(np.mean(kernel == 0))
