"""Each way of storing the weights: its size, its types, and what it does to the outputs."""

import time
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from tfprune.errors import ExportError, InputError
from tfprune.export import kept, to_tflite
from tfprune.export.converter import Settings
from tfprune.export.stored import read_stored


@pytest.mark.parametrize(
    ("quantize", "size", "error"),
    [
        ("float16", 0.75, 1e-3),
        ("dynamic", 0.6, 0.1),
        ("int8", 0.6, 0.2),
        pytest.param("int16x8", 0.6, 0.1, marks=pytest.mark.slow),
    ],
)
def test_a_quantised_file_is_smaller_and_near(quantize, size, error, cnn, images, tmp_path, lite_run):
    dense = to_tflite(cnn, tmp_path / "dense.tflite", verify=False)
    result = to_tflite(cnn, tmp_path / "m.tflite", quantize=quantize, representative_data=images)
    assert result.bytes < size * dense.bytes
    assert result.inputs[0].dtype == result.outputs[0].dtype == "float32"
    assert (result.quantize, result.parity.source) == (quantize, "representative_data")
    expected = cnn.predict(images, verbose=0)
    actual = lite_run(result.path, image=images)["output_0"]
    difference = float(np.abs(actual - expected).max())
    assert result.parity.max_abs == pytest.approx(difference, rel=1e-3, abs=1e-6)
    assert result.parity.relative == pytest.approx(difference / expected.max(), rel=1e-3, abs=1e-6)
    assert result.parity.top1_agreement == np.mean(actual.argmax(-1) == expected.argmax(-1))
    assert 0 < result.parity.relative < error


@pytest.mark.slow
@pytest.mark.parametrize("io_dtype", ["int8", "uint8"])
def test_integers_in_and_out(io_dtype, cnn, images, tmp_path):
    path = tmp_path / "m.tflite"
    result = to_tflite(cnn, path, quantize="int8", representative_data=images, io_dtype=io_dtype)
    info = result.inputs[0]
    assert info.dtype == result.outputs[0].dtype == io_dtype
    assert info.scale > 0
    assert result.parity.relative < 0.2
    assert not read_stored(path.read_bytes()).float_operations
    assert not result.notes


@pytest.mark.parametrize("quantize", ["int8", "int16x8"])
def test_calibrated_modes_need_data(quantize, cnn, tmp_path):
    with pytest.raises(InputError, match="needs representative_data"):
        to_tflite(cnn, tmp_path / "m.tflite", quantize=quantize)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "int9"}, "Did you mean 'int8'"),
        ({"io_dtype": "int8"}, "needs quantize='int8'"),
        ({"quantize": "int8", "io_dtype": "int32"}, "io_dtype='int32'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"tolerance": -1.0}, "not negative"),
        ({"tolerance": float("nan")}, "not negative"),
        ({"tolerance": 1.0, "verify": False}, "no effect"),
    ],
)
def test_wrong_arguments_are_refused(options, message, cnn, tmp_path):
    with pytest.raises(InputError, match=message):
        to_tflite(cnn, tmp_path / "m.tflite", **options)


def test_a_crash_of_the_converter_does_not_end_this_process(tmp_path):
    model = keras.Sequential([keras.Input((6, 3)), layers.LSTM(4, name="memory")])
    data = np.random.default_rng(0).normal(size=(8, 6, 3))
    with pytest.raises(ExportError, match=r"int8.*looping.*'memory'.*unroll=True"):
        to_tflite(model, tmp_path / "m.tflite", quantize="int8", representative_data=data)
    assert not list(tmp_path.iterdir())


def test_one_process_forks_for_several_conversions(cnn, images, tmp_path):
    to_tflite(cnn, tmp_path / "a.tflite", quantize="int8", representative_data=images)
    process = kept._KEPT.process
    assert process.poll() is None
    to_tflite(cnn, tmp_path / "b.tflite", quantize="int8", representative_data=images)
    assert kept._KEPT.process is process
    process.kill()
    process.wait()
    to_tflite(cnn, tmp_path / "c.tflite", quantize="int8", representative_data=images)
    assert kept._KEPT.process is not process, "another one took its place"
    a, b, c = ((tmp_path / f"{name}.tflite").read_bytes() for name in "abc")
    assert a == b == c


def test_where_processes_can_not_be_forked_python_is_started_anew(cnn, images, tmp_path, monkeypatch):
    monkeypatch.setattr(kept.sys, "platform", "darwin")
    monkeypatch.setattr(kept._KEPT, "ask", None)
    to_tflite(cnn, tmp_path / "a.tflite", quantize="int8", representative_data=images)
    assert (tmp_path / "a.tflite").stat().st_size > 1000


def test_the_process_ends_with_the_one_that_has_started_it(run_python, tmp_path):
    program = """
import os, sys, numpy as np, keras, tfprune
from tfprune.export import kept
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
tfprune.to_tflite(model, sys.argv[1], quantize="int8", representative_data=np.ones((8, 4), "float32"))
print(kept._KEPT.process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    pid = int(run_python(program, str(tmp_path / "m.tflite"), check=False).stdout.split()[-1])
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.1)
    raise AssertionError(f"process {pid} is still there")


@pytest.mark.slow
def test_an_unrolled_recurrent_layer_can_be_int8(tmp_path):
    model = keras.Sequential([keras.Input((4, 3)), layers.LSTM(4, unroll=True), layers.Dense(2)])
    data = np.random.default_rng(0).normal(size=(30, 4, 3))
    result = to_tflite(model, tmp_path / "m.tflite", quantize="int8", representative_data=data)
    assert result.parity.relative < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("io_dtype", ["float32", "int8"])
def test_operations_that_stay_in_float_are_named(io_dtype, tmp_path):
    x = keras.Input((8,), name="x")
    model = keras.Model(x, layers.Dense(4)(keras.ops.sin(layers.Dense(8)(x))))
    data = np.random.default_rng(0).normal(size=(20, 8))
    path = tmp_path / "m.tflite"
    result = to_tflite(model, path, quantize="int8", representative_data=data, io_dtype=io_dtype)
    assert "SIN" in result.notes[0]
    assert result.inputs[0].dtype == io_dtype


def test_quantising_nothing_is_said(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    result = to_tflite(model, tmp_path / "m.tflite", quantize="dynamic")
    assert "left every weight in float32" in result.notes[0]


def test_quantised_difference_is_judged_only_when_asked(cnn, images, tmp_path):
    assert to_tflite(cnn, tmp_path / "m.tflite", quantize="dynamic").parity.tolerance is None
    (tmp_path / "m.tflite").unlink()
    with pytest.raises(ExportError, match="disagrees with Keras"):
        to_tflite(cnn, tmp_path / "m.tflite", quantize="dynamic", tolerance=1e-7, parity_data=images)
    assert not list(tmp_path.iterdir())


def test_settings_know_what_calibrates():
    assert [Settings(q).calibrated for q in (None, "float16", "dynamic", "int8", "int16x8")] == [0, 0, 0, 1, 1]
