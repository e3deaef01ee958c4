from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.set_random_seed(7)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 12, 12, 3)).astype("float32")


@pytest.fixture
def cnn() -> keras.Model:
    return build_cnn()


@pytest.fixture
def small_cnn_factory() -> Callable[[], keras.Model]:
    return build_cnn


@pytest.fixture
def mlp() -> keras.Model:
    return keras.Sequential([keras.Input((16,), name="x"), layers.Dense(64, activation="relu"), layers.Dense(4)])


@pytest.fixture
def lite_run() -> Callable[..., dict[str, np.ndarray]]:
    """Run a file that was just made, sample by sample, without tfprune: the independent check."""
    from ai_edge_litert.interpreter import Interpreter

    def run(path: Path | str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        runner = Interpreter(model_path=str(path)).get_signature_runner("serving_default")
        count = len(next(iter(inputs.values())))
        parts: list[dict[str, Any]] = [
            runner(**{name: value[i : i + 1] for name, value in inputs.items()}) for i in range(count)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return run


def build_cnn() -> keras.Model:
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, strides=2)(x)
    x = layers.SeparableConv2D(32, 3, activation="relu")(x)
    x = layers.Dense(32, activation="relu")(layers.Flatten()(layers.Dropout(0.3)(x)))
    model = keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(x))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-0.3, 0.3, 16))
            layer.moving_variance.assign(np.linspace(0.5, 2.0, 16))
    return model
