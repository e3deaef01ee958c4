"""What the code in README and docs takes as given: a trained model, its data, and what a page calls its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
from support import ROOT

import tfprune

LABELS = np.arange(256) % 10


def make_images() -> np.ndarray:
    """Return images that show their class: a bright spot in one of ten places, in noise."""
    x = np.random.default_rng(0).normal(0, 0.3, (256, 8, 8, 3)).astype("float32")
    for image, label in zip(x, LABELS, strict=True):
        image[label // 4 * 3 : label // 4 * 3 + 2, label % 4 * 2 : label % 4 * 2 + 2] += 2
    return x


def make_model() -> keras.Model:
    """Return a small residual network that knows the images."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    maps = layers.Conv2D(16, 3, padding="same", activation="relu", name="stem")(inputs)
    maps = layers.Conv2D(32, 3, padding="same", activation="relu", name="conv_3")(maps)
    for number in range(2):
        branch = layers.Conv2D(32, 3, padding="same", activation="relu", name=f"conv_{number}")(maps)
        branch = layers.BatchNormalization(name=f"norm_{number}")(layers.Conv2D(32, 1, name=f"out_{number}")(branch))
        maps = layers.Add()([maps, branch])
    maps = layers.Flatten()(layers.MaxPooling2D(4)(maps))
    hidden = layers.Dense(32, activation="relu", name="wide")(layers.Dense(32, activation="relu", name="hidden")(maps))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax", name="head")(hidden), name="model")
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(make_images(), LABELS, epochs=12, batch_size=32, verbose=0)
    return model


def given(code: str, model: Path) -> dict[str, Any]:
    """Return the names that a page's code begins with, and write the files that it reads, to the working directory.

    Args:
        code: The page's code; what it does not name is not made.
        model: A `.keras` file with the model.
    """
    from tfprune import Budget, GateCallback, PruneCallback, RegularizeCallback

    x, y = make_images(), LABELS
    names = {
        "__name__": "page", "tfprune": tfprune, "keras": keras, "Budget": Budget, "PruneCallback": PruneCallback,
        "GateCallback": GateCallback, "RegularizeCallback": RegularizeCallback, "model": keras.models.load_model(model),
        "x": x, "y": y, "train": (x, y), "val": (x[:64], y[:64]), "x_val": x[:64], "y_val": y[:64], "images": x[:192],
        "box": [(2, 6), (2, 6)],
    }  # fmt: skip
    read = {name for name in ("small", "layer") if re.search(rf"\b{name}\b", code)}
    files = {name for name in ("dense", "small", "float") if f'"{name}.tflite"' in code}
    files -= set(re.findall(r'(?:to_tflite|TFLiteExportCallback)\((?:\w+, )?"(\w+)\.tflite"', code))
    names["dense"] = keras.models.load_model(model)
    if "small" in read or files:
        names["small"] = tfprune.prune_filters(names["dense"], 0.5, verbose=0)
    if "layer" in read:
        names["layer"] = names["dense"].get_layer("conv_3")
    for name in files:
        tfprune.to_tflite(names["dense" if name == "dense" else "small"], f"{name}.tflite", verify=False)
    Path("labels.txt").write_text("\n".join(map(str, range(10))), encoding="utf-8")
    shutil.copy(ROOT / "examples" / "devices" / "phone_and_edge_server.yaml", "devices.yaml")
    return names
