"""Small .tflite files, made once a session, with the Keras models they come from."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class Made:
    path: Path
    keras: Any
    x: Any


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("models")
    data = np.random.default_rng(1)
    made: dict[str, Made] = {}

    def convert(name: str, model: Any, x: Any, **settings: Any) -> None:
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        for key, value in settings.items():
            setattr(converter, key, value)
        path = folder / f"{name}.tflite"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converter's own, on quantised inputs
            path.write_bytes(converter.convert())
        made[name] = Made(path, model, x)

    image = keras.Input((8, 8, 3), batch_size=1, name="image")
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(image))
    conv = keras.Model(image, layers.Dense(5)(features))
    x = data.random((40, 8, 8, 3)).astype("float32")
    convert("float", conv, x)
    convert(
        "int8",
        conv,
        x,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([row[None]] for row in x),
        target_spec=tf.lite.TargetSpec(supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS_INT8]),
        inference_input_type=tf.int8,
        inference_output_type=tf.int8,
    )

    row = keras.Input((6, 2), name="row")
    dynamic = keras.Model(row, layers.Dense(3, activation="softmax")(layers.Flatten()(row)))
    convert("dynamic", dynamic, data.normal(size=(70, 6, 2)).astype("float32"))

    zeta = keras.Input((4,), batch_size=1, name="zeta")
    alpha = keras.Input((6,), batch_size=1, name="alpha")
    joined = layers.concatenate([zeta, alpha])
    two = keras.Model([zeta, alpha], [layers.Dense(i + 1)(joined) for i in range(11)])
    pair = {"alpha": data.random((9, 6)).astype("float32"), "zeta": data.random((9, 4)).astype("float32")}
    convert("two", two, pair)

    tokens = keras.Input((5,), batch_size=1, dtype="int32", name="tokens")
    convert(
        "tokens",
        keras.Model(tokens, layers.Dense(2)(layers.Flatten()(layers.Embedding(7, 4)(tokens)))),
        data.integers(0, 7, (12, 5), dtype="int32"),
    )

    running = keras.ops.cumsum(layers.Conv2D(8, 3, activation="relu", name="first")(image), axis=1)  # not XNNPACK's
    last = layers.Dense(5, name="last")(layers.GlobalAveragePooling2D(name="mean")(running))
    convert("mixed", keras.Model(image, last, name="mixed"), x)

    for name, width in (("narrow", 256), ("wide", 1024)):
        wide = keras.Input((width,), batch_size=1, name="x")
        convert(name, keras.Model(wide, layers.Dense(width)(layers.Dense(width)(wide))), None)

    @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32)])  # type: ignore[untyped-decorator]
    def forever(x: Any) -> Any:
        return tf.while_loop(lambda value: tf.reduce_all(value < 1e30), lambda value: (value * 1.0,), (x,))[0]

    endless = folder / "endless.tflite"
    endless.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([forever.get_concrete_function()]).convert())
    made["endless"] = Made(endless, None, np.zeros((1, 4), "float32"))
    return made
