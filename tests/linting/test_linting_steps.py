"""Convolutions that older runtimes compute wrong: found in files, told by export, written otherwise to the bit."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from support import ROOT, examples

import tfprune
from tfprune.linting.fix import rewrite


def single(layer, shape):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs), name="net")


def steps_over(model, target="android-cpu"):
    return [one.layer for one in tfprune.lint(model, target).findings if one.kind == "older"]


WRONG = {  # what ai-edge-litert 2.1.6 gets wrong: benchmarks/older_runtimes.py
    "strides of 4": (layers.Conv2D(8, 3, 4, padding="same", name="c"), (8, 8, 8)),
    "small kernel": (layers.Conv2D(8, 2, 3, padding="same", name="c"), (9, 9, 8)),
    "one direction": (layers.Conv2D(8, (3, 1), 2, padding="same", name="c"), (8, 8, 8)),
    "padded in the other": (layers.Conv2D(8, (5, 1), 4, padding="same", name="c"), (8, 8, 8)),
    "depthwise": (layers.DepthwiseConv2D(3, 4, padding="same", name="c"), (8, 8, 8)),
    "groups": (layers.Conv2D(8, 3, 4, padding="same", groups=2, name="c"), (8, 8, 8)),
    "one dimension": (layers.Conv1D(8, 3, 4, padding="same", name="c"), (8, 8)),
    "separable": (layers.SeparableConv2D(8, 3, 4, padding="same", name="c"), (8, 8, 8)),
}
RIGHT = {
    "the last window reaches the end": (layers.Conv2D(8, 3, 4, padding="same"), (9, 9, 8)),
    "as large as its strides": (layers.Conv2D(8, 4, 4, padding="same"), (8, 8, 8)),
    "valid": (layers.Conv2D(8, 3, 4), (8, 8, 8)),
    "1 × 1": (layers.Conv2D(8, 1, 2, padding="same"), (8, 8, 8)),
    "pooling": (layers.MaxPooling2D(2, 3, padding="same"), (9, 9, 8)),
    "dilated": (layers.Conv2D(8, 3, padding="same", dilation_rate=2), (8, 8, 8)),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_found_told_and_written_otherwise(name, tmp_path):
    model = single(*WRONG[name])
    called = "conv_2d 0" if name == "groups" else "c"  # the converter keeps no name of that one
    assert steps_over(model) == [called]
    assert steps_over(model, "microcontroller") == []  # its interpreter has kernels of its own
    (note,) = tfprune.to_tflite(model, tmp_path / "m.tflite", verify=False).notes
    assert f"{called!r} is computed wrong by runtimes before LiteRT 2.2, as" in note
    assert tfprune.to_tflite(model, tmp_path / "micro.tflite", target="microcontroller", verify=False).notes == ()
    report = tfprune.lint(model, fix=True)
    assert "older" not in {one.kind for one in report.findings}
    assert report.fixed == ("c: padding='valid' instead of 'same'",)
    x = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype("float32")
    np.testing.assert_allclose(report.model(x), model(x), rtol=1e-6, atol=1e-6)
    assert tfprune.to_tflite(report.model, tmp_path / "mended.tflite", parity_data=x).notes == ()


def test_exactly_what_older_runtimes_got_wrong_is_told():
    recorded = json.loads((ROOT / "benchmarks" / "results" / "older_runtimes.json").read_text(encoding="utf-8"))
    assert [one["network"] for one in recorded["results"] if one["told"] != bool(one["wrong"])] == []
    assert {tuple(one["wrong"]) for one in recorded["results"]} == {(), ("1.2.0", "1.4.0", "2.0.3", "2.1.6")}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_computed_right_is_left_alone(name):
    model = single(*RIGHT[name])
    assert steps_over(model) == []
    assert rewrite(model) == (model, ())


@settings(max_examples=examples(30), deadline=None)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)), st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 5), st.booleans(),
)  # fmt: skip
def test_whatever_the_sizes_the_same_is_computed(image, kernel, stride, depthwise):
    """TensorFlow's own rule of padding decides what is padded, and what is left."""
    kind = layers.DepthwiseConv2D(kernel, stride, padding="same") if depthwise else None
    model = single(kind or layers.Conv2D(3, kernel, stride, padding="same"), (*image, 2))
    made, told = rewrite(model)
    x = np.random.default_rng(0).normal(size=(2, *image, 2)).astype("float32")
    np.testing.assert_allclose(made(x), model(x), rtol=1e-5, atol=1e-5)
    outputs = model.output_shape[1:3]
    rest = [(out - 1) * stride + k < size for out, k, size in zip(outputs, kernel, image, strict=True)]
    assert any("'valid'" in line for line in told) == (any(rest) and kernel != (1, 1))


def test_factorising_makes_none():
    """Factors of a convolution with strides move each in one direction only: none steps over anything."""
    inputs = keras.Input((8, 8, 3))
    strided = layers.Conv2D(32, 3, 2, padding="same", name="c")(layers.Conv2D(32, 3, padding="same")(inputs))
    model = keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(strided)))
    for form in ("spatial", "tucker", "cp"):
        made = tfprune.factorize(model, form=form, rank=8, layers=["c"], refit=False, verbose=0)
        assert len(made.layers) > len(model.layers)
        assert steps_over(made) == []
