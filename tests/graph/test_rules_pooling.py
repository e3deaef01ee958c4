"""Pooling, resizing, padding, cropping and reductions: positions come and go, channels stay with their labels."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import check_cut
from keras import layers, ops

SIDES = {1: (9,), 2: (9, 8), 3: (6, 5, 6)}


def body(dimensions=2, **options):
    inputs = keras.Input((*SIDES[dimensions], 3))
    return inputs, getattr(layers, f"Conv{dimensions}D")(8, 3, name="a", **options)(inputs)


def finish(inputs, x):
    x = layers.Dense(5, name="z")(x)
    x = layers.Flatten()(x) if len(x.shape) > 2 else x
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


POOLINGS = {
    "MaxPooling": {"pool_size": 2, "padding": "same"}, "AveragePooling": {"pool_size": 2, "strides": 1},
    "UpSampling": {"size": 2}, "ZeroPadding": {"padding": 1}, "Cropping": {"cropping": 1},
    "GlobalMaxPooling": {}, "GlobalAveragePooling": {"keepdims": True},
    "AdaptiveAveragePooling": {"output_size": 2}, "AdaptiveMaxPooling": {"output_size": 2},
}  # fmt: skip


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("name", POOLINGS)
def test_layers_along_positions(name, dimensions):
    inputs, x = body(dimensions)
    x = getattr(layers, f"{name}{dimensions}D")(**POOLINGS[name])(x)
    check_cut(finish(inputs, x), "a", "z")


@pytest.mark.parametrize("layer", [
    lambda: layers.Resizing(5, 6), lambda: layers.Resizing(5, 6, crop_to_aspect_ratio=True),
    lambda: layers.Resizing(5, 9, pad_to_aspect_ratio=True), lambda: layers.CenterCrop(3, 3),
    lambda: layers.UpSampling2D((2, 3), interpolation="bilinear"), lambda: layers.Dropout(0.5),
], ids=["resizing", "cropped", "padded", "center crop", "bilinear", "dropout"])  # fmt: skip
def test_layers_on_images(layer):
    inputs, x = body()
    check_cut(finish(inputs, layer()(x)), "a", "z")


@pytest.mark.parametrize("function", [
    lambda x: ops.max_pool(x, 2, padding="same"), lambda x: ops.average_pool(x, 2, strides=1),
    lambda x: ops.image.resize(x, (5, 5)),
], ids=["max", "average", "resize"])  # fmt: skip
def test_operations_along_positions(function):
    inputs, x = body()
    check_cut(finish(inputs, function(x)), "a", "z")


def test_channels_pooled_as_if_they_were_positions_are_held():
    inputs, x = body()
    x = layers.Permute((3, 1, 2))(x)
    check_cut(finish(inputs, layers.MaxPooling2D(2)(x)), "z", held=["a"])


REDUCTIONS = ["mean", "sum", "max", "min", "var", "std", "prod", "logsumexp", "amax", "any", "all", "argmax", "argmin",
              "count_nonzero", "median", "quantile"]  # fmt: skip


def reduce(name, x, **options):
    """Apply a reduction, to numbers."""
    more = (0.5,) if name == "quantile" else ()
    if name == "count_nonzero":
        options.pop("keepdims", None)
    return ops.cast(getattr(ops, name)(x > 0 if name in ("any", "all") else x, *more, **options), "float32")


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [(1, 2), 1, -2], ids=str)
def test_reductions_of_positions_leave_the_channels_free(name, axis):
    if name in ("argmax", "argmin") and isinstance(axis, tuple):
        axis = 1
    inputs, x = body()
    free = name not in ("median", "quantile")
    check_cut(finish(inputs, reduce(name, x, axis=axis)), "z", *(["a"] if free else []), held=[] if free else ["a"])


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [-1, (1, 2, 3), (2, 3)], ids=str)
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_reductions_of_channels_are_exact_or_held(name, axis, activation):
    if name in ("argmax", "argmin") and isinstance(axis, tuple):
        axis = -1
    inputs, x = body(activation=activation)
    y = reduce(name, x, axis=axis, keepdims=True)
    y = y if len(y.shape) == 4 else ops.expand_dims(y, -1)
    model = keras.Model(inputs, layers.Flatten()(y))
    if name in ("mean", "sum") and activation == "relu":
        check_cut(model, "a")
    elif name in ("max", "min", "amax", "any", "all"):
        graph, _, _ = check_cut(model)  # nothing exact can be cut
        assert all(group.inexact for group in graph.prunable)
    else:
        check_cut(model, held=["a"])


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "linear"])
def test_the_largest_channel_of_those_kept(activation):
    inputs, x = body(activation=activation)
    y = ops.max(x, axis=-1, keepdims=True)
    x = layers.Multiply()([x, y])
    check_cut(finish(inputs, x), "a", "z", exact=False)


def test_a_mean_over_fewer_channels_is_divided_by_as_many_as_there_were():
    inputs, x = body()
    x = layers.Conv2D(6, 1, name="b")(x)
    y = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    check_cut(finish(inputs, x - y), "a", "b", "z")


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax"])
@pytest.mark.parametrize("axis", [-1, 1], ids=str)
def test_softmax_operations_hold_what_they_are_taken_over(name, axis):
    inputs, x = body()
    x = getattr(ops, name)(x, axis=axis)
    held = axis == -1 or name == "sparsemax"
    check_cut(finish(inputs, x), "z", *([] if held else ["a"]), held=["a"] if held else [])


@pytest.mark.parametrize("order", [1, 2, 3])
def test_division_by_a_norm(order):
    inputs, x = body()
    free = order == 2
    check_cut(finish(inputs, ops.normalize(x, axis=-1, order=order)), "z", *(["a"] if free else []))


@pytest.mark.parametrize("name", ["diff", "glu", "norm", "trace"])
def test_what_has_no_rule_holds_its_channels(name):
    inputs, x = body()
    if name == "glu":
        x = ops.glu(x, axis=-1)
    elif name == "norm":
        x = ops.norm(x, axis=-1, keepdims=True)
    elif name == "trace":
        x = ops.trace(x, axis1=1, axis2=2)
    else:
        x = getattr(ops, name)(x, axis=-1)
    graph, _, _ = check_cut(finish(inputs, ops.cast(x, "float32")), "z", held=["a"])
    assert all(node.opaque for node in graph.opaque)
    assert graph.opaque


def test_numbers_of_positions_that_are_not_known():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, name="a")(inputs)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(6, 1, name="b")(x)
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalMaxPooling2D()(x)))
    check_cut(model, "a", "b", inputs=np.random.default_rng(0).normal(size=(2, 9, 9, 3)).astype("float32"))
