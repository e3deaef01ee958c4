"""Sparse files: smaller where it works, refused where it would be useless or would not load."""

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune.errors import ExportError, InputError
from tfprune.export import to_tflite
from tfprune.export.sparse import sparsest_kernel
from tfprune.pruning import prune_layer


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
    result = to_tflite(model, tmp_path / "m.tflite", quantize=None, sparse=True)
    assert (dense.bytes > 260_000, result.bytes < 77_000) == (True, True)
    assert result.parity.relative < 1e-5
    assert result.sparsity == pytest.approx(0.8, abs=0.01)
    assert dense.sparsity == pytest.approx(0.8, abs=0.01)
    half = to_tflite(model, tmp_path / "half.tflite", sparse=True, quantize="float16", verify=False)
    assert half.bytes < 0.7 * result.bytes


def test_sparse_convolutions_agree(cnn, images, tmp_path):
    model = prune(cnn, 0.9)
    result = to_tflite(model, tmp_path / "m.tflite", quantize=None, sparse=True, parity_data=images)
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
    with pytest.raises(ExportError, match=r"can't be loaded anywhere: 'wide' has sparse 8-bit weights.*float16"):
        to_tflite(prune(dense_network()), tmp_path / "m.tflite", sparse=True, quantize="dynamic")
    assert not list(tmp_path.iterdir())


def pooled_head() -> keras.Model:
    """A network of the form for which zeros are skipped, but for its head."""
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, name="stem")(layers.ZeroPadding2D(1)(x))
    x = layers.Conv2D(64, 1, name="mix")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return keras.Model(inputs, layers.Flatten()(layers.Conv2D(5, 1, name="head")(x)))


def test_a_file_that_fails_on_phones_is_refused_with_the_mend(tmp_path):
    model = prune(pooled_head(), 0.9)
    with pytest.raises(ExportError, match=r"wrong numbers on phones.*'head' is a 1 × 1 convolution behind.*Dense"):
        to_tflite(model, tmp_path / "m.tflite", sparse=True)
    assert not list(tmp_path.iterdir())
    assert to_tflite(model, tmp_path / "pc.tflite", sparse=True, target="x86-cpu").parity.relative < 2e-2
    assert to_tflite(model, tmp_path / "dense.tflite").parity.relative < 1e-4
    mended = tfprune.lint(model, fix=True).model
    assert to_tflite(mended, tmp_path / "m.tflite", sparse=True).parity.relative < 2e-2


def test_too_few_zeros_to_be_skipped_are_safe(tmp_path):
    result = to_tflite(prune(pooled_head(), 0.5), tmp_path / "m.tflite", sparse=True)
    assert result.sparsity > 0.4


def test_a_sparse_file_is_float16_unless_dense_layers_have_blocks(tmp_path):
    assert to_tflite(prune(dense_network()), tmp_path / "m.tflite", sparse=True).quantize == "float16"
    model = dense_network()
    prune_layer(model.get_layer("wide"), amount=0.9, granularity=(1, 4))
    assert to_tflite(model, tmp_path / "blocks.tflite", sparse=True).quantize is None
    assert to_tflite(model, tmp_path / "none.tflite", sparse=True, quantize=None).quantize is None
    assert to_tflite(model, tmp_path / "dense.tflite").quantize is None


def test_a_microcontroller_takes_no_sparse_file(tmp_path):
    model = prune(dense_network())
    with pytest.raises(ExportError, match=r"can't be loaded on microcontroller: 'wide' has sparse weights"):
        to_tflite(model, tmp_path / "m.tflite", sparse=True, quantize=None, target="microcontroller")
    with pytest.raises(ExportError, match=r"8-bit weights and float inputs.*quantize='int8'"):
        to_tflite(model, tmp_path / "m.tflite", quantize="dynamic", target="microcontroller")


def test_gzip_is_named_for_sparse_integers(tmp_path):
    x = np.random.default_rng(0).normal(size=(32, 64)).astype("float32")
    result = to_tflite(
        prune(dense_network()), tmp_path / "m.tflite", sparse=True, quantize="int8", representative_data=x, verify=False
    )
    assert any("gzip" in note for note in result.notes)


def test_the_sparsest_kernel_is_found():
    model = dense_network()
    assert sparsest_kernel(model)[1] == 0
    wide = model.get_layer("wide").kernel
    wide.assign(np.where(np.arange(512) % 2, wide.numpy(), 0))
    name, share = sparsest_kernel(model)
    assert ("wide" in name, share) == (True, 0.5)
