"""Convolutions of every kind: cut filters equal zeroed ones, and filters really go."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import check_cut
from keras import layers

from tfprune.graph import trace

SIDES = {1: (9,), 2: (9, 8), 3: (6, 5, 6)}


def image(dimensions, channels=3):
    return keras.Input((*SIDES[dimensions], channels))


def of(name, dimensions):
    return getattr(layers, f"{name}{dimensions}D")


def head(x):
    """A small classifier on an image."""
    x = of("GlobalAveragePooling", len(x.shape) - 2)()(x)
    return layers.Dense(3, name="head")(x)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"strides": 2, "padding": "same"}, {"use_bias": False, "activation": "relu"},
                                     {"activation": "sigmoid", "dilation_rate": 2}],
                         ids=["plain", "strided", "no bias", "dilated sigmoid"])  # fmt: skip
def test_filters_of_a_chain_of_convolutions_go(dimensions, options):
    x = inputs = image(dimensions)
    x = of("Conv", dimensions)(8, 3, name="a", **options)(x)
    x = of("Conv", dimensions)(6, 2, name="b", padding="same")(x)
    _, chosen, small = check_cut(keras.Model(inputs, head(x)), "a", "b")
    assert small.get_layer("a").filters == 8 - len(chosen["a"])
    assert small.get_layer("b").kernel.shape[-2:] == (8 - len(chosen["a"]), 6 - len(chosen["b"]))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("strides", [1, 2])
def test_filters_of_a_transposed_convolution_go(dimensions, strides):
    x = inputs = image(dimensions)
    x = of("Conv", dimensions)(6, 3, name="a")(x)
    x = of("Conv", dimensions)(8, 1, name="b", activation="relu")(x)
    x = getattr(layers, f"Conv{dimensions}DTranspose")(5, 2, strides=strides, name="up", activation="relu")(x)
    _, chosen, small = check_cut(keras.Model(inputs, head(x)), "a", "b", "up")
    assert small.get_layer("up").kernel.shape[-2:] == (5 - len(chosen["up"]), 8 - len(chosen["b"]))


@pytest.mark.parametrize("dimensions", [1, 2])
def test_groups_keep_as_many_channels_as_each_other(dimensions):
    x = inputs = image(dimensions)
    x = of("Conv", dimensions)(12, 3, name="a")(x)
    x = of("Conv", dimensions)(8, 3, groups=4, name="grouped", activation="relu")(x)
    x = of("Conv", dimensions)(6, 1, name="b")(x)
    graph, chosen, small = check_cut(keras.Model(inputs, head(x)), "a", "grouped", "b")
    assert graph.group("a").size == 3  # one of each of the four groups goes at a time
    assert graph.group("grouped").size == 2
    assert small.get_layer("a").filters == 12 - 4 * len(chosen["a"])
    assert small.get_layer("grouped").groups == 4


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_a_group_for_each_channel_goes_with_the_channel(multiplier):
    x = inputs = image(2)
    x = layers.Conv2D(6, 3, name="a")(x)
    x = layers.Conv2D(6 * multiplier, 3, groups=6, name="each", activation="relu")(x)
    x = layers.Conv2D(5, 1, name="b")(x)
    _, chosen, small = check_cut(keras.Model(inputs, head(x)), "a", "b")
    left = 6 - len(chosen["a"])
    assert small.get_layer("each").groups == left
    assert small.get_layer("each").filters == left * multiplier


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("use_bias", [True, False])
def test_a_depthwise_convolution_goes_with_its_inputs(dimensions, multiplier, use_bias):
    x = inputs = image(dimensions)
    x = of("Conv", dimensions)(6, 3, name="a")(x)
    x = of("DepthwiseConv", dimensions)(3, depth_multiplier=multiplier, name="depthwise", use_bias=use_bias)(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = of("Conv", dimensions)(5, 1, name="b")(x)
    _, chosen, small = check_cut(keras.Model(inputs, head(x)), "a", "b")
    left = 6 - len(chosen["a"])
    assert small.get_layer("depthwise").kernel.shape[-2:] == (left, multiplier)
    assert small.get_layer("norm").gamma.shape == (left * multiplier,)


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_separable_convolution_has_both_kernels_cut(dimensions, multiplier):
    x = inputs = image(dimensions)
    x = of("Conv", dimensions)(6, 3, name="a")(x)
    x = of("SeparableConv", dimensions)(7, 3, depth_multiplier=multiplier, name="separable", activation="relu")(x)
    x = of("Conv", dimensions)(5, 1, name="b")(x)
    _, chosen, small = check_cut(keras.Model(inputs, head(x)), "a", "separable", "b")
    left = 6 - len(chosen["a"])
    assert small.get_layer("separable").depthwise_kernel.shape[-2:] == (left, multiplier)
    assert small.get_layer("separable").pointwise_kernel.shape[-2:] == (left * multiplier, 7 - len(chosen["separable"]))


def test_a_depthwise_convolution_of_the_inputs_keeps_them():
    x = inputs = image(2)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = layers.Conv2D(5, 1, name="b")(x)
    graph, _, _ = check_cut(keras.Model(inputs, head(x)), "b")
    assert [group.name for group in graph.prunable] == ["b"]


def channels_first():
    x = inputs = keras.Input((3, 8, 9))
    options = {"data_format": "channels_first"}
    x = layers.Conv2D(6, 3, name="a", **options)(x)
    x = layers.BatchNormalization(axis=1, name="norm")(x)
    x = layers.PReLU(shared_axes=[2, 3], name="prelu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise", **options)(x)
    x = layers.MaxPooling2D(2, padding="same", **options)(x)
    x = layers.SeparableConv2D(8, 1, name="separable", **options)(x)
    x = layers.UpSampling2D(2, **options)(x)
    x = layers.Conv2DTranspose(4, 2, name="up", **options)(x)
    x = layers.ZeroPadding2D(1, **options)(x)
    x = layers.Cropping2D(1, **options)(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D(**options)(x)))


def test_channels_first_shapes_and_weights_are_cut_along_the_first_axis():
    from tfprune.surgery import shrink

    model = channels_first()
    graph = trace(model)
    assert {group.name for group in graph.prunable} == {"a", "separable", "up"}
    small = shrink(model, {"a": [0, 4], "separable": [1], "up": [3]})
    assert small.get_layer("a").output.shape[1] == 4
    assert small.get_layer("depthwise").output.shape[1] == 8
    assert small.get_layer("prelu").alpha.shape == (4, 1, 1)
    assert small.get_layer("norm").gamma.shape == (4,)
    assert small.get_layer("up").kernel.shape[-2:] == (3, 7)
    kept = [1, 2, 3, 5]
    np.testing.assert_array_equal(small.get_layer("a").kernel, model.get_layer("a").kernel.numpy()[..., kept])
    assert small.get_layer("head").kernel.shape == (3, 3)


def test_channels_first_layers_without_convolutions_are_exact():
    x = inputs = keras.Input((6, 8, 3))
    x = layers.Conv2D(6, 3, name="a")(x)
    x = layers.Permute((3, 1, 2))(x)
    x = layers.ZeroPadding2D(1, data_format="channels_first")(x)
    x = layers.Cropping2D(((1, 0), (0, 1)), data_format="channels_first")(x)
    x = layers.UpSampling2D(2, data_format="channels_first")(x)
    x = layers.BatchNormalization(axis=1)(x)
    x = layers.GlobalMaxPooling2D(data_format="channels_first", keepdims=True)(x)
    x = layers.Flatten(data_format="channels_first")(x)
    check_cut(keras.Model(inputs, layers.Dense(3, name="head")(x)), "a")


def test_a_layer_of_a_subclass_follows_the_rule_and_one_with_its_own_call_is_opened():
    class Named(layers.Conv2D):
        pass

    class Standardised(layers.Conv2D):
        def call(self, inputs):
            mean = keras.ops.mean(self.kernel)
            return self.convolution_op(inputs, self.kernel - mean)

    x = inputs = image(2)
    x = Named(6, 3, name="a")(x)
    x = Standardised(4, 3, name="own")(x)
    x = layers.Conv2D(5, 3, name="b")(x)
    graph, _, _ = check_cut(keras.Model(inputs, head(x)), "a", "b")
    assert graph.opaque == ()
    assert any(node.path.startswith("own/mean") for node in graph.nodes), "what it does to its kernel is seen"
