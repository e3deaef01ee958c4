"""Models in reduced precision are exported by way of a float32 copy."""

import keras
import numpy as np
import pytest
from keras import layers

from tfprune.errors import InputError
from tfprune.export import to_tflite
from tfprune.export.precision import float32_twin, reduced_precision

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("float16", "float64")]


@pytest.fixture
def policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


class Unsaved(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.head = layers.Dense(width)

    def call(self, x):
        return self.head(x)

    def get_config(self):
        return {}


@pytest.mark.parametrize("name", ["mixed_float16", "mixed_bfloat16", *SLOW])
def test_reduced_precision_is_exported_in_float32(name, policy, small_cnn_factory, images, tmp_path, lite_run):
    policy(name)
    model = small_cnn_factory()
    before = [(weight.dtype, weight.numpy()) for weight in model.weights]
    result = to_tflite(model, tmp_path / "m.tflite", parity_data=images)
    assert keras.config.dtype_policy().name == name
    assert {layer.dtype_policy.name for layer in model.layers} == {name}
    assert all(w.dtype == d and np.array_equal(w.numpy(), v) for w, (d, v) in zip(model.weights, before, strict=True))
    assert (result.inputs[0].dtype, result.outputs[0].dtype) == ("float32", "float32")
    assert "a float32 copy of it was converted" in result.notes[0]
    actual = lite_run(result.path, image=images)["output_0"]
    np.testing.assert_allclose(actual, keras.ops.convert_to_numpy(model(images)).astype("float32"), atol=0.02)


def test_a_nested_model_with_a_lambda(policy, tmp_path):
    policy("mixed_float16")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(8), layers.BatchNormalization()])
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2, dtype="float32")(layers.Lambda(lambda t: t * 2)(inner(x))))
    assert reduced_precision(model) == "float16"
    twin = float32_twin(model)
    assert reduced_precision(twin) is None
    data = np.ones((3, 4), "float32")
    np.testing.assert_allclose(twin(data), model(data), atol=1e-2)
    assert to_tflite(model, tmp_path / "m.tflite").parity.relative < 2e-2


def test_a_model_that_can_not_be_rebuilt_is_refused(policy, tmp_path):
    policy("mixed_float16")
    model = Unsaved(3)
    model(np.ones((2, 4)))
    with pytest.raises(InputError, match=r"can't be rebuilt in float32.*set_weights"):
        to_tflite(model, tmp_path / "m.tflite")


def test_float32_models_are_taken_as_they_are(cnn):
    assert reduced_precision(cnn) is None
