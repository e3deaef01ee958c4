"""What every test shares: quiet TensorFlow, fixed seeds, two CPU devices, small models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(7)


@pytest.fixture
def run_python():
    """Run Python code in a process of its own, from a folder that is not the checkout; return what it printed."""

    def run(code: str, *args: str, check: bool = True, cwd=None, **env: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
        done = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, env=environment, cwd=cwd, timeout=300
        )
        assert not check or done.returncode == 0, done.stderr[-3000:]
        return done

    return run


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 8, 8, 2)).astype("float32")
    return x, rng.integers(0, 3, 96)


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


def sparsity_of(layer_or_variable) -> float:
    """The fraction of zeros in a layer's kernel, counted."""
    kernel = np.asarray(getattr(layer_or_variable, "kernel", layer_or_variable))
    return float(np.mean(kernel == 0))
