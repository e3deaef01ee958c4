"""What the linter says of real networks and files, and how it is told."""

import contextlib
import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from support import examples

import tfprune
from tfprune.errors import InputError
from tfprune.linting import read_network
from tfprune.models import mobilenet_v1, mobilenet_v2
from tfprune.targets import Target
from tfprune.xnnpack.clusters import survey


def prune(model, share):
    draw = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer) is layers.Conv2D and layer.kernel_size == (1, 1):
            kernel, *rest = layer.get_weights()
            layer.set_weights([np.where(draw.random(kernel.shape) < share, 0, kernel), *rest])
    return model


@pytest.mark.parametrize(("make", "skipped"), [(mobilenet_v1, 13), (mobilenet_v2, 34)])
def test_a_ready_mobilenet_fits_and_the_stock_one_does_not(make, skipped):
    ready = tfprune.lint(make((64, 64, 3), 10, alpha=0.35))
    assert (ready.fits, ready.engages, ready.safe, len(ready.layers)) == (True, False, True, skipped)
    assert [one.kind for one in ready.findings if one.kind != "channels"] == ["zeros"]
    stock = tfprune.lint(make((64, 64, 3), 10, alpha=0.35, sparse_ready=False))
    blocked = [one.layer for one in stock.findings if one.kind == "blocks"]
    assert not stock.fits
    assert len(blocked) == 5
    assert all("ZeroPadding2D(1)" in one.mend for one in stock.findings if one.kind == "blocks")
    with_zeros = tfprune.lint(prune(make((64, 64, 3), 10, alpha=0.35), 0.8))
    assert (with_zeros.engages, round(with_zeros.sparsity, 2)) == (True, 0.8)


@pytest.mark.parametrize(
    ("make", "stock"),
    [(mobilenet_v1, keras.applications.MobileNet), (mobilenet_v2, keras.applications.MobileNetV2)],
)
def test_a_mobilenet_computes_what_keras_computes(make, stock):
    theirs = stock((64, 64, 3), alpha=0.5, weights=None, classes=7)
    mine = make((64, 64, 3), 7, alpha=0.5, sparse_ready=False)
    mine.set_weights(theirs.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(mine.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-6)
    ready = make((64, 64, 3), 7, alpha=0.5)
    assert ready.count_params() == theirs.count_params()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"input_shape": (100, 100, 3)}, "multiples of 32"),
        ({"input_shape": (64, 64, 1)}, "three channels"),
        ({"input_shape": (16, 16, 3)}, "too small"),
        ({"input_shape": (64, 64)}, r"\(height, width, channels\)"),
        ({"classes": 0}, "classes from 1"),
        ({"alpha": 0.0}, "width above 0"),
    ],
)
def test_impossible_mobilenets_are_refused(arguments, match):
    with pytest.raises(InputError, match=match):
        mobilenet_v2(**arguments)


def test_a_network_without_pointwise_convolutions_is_told_what_pays():
    report = tfprune.lint(tfprune.models.small_cnn())
    assert (report.fits, report.safe) == (False, True)
    assert "filters pay everywhere" in str(report)


def test_files_are_read_as_they_are(tmp_path):
    model = prune(mobilenet_v1((32, 32, 3), 10, alpha=0.25), 0.9)
    sparse = tfprune.to_tflite(model, tmp_path / "sparse.tflite", sparse=True, verify=False)
    dense = tfprune.to_tflite(model, tmp_path / "dense.tflite", verify=False)
    images = np.random.default_rng(0).random((8, 32, 32, 3)).astype("float32")
    integers = tfprune.to_tflite(
        model, tmp_path / "int8.tflite", quantize="int8", representative_data=images, verify=False
    )
    assert tfprune.lint(sparse.path).engages
    assert [one.problem for one in tfprune.lint(dense.path).findings if one.kind == "zeros"] == ["stores its zeros"]
    found = tfprune.lint(integers.path)
    assert (found.fits, found.findings[0].problem) == (False, "computes in int8")
    assert tfprune.lint(sparse.path, "x86-cpu").verdict == "zeros of convolutions are never skipped there"
    assert not tfprune.lint(sparse.path, "microcontroller").safe


def test_channels_that_fill_no_vector_are_named():
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(65, 3, name="odd")(x)
    x = layers.Conv2D(64, 3, name="even")(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax", name="classes")(layers.Flatten()(x)))
    found = [one for one in tfprune.lint(model).findings if one.kind == "channels"]
    assert [one.layer for one in found] == ["odd (65)"]
    wide = Target("wide", align={"float32": 32})
    assert [one.layer for one in tfprune.lint(model, wide).findings if one.kind == "channels"] == ["odd (65)"]


def test_a_report_prints_groups_and_goes_to_json():
    report = tfprune.lint(mobilenet_v1((64, 64, 3), 10, alpha=0.25, sparse_ready=False))
    text = str(report)
    assert "conv1, conv_dw_2, conv_dw_4 and 2 more" in text
    assert text.count("ZeroPadding2D(1)") == 1
    content = json.loads(report.to_json())
    assert (content["target"], content["fits"], len(content["findings"])) == ("android-cpu", False, 5)
    assert report.table().row_count == 1


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Unknown target 'andriod-cpu'. Did you mean 'android-cpu'"):
        tfprune.lint(tmp_path / "m.tflite", "andriod-cpu")
    with pytest.raises(InputError, match="can't be read"):
        tfprune.lint(tmp_path / "m.tflite")
    with pytest.raises(InputError, match="does not exist"):
        tfprune.lint(tmp_path / "m.keras")
    (tmp_path / "m.tflite").write_bytes(b"no model at all")
    with pytest.raises(InputError, match=r"is not a \.tflite file"):
        tfprune.lint(tmp_path / "m.tflite")
    (tmp_path / "m.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(range(200)))
    with pytest.raises(InputError, match="is damaged"):
        tfprune.lint(tmp_path / "m.tflite")
    with pytest.raises(InputError, match="Unknown precision 'int4'"):
        Target("mine", precisions=("int4",))
    with pytest.raises(InputError, match="multiples of 0"):
        Target("mine", align={"int8": 0})


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "m.tflite"
    model = prune(mobilenet_v1((32, 32, 3), 4, alpha=0.125), 0.9)
    return tfprune.to_tflite(model, path, sparse=True, verify=False).path


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12))
def test_a_damaged_file_is_read_or_refused_never_worse(content, edits):
    damaged = bytearray(content.read_bytes())
    for place, value in edits:
        damaged[int(place * len(damaged))] = value
    with contextlib.suppress(InputError):  # any other error is a failure
        survey(read_network(bytes(damaged)))
