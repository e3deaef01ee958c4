"""What TensorBoard, Model Explorer and Netron are given."""

import csv
import io
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfprune
from tfprune.analysis import operation_overlay
from tfprune.benchmark.layer_report import LayerReport, LayerTime
from tfprune.callbacks.tensorboard import SparsityBoard, mask_image
from tfprune.errors import InputError

FILES = Path(__file__).parents[2] / "tflite_models"


def model():
    found = keras.Sequential([keras.Input((8,)), layers.Dense(20, activation="relu", name="hidden"),
                              layers.Dense(12, name="middle"), layers.Dense(2, name="head")])  # fmt: skip
    found.compile("sgd", "mse")
    return found


X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
Y = np.random.default_rng(1).normal(size=(64, 2)).astype("float32")


def test_tensorboard_reads_scalars_histograms_and_masks(tmp_path):
    trained = model()
    callbacks = [tfprune.PruneCallback(0.5, schedule="constant", verbose=0), SparsityBoard(str(tmp_path), images=2)]
    trained.fit(X, Y, epochs=3, verbose=0, callbacks=callbacks)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    events.Reload()
    tags = events.Tags()["tensors"]
    assert {"sparsity/all", "sparsity/middle/kernel", "weights/hidden/kernel", "mask/head/kernel"} <= set(tags)
    assert len(events.Tensors("sparsity/all")) == 3
    last = float(tf.make_ndarray(events.Tensors("sparsity/middle/kernel")[-1].tensor_proto))
    assert last == pytest.approx(0.5)
    bins = tf.make_ndarray(events.Tensors("weights/middle/kernel")[-1].tensor_proto)
    assert bins[:, 2].sum() == np.count_nonzero(trained.get_layer("middle").kernel)
    pictures = events.Tensors("mask/middle/kernel")
    assert [each.step for each in pictures] == [0, 2]
    width, height, png = tf.make_ndarray(pictures[-1].tensor_proto)
    levels = tf.io.decode_png(png).numpy()[:, :, 0]
    assert (int(width), int(height)) == (20, 12)
    np.testing.assert_array_equal(levels > 0, np.asarray(trained.get_layer("middle").kernel.numpy()).T != 0)
    plugins = {events.SummaryMetadata(tag).plugin_data.plugin_name for tag in tags}
    assert plugins == {"scalars", "histograms", "images"}


def test_it_writes_without_the_package_tensorboard(run_python, tmp_path):
    code = """
import sys
sys.modules["tensorboard"] = None
import keras, numpy as np
from tfprune.callbacks.tensorboard import SparsityBoard
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="a")])
model.compile("sgd", "mse")
model.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0, callbacks=[SparsityBoard(sys.argv[1], layers=["a"])])
"""
    run_python(code, str(tmp_path / "logs"))
    (file,) = (tmp_path / "logs").iterdir()
    assert b"sparsity/a/kernel" in file.read_bytes()


def test_large_masks_become_grey_levels():
    kept = np.random.default_rng(0).random((1, 1000, 300)) < 0.25
    image = mask_image(kept.astype(float))
    assert image.shape == (256, 256)
    assert image.mean() / 255 == pytest.approx(0.25, abs=0.01)
    board = SparsityBoard("logs", images=0, layers=["hidden"])
    assert SparsityBoard.from_config(board.get_config()).get_config() == board.get_config()
    with pytest.raises(InputError, match="histograms"):
        SparsityBoard("logs", histograms=-1)


def test_the_overlay_has_the_sparsity_that_was_exported(tmp_path):
    trained = model()
    kernel = trained.get_layer("middle").kernel
    kernel.assign(np.where(np.arange(240).reshape(20, 12) % 4 == 0, 1.5, 0.0))
    tfprune.to_tflite(trained, tmp_path / "m.tflite", quantize="float32", verify=False)
    found = operation_overlay(tmp_path / "m.tflite")
    (row,) = (row for row in found.operations if row.layers.startswith("middle"))
    assert (row.type, row.weights, row.sparsity, row.macs) == ("FullyConnected", 240, 0.75, 240)
    data = json.loads(found.write_node_data(tmp_path / "sparsity.json").read_text())
    assert data["results"][row.name] == {"value": 0.75}
    assert [each["stop"] for each in data["gradient"]] == [0.0, 1.0]
    found.write_csv(tmp_path / "m.csv")
    lines = list(csv.DictReader(io.StringIO((tmp_path / "m.csv").read_text())))
    assert [line["location"] for line in lines] == [str(number) for number in range(len(found.operations))]
    assert lines[row.location]["sparsity"] == "0.75"
    assert "FullyConnected" in str(found)
    with pytest.raises(InputError, match="exists"):
        found.write_csv(tmp_path / "m.csv")


def test_sparse_files_have_the_zeros_that_they_leave_out():
    dense, sparse = (operation_overlay(FILES / f"{name}.tflite") for name in ("pruned", "pruned_sparse"))
    wanted = {row.layers: row.sparsity for row in dense.operations if row.weights}
    found = {row.layers: row.sparsity for row in sparse.operations if row.weights}
    assert found.keys() == wanted.keys()
    for name, sparsity in wanted.items():
        assert found[name] == pytest.approx(sparsity, abs=0.01)
    assert sum(row.bytes for row in sparse.operations) < sum(row.bytes for row in dense.operations)


def test_times_are_laid_over_the_operations_that_run():
    plain = operation_overlay(FILES / "pruned_sparse.tflite")
    counted = [row for row in plain.operations if row.type not in ("Densify", "Dequantize")]
    parts = [LayerTime((row.type,), (), None, None, float(number), 0.0) for number, row in enumerate(counted[:-2], 1)]
    parts.append(LayerTime(("A", "B"), (), None, None, 5.0, 0.0))
    report = LayerReport("m.tflite", tuple(parts), 1.0, "cuts", "cpu", 1, {}, "cpu", 1)
    found = operation_overlay(FILES / "pruned_sparse.tflite", latency=report)
    times = {row.location: row.latency_ms for row in found.operations if row.latency_ms is not None}
    assert list(times) == [row.location for row in counted]
    assert list(times.values()) == [*map(float, range(1, len(counted) - 1)), 2.5, 2.5]
    assert len(found.node_data("latency_ms")["results"]) == len(counted)
    with pytest.raises(InputError, match="can't be told"):
        operation_overlay(FILES / "dense.tflite", latency=LayerReport("m", (), 1.0, "cuts", "cpu", 1, {}, "cpu", 1))
    with pytest.raises(InputError, match="give latency="):
        plain.node_data("latency_ms")
    with pytest.raises(InputError, match="Did you mean 'sparsity'"):
        plain.node_data("sparsty")
