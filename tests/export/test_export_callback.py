"""The callback: refuses early, exports at the end."""

import copy
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfprune.callbacks.export import TFLiteExportCallback
from tfprune.errors import ExportError, InputError

X = np.random.default_rng(0).normal(size=(32, 16)).astype("float32")
Y = np.arange(32) % 4


def compiled(model: keras.Model) -> keras.Model:
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_the_trained_model_is_exported(mlp, tmp_path, lite_run):
    callback = TFLiteExportCallback(tmp_path / "m.tflite", parity_data=X)
    assert callback.result is None
    compiled(mlp).fit(X, Y, verbose=0, callbacks=[callback])
    actual = next(iter(lite_run(callback.result.path, **{callback.result.inputs[0].name: X}).values()))
    np.testing.assert_allclose(actual, mlp(X), atol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"quantize": "int8", "overwrite": True}, {"quantize": "nonsense", "overwrite": True}]
)
def test_it_refuses_before_the_first_step(options, mlp, tmp_path):
    (tmp_path / "m.tflite").write_text("old")
    before = mlp.get_weights()
    with pytest.raises(InputError):
        compiled(mlp).fit(X, Y, verbose=0, callbacks=[TFLiteExportCallback(tmp_path / "m.tflite", **options)])
    assert all(np.array_equal(a, b) for a, b in zip(before, mlp.get_weights(), strict=True))
    assert (tmp_path / "m.tflite").read_text() == "old"


def test_a_distiller_exports_its_student(mlp, tmp_path):
    teacher = keras.Sequential([keras.Input((16,)), layers.Dense(4)])
    distiller = keras.distillation.Distiller(
        teacher=teacher, student=mlp, distillation_losses=keras.distillation.LogitsDistillation()
    )
    callback = TFLiteExportCallback(tmp_path / "m.tflite")
    compiled(distiller).fit(X, Y, verbose=0, callbacks=[callback])
    assert callback.result.bytes > 4 * 16 * 64


def test_a_failed_export_leaves_the_model_and_no_file(mlp, tmp_path):
    callback = TFLiteExportCallback(tmp_path / "m.tflite", quantize="float16", tolerance=0.0)
    with pytest.raises(ExportError):
        compiled(mlp).fit(X, Y, verbose=0, callbacks=[callback])
    assert callback.result is None
    assert not list(tmp_path.iterdir())


def test_it_can_be_copied_before_training_even_with_a_data_set(tmp_path):
    data = tf.data.Dataset.from_tensor_slices(X).batch(4)
    callback = TFLiteExportCallback(tmp_path / "m.tflite", quantize="int8", representative_data=data)
    twin = copy.deepcopy(callback)
    assert twin.get_config() == callback.get_config()
    assert twin is not callback


def test_serialisation(tmp_path):
    callback = TFLiteExportCallback(
        tmp_path / "m.tflite", quantize="int8", representative_data=[X, X[:, :2]], input_shape=(16,), overwrite=True
    )
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(callback)))
    assert stored["registered_name"] == "tfprune>TFLiteExportCallback"
    twin = keras.saving.deserialize_keras_object(stored)
    assert twin.options["quantize"] == "int8"
    assert twin.overwrite
    assert tuple(twin.options["input_shape"]) == (16,)
    np.testing.assert_array_equal(twin.options["representative_data"][1], X[:, :2])
    assert TFLiteExportCallback.from_config(callback.get_config()).path == callback.path
