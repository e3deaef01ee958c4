from __future__ import annotations

import time

import numpy as np
import pytest

from tfprune.benchmark import inspect, predict
from tfprune.benchmark.tensors import Tensor, decode, encode, random_values, short_name
from tfprune.errors import BenchmarkError, InputError


def interpreted(path, x):
    """The same by hand, one sample at a time, with quantisation where the model wants it."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for sample in x:
        scale, zero = takes["quantization"]
        real = sample if scale == 0 else np.clip(np.rint(sample / np.float32(scale)) + zero, -128, 127)
        interpreter.set_tensor(takes["index"], real[None].astype(takes["dtype"]))
        interpreter.invoke()
        scale, zero = gives["quantization"]
        out = interpreter.get_tensor(gives["index"])[0]
        rows.append(out if scale == 0 else (out.astype("float32") - zero) * scale)
    return np.stack(rows)


@pytest.mark.parametrize("name", ["float", "dynamic", "tokens"])
def test_float_models_agree_with_keras(models, name):
    made = models[name]
    (found,) = predict(made.path, made.x)
    expected = np.concatenate([made.keras(row[None]) for row in made.x])
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_int8_agrees_with_the_interpreter_and_nearly_with_keras(models):
    made = models["int8"]
    (found,) = predict(made.path, made.x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, interpreted(made.path, made.x), atol=1e-6)
    expected = np.concatenate([made.keras(row[None]) for row in made.x])
    assert np.abs(found - expected).max() < 0.1 * np.ptp(expected) + 0.02


def test_data_that_is_already_quantised_is_taken_as_it_is(models):
    made = models["int8"]
    quantised = encode(made.x, inspect(made.path).inputs[0])
    assert quantised.dtype == np.int8
    np.testing.assert_array_equal(predict(made.path, quantised)[0], predict(made.path, made.x)[0])


@pytest.mark.parametrize("count", [1, 31, 32, 33, 70])
def test_a_dynamic_batch_is_cut_and_padded(models, count):
    made = models["dynamic"]
    x = made.x[:count]
    np.testing.assert_allclose(predict(made.path, x)[0], made.keras(x), atol=1e-5)


@pytest.mark.parametrize("prefix", ["{}", "serving_default_{}:0"])
def test_two_inputs_by_name_and_outputs_in_order(models, prefix):
    made = models["two"]
    found = predict(made.path, {prefix.format(name): values for name, values in made.x.items()})
    parts = [made.keras([made.x[name][i : i + 1] for name in ("zeta", "alpha")]) for i in range(9)]
    expected = [np.concatenate(column) for column in zip(*parts, strict=True)]
    assert [out.shape for out in found] == [(9, i + 1) for i in range(11)]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_list_is_in_the_models_order(models):
    made = models["two"]
    ordered = [made.x[tensor.name] for tensor in inspect(made.path).inputs]
    np.testing.assert_array_equal(predict(made.path, ordered)[3], predict(made.path, made.x)[3])


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        ("float", np.zeros((2, 192), "float32"), r"samples of shape \(8, 8, 3\)"),
        ("float", np.zeros((8, 8, 3), "float32"), r"x\[None\]"),
        ("two", np.zeros((1, 4), "float32"), "2 inputs"),
        ("two", {"zeta": np.zeros((1, 4)), "beta": np.zeros((1, 6))}, "no input 'beta'"),
        ("two", {"zeta": np.zeros((1, 4)), "zeta:0": np.zeros((1, 4))}, "which input"),
        ("tokens", np.full((1, 5), 0.5), "whole numbers"),
        ("int8", np.full((1, 8, 8, 3), np.nan), "NaN"),
    ],
)
def test_inputs_that_do_not_fit(models, name, inputs, words):
    with pytest.raises(InputError, match=words) as caught:
        predict(models[name].path, inputs)
    assert "\n" not in str(caught.value)


def test_ten_thousand_small_samples_are_quick(models):
    made = models["float"]
    x = np.tile(made.x, (250, 1, 1, 1))
    start = time.monotonic()
    (found,) = predict(made.path, x)
    assert time.monotonic() - start < 10
    np.testing.assert_array_equal(found[:40], found[-40:])
    np.testing.assert_array_equal(found[:40], predict(made.path, made.x)[0])


def test_a_model_that_never_answers_is_stopped(models):
    start = time.monotonic()
    with pytest.raises(BenchmarkError, match=r"endless\.tflite was stopped after .* the time limit"):
        predict(models["endless"].path, models["endless"].x, timeout=0.3)
    assert time.monotonic() - start < 10


def test_inspect(models):
    found = inspect(models["int8"].path)
    assert found.operations == {"CONV_2D": 1, "MEAN": 1, "FULLY_CONNECTED": 1}
    (taken,) = found.inputs
    assert (taken.name, taken.file_name, taken.shape) == ("image", "serving_default_image:0", (1, 8, 8, 3))
    assert (taken.dtype, taken.is_quantized) == ("int8", True)
    assert taken.scale == pytest.approx(1 / 255, rel=0.05)
    assert found.file_bytes == models["int8"].path.stat().st_size
    assert inspect(models["dynamic"].path).inputs[0].shape == (None, 6, 2)
    names = [tensor.name for tensor in inspect(models["two"].path).outputs]
    assert names == [f"output_{i}" for i in range(11)]
    assert found.to_dict()["inputs"][0]["dtype"] == "int8"


def test_encode_and_decode():
    tensor = Tensor("x", "x", 0, (1, 3), "int8", 0.5, -3)
    values = np.array([-1000.0, -0.25, 0.0, 0.5, 1000.0], "float32")
    assert encode(values, tensor).tolist() == [-128, -3, -3, -2, 127]
    assert decode(encode(values, tensor), tensor).tolist() == [-62.5, 0.0, 0.0, 0.5, 65.0]
    assert encode(np.array([1, 2], "uint8"), tensor).tolist() == [-1, 1]  # real numbers, as for Keras
    plain = Tensor("x", "x", 0, (1, 3), "float32")
    assert encode(np.arange(3), plain).dtype == np.float32
    assert decode(values, plain) is values
    with pytest.raises(InputError, match="whole numbers"):
        encode(np.array([300]), Tensor("x", "x", 0, (1,), "uint8"))
    with pytest.raises(InputError, match="strings"):
        encode(values, Tensor("x", "x", 0, (1,), "string"))


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("float32", 0, 1), ("float16", 0, 1), ("int8", -128, 127), ("uint8", 0, 255), ("int32", 0, 1), ("bool", 0, 1)],
)
def test_made_up_values(dtype, low, high):
    tensor = Tensor("x", "x", 0, (500,), dtype)
    values = random_values((500,), tensor, np.random.default_rng(0))
    assert values.dtype == np.dtype(dtype)
    assert low <= values.min() < values.max() <= high
    assert float(values.max()) - float(values.min()) > 0.8 * (high - low)
    np.testing.assert_array_equal(values, random_values((500,), tensor, np.random.default_rng(0)))
    with pytest.raises(InputError, match="give inputs="):
        random_values((1,), Tensor("x", "x", 0, (1,), "string"), np.random.default_rng(0))


def test_short_name():
    assert [short_name(name) for name in ("serving_default_x:0", "x", "a/b:12")] == ["x", "x", "a/b"]
