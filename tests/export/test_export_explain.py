"""The converter's words in the user's."""

import keras
import pytest
from keras import layers

from tfprune.export.explain import explain, layers_at, unsupported_operations
from tfprune.inputs.signature import unique_names


@pytest.fixture
def model() -> keras.Model:
    block = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="inner_2")], name="block")
    return keras.Sequential([keras.Input((4,)), block, layers.Dense(2, name="head")])


def test_operations_are_found_in_either_form():
    text = "error: 'tf.Qr' op is neither a custom op nor a flex op\nTF Select ops: Svd, Qr\nCustom ops: Foo"
    assert unsupported_operations(text) == ["Foo", "Qr", "Svd"]
    assert unsupported_operations("all is well") == []


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("sequential_1/head_1/MatMul", ["head"]),
        ("sequential_1/block_1/inner_2_1/MatMul", ["inner_2"]),
        ("sequential_1/block_1/inner_2/MatMul", ["inner_2"]),
        ("sequential_1/block_3/add", ["block"]),
        ("sequential_1/other/add", []),
    ],
)
def test_the_innermost_layer_is_named(path, names, model):
    assert layers_at([path], model) == names


def test_an_unknown_failure_keeps_the_first_line(model):
    assert explain("\nsomething odd\nmore", model) == "The conversion failed: something odd"


def test_names_are_distinct_identifiers():
    assert unique_names(["a", "a", "a_1", "", "é"]) == ["a", "a_1", "a_1_1", "tensor", "_"]


def test_what_keras_wraps_around_an_error_is_skipped(model):
    text = "Exception encountered when calling Functional.call().\n\n\x1b[1mShapes do not fit.\x1b[0m\n"
    assert explain(text, model) == "The conversion failed: Shapes do not fit."


def test_what_autograph_wraps_around_an_error_is_skipped(model):
    text = 'in user code:\n\n    File "a.py", line 3, in call  *\n        x = f(x)\n\n    ValueError: no axis\n    4\n'
    assert explain(text, model) == "The conversion failed: ValueError: no axis"


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: '<b>' is not a valid root scope name. A root scope name has to match …",
        "ValueError: Node 'hostile/<b>_1/ReadVariableOp': Node name contains invalid characters",
        "Argument `name` must be a string and cannot contain character `/`. Received: name=<b>",
    ],
)
def test_a_name_that_tensorflow_refuses_is_said_with_a_way_out(model, text, monkeypatch):
    assert "layer named" not in explain(text, model)
    monkeypatch.setattr(model.layers[0], "name", "<b>")
    assert "layer named '<b>'" in explain(text, model)
    assert "clone_function" in explain(text, model)
