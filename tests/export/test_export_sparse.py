"""Sparse files: smaller where it works, refused where it would be useless or would not load."""

import keras
import numpy as np
import pytest
from keras import layers

from tfprune.errors import ExportError, InputError
from tfprune.export import to_tflite
from tfprune.export.sparse import pooled_head, sparsest_kernel


def prune(model: keras.Model, share: float = 0.8) -> keras.Model:
    for weight in model.weights:
        if len(weight.shape) > 1:
            value = weight.numpy()
            value[np.abs(value) < np.quantile(np.abs(value), share)] = 0
            weight.assign(value)
    return model


def dense_network() -> keras.Model:
    return keras.Sequential([keras.Input((64,)), layers.Dense(512, activation="relu", name="wide"), layers.Dense(64)])


def test_a_pruned_network_is_stored_in_a_third_of_the_bytes(tmp_path):
    model = prune(dense_network())
    dense = to_tflite(model, tmp_path / "dense.tflite")
    result = to_tflite(model, tmp_path / "m.tflite", sparse=True)
    assert (dense.bytes > 260_000, result.bytes < 77_000) == (True, True)
    assert result.parity.relative < 1e-5
    assert result.sparsity == pytest.approx(0.8, abs=0.01)
    assert dense.sparsity == pytest.approx(0.8, abs=0.01)
    half = to_tflite(model, tmp_path / "half.tflite", sparse=True, quantize="float16", verify=False)
    assert half.bytes < 0.7 * result.bytes


def test_sparse_convolutions_agree(cnn, images, tmp_path):
    model = prune(cnn, 0.9)
    result = to_tflite(model, tmp_path / "m.tflite", sparse=True, parity_data=images)
    assert result.bytes < to_tflite(model, tmp_path / "d.tflite", verify=False).bytes
    assert result.parity.relative < 1e-5


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_dense_network_is_refused(share, tmp_path):
    with pytest.raises(InputError, match=r"nothing to store sparsely.*Prune the model first"):
        to_tflite(prune(dense_network(), share), tmp_path / "m.tflite", sparse=True)


def test_dynamic_with_convolutions_is_refused_before_any_work(cnn, tmp_path, monkeypatch):
    monkeypatch.setattr("tfprune.export.tflite.save_for_conversion", None)
    with pytest.raises(InputError, match=r"fail to load where there are convolutions.*float16"):
        to_tflite(prune(cnn), tmp_path / "m.tflite", sparse=True, quantize="dynamic")


def test_what_the_runtime_can_not_load_is_not_written(tmp_path):
    with pytest.raises(ExportError, match=r"can't run.*use quantize='float16' or None with sparse=True"):
        to_tflite(prune(dense_network()), tmp_path / "m.tflite", sparse=True, quantize="dynamic")
    assert not list(tmp_path.iterdir())


def test_a_pooled_convolutional_head_is_remarked_on(tmp_path):
    def pooled():
        x = keras.Input((8, 8, 3), name="x")
        y = layers.Conv2D(16, 1)(x)
        return x, y, layers.GlobalAveragePooling2D(keepdims=True)(y)

    x, y, z = pooled()
    head = keras.Model(x, layers.Flatten()(layers.Conv2D(5, 1, name="head")(z)))
    x, y, z = pooled()
    gate = keras.Model(x, layers.Multiply()([y, layers.Conv2D(16, 1, activation="sigmoid")(z)]))
    assert pooled_head(head) == ["head"]
    assert pooled_head(gate) == []
    result = to_tflite(prune(head, 0.9), tmp_path / "m.tflite", sparse=True, verify=False)
    assert "ARM" in result.notes[0]


def test_the_sparsest_kernel_is_found():
    model = dense_network()
    assert sparsest_kernel(model)[1] == 0
    wide = model.get_layer("wide").kernel
    wide.assign(np.where(np.arange(512) % 2, wide.numpy(), 0))
    name, share = sparsest_kernel(model)
    assert ("wide" in name, share) == (True, 0.5)
