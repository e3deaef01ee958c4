"""Every kind of model comes out as a file that an independent interpreter runs with Keras' numbers."""

import keras
import numpy as np
import pytest
from keras import layers

from tfprune.errors import ExportError, InputError
from tfprune.export import to_tflite

RNG = np.random.default_rng(1)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


def close(result, expected, actual, tolerance=1e-5):
    np.testing.assert_allclose(actual, keras.ops.convert_to_numpy(expected), atol=tolerance)
    assert result.parity.relative < 1e-4


class Doubled(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(4, 3)
        self.head = layers.Dense(3)

    def call(self, x):
        return self.head(keras.ops.mean(self.conv(x) * 2.0, axis=(1, 2)))


class TwoFaced(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3)

    def call(self, x):
        return {"sum": self.head(x["left"] + x["right"]), "left": self.head(x["left"])}


def test_a_convolutional_network_agrees_and_keeps_its_names(cnn, images, tmp_path, lite_run):
    result = to_tflite(cnn, tmp_path / "m.tflite", parity_data=images)
    assert (result.inputs[0].name, result.inputs[0].shape) == ("image", (1, 12, 12, 3))
    assert (result.outputs[0].name, result.outputs[0].shape) == ("output_0", (1, 4))
    close(result, cnn(images), lite_run(result.path, image=images)["output_0"])
    assert (result.parity.samples, result.parity.source) == (40, "parity_data")


def test_two_inputs_and_two_outputs_are_not_mixed_up(tmp_path, lite_run):
    left, right = keras.Input((5,), name="z_first"), keras.Input((5,), name="a_second")
    model = keras.Model([left, right], [layers.Dense(3)(left), layers.Dense(3)(left - 2 * right)])
    x = [normal(6, 5), normal(6, 5)]
    result = to_tflite(model, tmp_path / "m.tflite", parity_data=x)
    actual = lite_run(result.path, z_first=x[0], a_second=x[1])
    for name, expected in zip(["output_0", "output_1"], model(x), strict=True):
        close(result, expected, actual[name])


def test_dicts_of_inputs_and_outputs(tmp_path, lite_run):
    a, b = keras.Input((4,), name="b"), keras.Input((4,), name="a")
    model = keras.Model({"b": a, "a": b}, {"y": layers.Dense(2)(a - b), "x": layers.Dense(2)(b)})
    x = {"b": normal(3, 4), "a": normal(3, 4)}
    result = to_tflite(model, tmp_path / "m.tflite", parity_data=x)
    actual = lite_run(result.path, **x)
    for name, expected in model(x).items():
        close(result, expected, actual[name])


def test_lstm_gru_and_bidirectional_work_with_a_fixed_batch(tmp_path, lite_run):
    model = keras.Sequential(
        [keras.Input((6, 3), name="x"), layers.LSTM(4, return_sequences=True), layers.Bidirectional(layers.GRU(3))]
    )
    x = normal(3, 6, 3)
    result = to_tflite(model, tmp_path / "m.tflite", parity_data=x)
    close(result, model(x), next(iter(lite_run(result.path, **{result.inputs[0].name: x}).values())))


def test_a_looping_recurrent_layer_with_an_open_batch_is_explained(tmp_path):
    model = keras.Sequential([keras.Input((6, 3)), layers.LSTM(4, name="memory")])
    with pytest.raises(ExportError, match=r"'memory'.*batch_size=1.*unroll"):
        to_tflite(model, tmp_path / "m.tflite", batch_size=None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_embeddings_are_compared_on_valid_indices(dtype, tmp_path, lite_run):
    model = keras.Sequential(
        [keras.Input((7,), dtype=dtype), layers.Embedding(20, 4), layers.GlobalAveragePooling1D(), layers.Dense(2)]
    )
    result = to_tflite(model, tmp_path / "m.tflite")
    assert (result.inputs[0].dtype, result.parity.source) == (dtype, "random")
    x = RNG.integers(0, 20, (3, 7)).astype(dtype)
    close(result, model(x), next(iter(lite_run(result.path, **{result.inputs[0].name: x}).values())))


def test_a_nested_model_and_attention(tmp_path, lite_run):
    inner = keras.Sequential([keras.Input((6, 8)), layers.Dense(8, activation="gelu"), layers.LayerNormalization()])
    x = keras.Input((6, 8), name="x")
    model = keras.Model(x, layers.MultiHeadAttention(2, 4, name="attention")(inner(x), x))
    data = normal(3, 6, 8)
    result = to_tflite(model, tmp_path / "m.tflite", parity_data=data)
    close(result, model(data), lite_run(result.path, x=data)["output_0"])


def test_a_subclassed_model_that_has_been_called(images, tmp_path, lite_run):
    model = Doubled()
    expected = model(images)
    result = to_tflite(model, tmp_path / "m.tflite")
    assert result.inputs[0].shape == (1, 12, 12, 3)
    close(result, expected, lite_run(result.path, inputs=images)["output_0"])


def test_a_subclassed_model_on_a_dict(tmp_path, lite_run):
    model = TwoFaced()
    x = {"right": normal(4, 5), "left": normal(4, 5)}
    expected = model(x)
    result = to_tflite(model, tmp_path / "m.tflite")
    actual = lite_run(result.path, **x)
    close(result, expected["sum"], actual["sum"])
    close(result, expected["left"], actual["left"])


def test_labels_do_not_pass_for_a_second_input_of_a_subclassed_model(tmp_path):
    model = keras.Sequential([layers.Dense(3)])
    model(normal(2, 5))
    wrapped = Doubled()
    wrapped(normal(2, 8, 8, 3))
    labelled = (normal(10, 8, 8, 3), normal(10, 8, 8, 3))
    assert len(to_tflite(wrapped, tmp_path / "a.tflite", parity_data=labelled, verify=False).inputs) == 1
    assert (
        len(to_tflite(model, tmp_path / "b.tflite", parity_data=(normal(10, 5), normal(10, 3)), verify=False).inputs)
        == 1
    )


def test_an_unbuilt_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="not built; call it once"):
        to_tflite(Doubled(), tmp_path / "m.tflite")


def test_the_batch_can_be_open_or_larger(cnn, images, tmp_path):
    result = to_tflite(cnn, tmp_path / "open.tflite", batch_size=None, parity_data=images[:9])
    assert result.inputs[0].shape[0] is None
    assert result.parity.relative < 1e-4
    result = to_tflite(cnn, tmp_path / "four.tflite", batch_size=4, parity_data=images[:9])
    assert (result.inputs[0].shape[0], result.parity.samples) == (4, 9)
    assert result.parity.relative < 1e-4


def test_open_axes_need_a_shape_from_somewhere(images, tmp_path):
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3)(image)))
    with pytest.raises(InputError, match="input_shape="):
        to_tflite(model, tmp_path / "m.tflite")
    assert to_tflite(model, tmp_path / "a.tflite", input_shape=(9, 10, 3), verify=False).inputs[0].shape == (
        1,
        9,
        10,
        3,
    )
    assert to_tflite(model, tmp_path / "b.tflite", parity_data=images, verify=False).inputs[0].shape == (1, 12, 12, 3)


def test_awkward_names_become_identifiers(tmp_path, lite_run):
    x = keras.Input((4,), name="my input-1")
    result = to_tflite(keras.Model(x, layers.Dense(2)(x)), tmp_path / "m.tflite", verify=False)
    assert result.inputs[0].name == "my_input_1"
    assert lite_run(result.path, my_input_1=normal(1, 4))["output_0"].shape == (1, 2)


def test_a_word_of_python_as_a_name(tmp_path, lite_run):
    x = keras.Input((4,), name="lambda")
    result = to_tflite(keras.Model(x, layers.Dense(2)(x)), tmp_path / "m.tflite")
    assert result.inputs[0].name == "lambda_"
    assert lite_run(result.path, lambda_=normal(1, 4))["output_0"].shape == (1, 2)


def test_one_tensor_as_two_outputs(tmp_path):
    x = keras.Input((4,), name="x")
    y = layers.Dense(2, name="d")(x)
    assert len(to_tflite(keras.Model(x, [y, y]), tmp_path / "m.tflite").outputs) == 2
