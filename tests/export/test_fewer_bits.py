"""Files of 8 and 4 bits by ai-edge-quantizer: smaller, layer by layer, zeros stay zero; bad input is refused."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune.errors import ExportError, InputError
from tfprune.export import requantize, to_tflite
from tfprune.export.fewer_bits import chosen
from tfprune.linting import read_network

pytest.importorskip("ai_edge_quantizer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    keras.utils.set_random_seed(3)
    where = tmp_path_factory.mktemp("bits")
    x = inputs = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(32, 3, activation="relu", name="first")(x)
    x = layers.Conv2D(32, 3, activation="relu", name="second")(x)
    x = layers.Dense(64, activation="relu", name="hidden")(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(8, name="scores")(x))
    tfprune.prune(model, 0.75, layers=["second", "hidden"])
    to_tflite(model, where / "float.tflite", verify=False)
    to_tflite(model, where / "half.tflite", quantize="float16", verify=False)
    to_tflite(model, where / "sparse.tflite", quantize=None, sparse=True, verify=False)
    return where


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((16, 12, 12, 3)).astype("float32")


def types_of(path):
    found = {}
    for tensor in read_network(path).tensors:
        if tensor.constant and len(tensor.shape) > 1:
            found.setdefault(tensor.dtype, []).append(tensor.size)
    return found


def test_four_bits_are_half_of_eight_and_zeros_stay(folder, images, tmp_path):
    eight = requantize(folder / "float.tflite", tmp_path / "8.tflite", bits=8, representative_data=images)
    four = requantize(folder / "float.tflite", tmp_path / "4.tflite", bits=4, representative_data=images)
    assert four.bytes < 0.65 * eight.bytes < 0.2 * (folder / "float.tflite").stat().st_size
    assert eight.parity.relative < four.parity.relative < 0.5
    assert eight.sparsity > 0.7
    assert four.sparsity >= eight.sparsity
    assert set(types_of(tmp_path / "4.tflite")) == {"int4"}


def test_layers_have_bits_of_their_own(folder, images, tmp_path):
    requantize(folder / "float.tflite", tmp_path / "m.tflite", bits=4, layers={"hidden": 8, "first": None})
    found = types_of(tmp_path / "m.tflite")
    assert found["float32"] == [3 * 3 * 3 * 32]
    assert found["int8"] == [8 * 8 * 32 * 64]
    assert sorted(found["int4"]) == [64 * 8, 3 * 3 * 32 * 32]


@pytest.mark.parametrize(("activations", "dtype"), [("int8", "int8"), ("int16", "int16")])
def test_activations_by_ranges_seen_on_data(activations, dtype, folder, images, tmp_path):
    done = requantize(
        folder / "float.tflite", tmp_path / "m.tflite", bits=8, activations=activations, representative_data=images
    )
    assert done.inputs[0].dtype == dtype
    assert done.parity.source == "representative_data"
    assert done.parity.relative < 0.1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("float", {"bits": 3}, "bits is 3; give 4 or 8"),
        ("float", {"activations": "int4"}, "activations is 'int4'"),
        ("float", {"activations": "int8"}, "needs representative_data"),
        ("float", {"layers": {"hiden": 8}}, "no layer 'hiden' in the file. Did you mean 'hidden'"),
        ("float", {"layers": {"hidden": 2}}, "bits of 'hidden' are 2"),
        ("float", {"representative_data": np.zeros((4, 3))}, "have the shape"),
        ("float", {"representative_data": {"picture": np.zeros((4, 12, 12, 3))}}, "the file's inputs are"),
        ("half", {}, "stored as float16 already"),
        ("sparse", {}, "leaves zeros out"),
    ],
)
def test_bad_input_is_refused(name, options, message, folder, tmp_path):
    with pytest.raises(InputError, match=message):
        requantize(folder / f"{name}.tflite", tmp_path / "m.tflite", **options)
    assert not list(tmp_path.iterdir())


def test_no_samples_are_drawn_that_fill_memory(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tfprune.export.fewer_bits.LARGEST", 1000)
    with pytest.raises(ExportError, match=r"eight samples of \{'image': \(8, 12, 12, 3\)\} .*Give representative_data"):
        requantize(folder / "float.tflite", tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())


def test_an_operation_without_outputs_belongs_to_no_layer(folder, monkeypatch):
    """As in damaged files."""
    network = read_network(folder / "float.tflite")
    *others, last = network.operations
    broken = replace(network, operations=(*others, replace(last, outputs=())))
    monkeypatch.setattr("tfprune.xnnpack.network.read_network", lambda content: broken)
    assert chosen(b"", {"hidden": 8})
