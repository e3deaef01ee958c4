"""When something goes wrong: it is said early and in the user's words, and nothing is left behind."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfprune.errors import ExportError, InputError
from tfprune.export import to_tflite


@keras.saving.register_keras_serializable("tests_export")
class Decompose(layers.Layer):
    def call(self, x):
        return tf.linalg.qr(x)[1]


def test_operations_without_a_kernel_are_named_with_their_layers(tmp_path):
    x = keras.Input((4, 4), name="x")
    inner = keras.Sequential([keras.Input((4, 4)), Decompose(name="decomposition")], name="inner")
    model = keras.Model(x, layers.Lambda(lambda t: tf.linalg.det(t), name="volume")(inner(x)))
    with pytest.raises(ExportError, match="no built-in operation for") as caught:
        to_tflite(model, tmp_path / "m.tflite")
    for word in ("Qr", "'decomposition'", "MatrixDeterminant", "'volume'"):
        assert word in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_destination_is_checked_before_the_work(cnn, tmp_path, monkeypatch):
    monkeypatch.setattr("tfprune.export.tflite.signature_of", None)
    path = tmp_path / "m.tflite"
    path.write_text("precious")
    with pytest.raises(InputError, match="exists"):
        to_tflite(cnn, path)
    assert path.read_text() == "precious"
    with pytest.raises(InputError, match="no folder"):
        to_tflite(cnn, tmp_path / "missing" / "m.tflite")
    with pytest.raises(InputError, match=r"does not end in \.tflite"):
        to_tflite(cnn, tmp_path / "m.onnx")


def test_overwriting_when_asked(mlp, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_text("old")
    result = to_tflite(mlp, path, overwrite=True)
    assert path.stat().st_size == result.bytes
    assert [p.name for p in tmp_path.iterdir()] == ["m.tflite"]


@pytest.mark.parametrize(
    "place", ["converter.convert", "converter.read_stored", "parity.keras_outputs", "files.replace"]
)
def test_no_file_is_left_behind_and_an_old_one_is_kept(place, mlp, tmp_path, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("the disk is on fire")

    targets = {
        "converter.convert": "tfprune.export.tflite.convert",
        "converter.read_stored": "tfprune.export.tflite.read_stored",
        "parity.keras_outputs": "tfprune.export.parity.keras_outputs",
        "files.replace": "tfprune.files.os.replace",
    }
    monkeypatch.setattr(targets[place], broken)
    path = tmp_path / "m.tflite"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="the disk is on fire"):
        to_tflite(mlp, path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["m.tflite"]
    assert path.read_text() == "old"


def test_things_that_are_not_keras_models_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"Expected a Keras 3 model; got builtins\.int"):
        to_tflite(3, tmp_path / "m.tflite")


def test_stateful_recurrent_layers_are_refused(tmp_path):
    model = keras.Sequential([keras.Input(batch_shape=(2, 6, 3)), layers.LSTM(4, stateful=True, name="memory")])
    with pytest.raises(InputError, match="'memory' is stateful"):
        to_tflite(model, tmp_path / "m.tflite", batch_size=2)


def test_a_model_with_a_fixed_batch_gets_the_batch_that_was_asked_for(tmp_path):
    model = keras.Sequential([keras.Input(batch_shape=(2, 3)), layers.Dense(4)])
    assert to_tflite(model, tmp_path / "one.tflite", verify=False).inputs[0].shape == (1, 3)
    assert to_tflite(model, tmp_path / "two.tflite", batch_size=2).inputs[0].shape == (2, 3)


def test_models_quantised_by_keras_are_refused(mlp, tmp_path):
    mlp.layers[0].quantize("int8")
    with pytest.raises(InputError, match="quantised by Keras"):
        to_tflite(mlp, tmp_path / "m.tflite")


def test_the_model_is_left_as_it_was(cnn, images, tmp_path):
    cnn.compile("adam", "categorical_crossentropy")
    targets = np.eye(4, dtype="float32")[np.arange(40) % 4]
    cnn.fit(images, targets, verbose=0)
    before = [v.numpy() for v in cnn.variables + cnn.optimizer.variables]
    trained = cnn.train_function
    to_tflite(cnn, tmp_path / "m.tflite", quantize="float16")
    assert cnn.train_function is trained
    after = cnn.variables + cnn.optimizer.variables
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, after, strict=True))
    assert all(layer.trainable for layer in cnn.layers)
    cnn.fit(images, targets, verbose=0)


def test_a_layer_that_counts_its_calls_keeps_its_count(tmp_path):
    @keras.saving.register_keras_serializable("tests_export")
    class Noisy(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x):
            self.calls.assign_add(1.0)
            return x * 2.0

    x = keras.Input((3,), name="x")
    layer = Noisy()
    model = keras.Model(x, layers.Dense(2)(layer(x)))
    before = float(layer.calls)
    to_tflite(model, tmp_path / "m.tflite")
    assert float(layer.calls) == before


def test_the_converter_prints_nothing(mlp, tmp_path, capfd):
    capfd.readouterr()
    to_tflite(mlp, tmp_path / "m.tflite", quantize="float16")
    assert capfd.readouterr() == ("", "")


def test_a_conversion_that_takes_too_long_is_stopped_and_the_next_one_works(cnn, images, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("tfprune.export.kept.TIME_LIMIT", 0.0)
        with pytest.raises(ExportError, match="stopped after 0 s"):
            to_tflite(cnn, tmp_path / "late.tflite", quantize="int8", representative_data=images)
    assert list(tmp_path.iterdir()) == []
    made = to_tflite(cnn, tmp_path / "next.tflite", quantize="int8", representative_data=images)
    assert made.bytes > 0
