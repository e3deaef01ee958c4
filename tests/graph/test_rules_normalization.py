"""Normalisations: exact ones equal the zeroed model, the others the one that normalises over what is kept."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import check_cut, check_oracle
from keras import layers, ops


def image(channels=8, **options):
    inputs = keras.Input((6, 6, 3))
    return inputs, layers.Conv2D(channels, 3, name="a", **options)(inputs)  # 4 × 4


def finish(inputs, x):
    x = layers.Conv2D(5, 1, name="z")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_batch_normalization_has_all_vectors_cut(scale, center):
    inputs, x = image()
    x = layers.BatchNormalization(scale=scale, center=center, name="norm")(x)
    _, chosen, small = check_cut(finish(inputs, x), "a", "z")
    assert all(variable.shape == (8 - len(chosen["a"]),) for variable in small.get_layer("norm").weights)


@pytest.mark.parametrize(("options", "free"), [({}, True), ({"scale": False}, False)], ids=str)
def test_only_a_scaled_batch_normalization_is_surely_zero(options, free):
    inputs, x = image()
    x = layers.BatchNormalization(**options)(x)
    check_cut(keras.Model(inputs, ops.sum(x, axis=-1)), *(["a"] if free else []), held=[] if free else ["a"])


def test_batch_normalization_over_another_axis_holds_the_channels():
    inputs, x = image()
    check_cut(finish(inputs, layers.BatchNormalization(axis=1)(x)), "z", held=["a"])


def inexact(x):
    """What is not exact about the group that makes a tensor."""
    return {group.name: bool(group.inexact) for group in x.groups if group.prunable}


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"axis": [2, 3]}, {"axis": (1, 2, 3)}],
                         ids=str)  # fmt: skip
def test_layer_normalization_normalises_over_what_is_kept(options):
    inputs, x = image()
    model = finish(inputs, layers.LayerNormalization(name="norm", **options)(x))
    graph, _, small = check_cut(model, "a", "z", exact=False)
    assert inexact(graph) == {"a": True, "z": False}
    assert small.get_layer("a").filters < 8
    _, chosen, _ = check_oracle(model, exact=True)
    assert "a" not in chosen  # what is inexact is not taken for exact


def test_the_oracle_can_tell_that_layer_normalization_is_inexact():
    from graph import oracle

    inputs, x = image()
    model = oracle.scramble(finish(inputs, layers.LayerNormalization(name="norm")(x)))
    from tfprune.graph import trace
    from tfprune.surgery import cut_graph

    graph = trace(model)
    chosen = {"a": [0, 3]}
    small, batch = cut_graph(graph, chosen), oracle.random_inputs(model)
    oracle.zero(graph, chosen)
    assert oracle.difference(model(batch), small(batch)) > 1e-3
    with oracle.kept_only(graph, chosen):
        assert oracle.difference(model(batch), small(batch)) < 1e-5


def test_layer_normalization_over_positions_leaves_its_offset_in_removed_channels():
    inputs, x = image()
    x = layers.LayerNormalization(axis=[1, 2])(x)
    graph, _, _ = check_cut(finish(inputs, x), "a", "z")
    assert inexact(graph) == {"a": False, "z": False}
    check_cut(keras.Model(inputs, ops.sum(x, axis=-1)), held=["a"])


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("options", [{}, {"scale": False}], ids=str)
def test_group_normalization_keeps_groups_of_equal_size(groups, options):
    inputs, x = image()
    model = finish(inputs, layers.GroupNormalization(groups, name="norm", **options)(x))
    graph, chosen, small = check_cut(model, "a", "z", exact=False)
    assert inexact(graph)["a"]
    assert small.get_layer("a").filters == 8 - groups * len(chosen["a"])
    assert small.get_layer("norm").groups == groups


@pytest.mark.parametrize("groups", [8, -1])
def test_instance_normalization_is_exact(groups):
    inputs, x = image()
    graph, chosen, small = check_cut(finish(inputs, layers.GroupNormalization(groups, name="norm")(x)), "a", "z")
    assert inexact(graph) == {"a": False, "z": False}
    assert small.get_layer("norm").groups == 8 - len(chosen["a"])


@pytest.mark.parametrize("axis", [-1, [1, 2, 3]], ids=str)
def test_root_mean_square_normalization_is_exact(axis):
    inputs, x = image()
    graph, _, small = check_cut(finish(inputs, layers.RMSNormalization(axis=axis, name="norm")(x)), "a", "z")
    assert inexact(graph) == {"a": False, "z": False}
    assert small.get_layer("norm").scale.shape[-1] == small.get_layer("a").filters


def test_root_mean_square_normalization_of_what_is_not_zero_is_inexact():
    inputs, x = image(activation="sigmoid")
    graph, _, _ = check_cut(finish(inputs, layers.RMSNormalization()(x)), "z")
    assert inexact(graph)["a"]


@pytest.mark.parametrize("axis", [-1, [1, 2, 3], 1], ids=str)
def test_unit_normalization_is_exact(axis):
    inputs, x = image()
    graph, _, _ = check_cut(finish(inputs, layers.UnitNormalization(axis=axis)(x)), "a", "z")
    assert inexact(graph) == {"a": False, "z": False}


@pytest.mark.parametrize("inner", ["Conv2D", "Dense", "Conv2DTranspose"])
def test_spectral_normalization_goes_with_the_layer_inside(inner):
    inputs, x = image()
    layer = {
        "Conv2D": lambda: layers.Conv2D(6, 3, activation="relu"), "Dense": lambda: layers.Dense(6),
        "Conv2DTranspose": lambda: layers.Conv2DTranspose(6, 3),
    }[inner]()  # fmt: skip
    _, _, small = check_cut(
        finish(inputs, layers.SpectralNormalization(layer, name="spectral")(x)), "a", "spectral", "z"
    )
    assert small.get_layer("spectral").vector_u.shape[1] == small.get_layer("spectral").kernel.shape[-1]


def test_spectral_normalization_of_a_depthwise_convolution_goes_with_its_inputs():
    inputs, x = image()
    x = layers.SpectralNormalization(layers.DepthwiseConv2D(3, depth_multiplier=2), name="spectral")(x)
    check_cut(finish(inputs, x), "a", "z")


def test_fixed_statistics_hold_their_features():
    inputs, x = image(3)
    x = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 2.0, 0.5])(x)
    check_cut(finish(inputs, x), "z", held=["a"])


def test_statistics_of_the_networks_input_hold_nothing():
    inputs = keras.Input((6, 6, 3))
    x = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 2.0, 0.5])(inputs)
    check_cut(finish(inputs, layers.Conv2D(8, 3, name="a")(x)), "a", "z")


def test_a_block_of_a_vision_transformer():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 4, strides=4, name="patches")(inputs)
    x = layers.Reshape((4, 16))(x)
    y = layers.LayerNormalization(name="norm_1")(x)
    x = layers.Add()([x, layers.MultiHeadAttention(4, 4, name="attention")(y, y)])
    y = layers.LayerNormalization(name="norm_2")(x)
    y = layers.Dense(24, activation="gelu", name="up")(y)
    x = layers.Add()([x, layers.Dense(16, name="down")(y)])
    x = layers.LayerNormalization(name="norm_3")(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling1D()(x)))
    graph, _, small = check_cut(model, "patches", "attention", "up", exact=False)
    assert inexact(graph)["patches"]
    assert not inexact(graph)["up"]
    assert small.get_layer("down").units < 16
    check_cut(model, "attention", "up")


def test_a_block_of_convnext():
    inputs = keras.Input((8, 8, 3))
    first = [layers.Conv2D(12, 2, strides=2, name="conv"), layers.LayerNormalization(name="norm")]
    stem = keras.Sequential(first, name="stem")
    x = stem(inputs)
    y = layers.Conv2D(12, 3, padding="same", groups=12, name="depthwise")(x)
    y = layers.LayerNormalization(epsilon=1e-6, name="norm")(y)
    y = layers.Dense(24, name="up")(y)
    y = layers.Activation("gelu")(y)
    y = layers.Dense(12, name="down")(y)
    y = keras.src.applications.convnext.LayerScale(1e-6, 12, name="scale")(y)
    x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(layers.LayerNormalization(name="last")(x)))
    _, _, small = check_cut(model, "stem/conv", "up", exact=False)
    assert small.get_layer("depthwise").groups < 12
    check_cut(model, "up")


class Functions(keras.Layer):
    """Normalisations by operations, with weights of its own."""

    def __init__(self, name, **kwargs):
        super().__init__(**kwargs)
        self.function = name

    def build(self, shape):
        for name in ("gamma", "beta", "mean", "variance"):
            setattr(self, name, self.add_weight(shape=(shape[-1],), name=name))

    def call(self, x):
        if self.function == "batch":
            return ops.batch_normalization(x, self.mean, self.variance, -1, offset=self.beta, scale=self.gamma)
        if self.function == "rms":
            return ops.rms_normalization(x, self.gamma, epsilon=0.1)
        if self.function == "layer":
            return ops.layer_normalization(x, self.gamma, self.beta)
        if self.function == "by hand":
            return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-5) * self.gamma + self.beta
        return ops.normalize(x, axis=-1, order=2) * self.gamma


@pytest.mark.parametrize("name", ["batch", "rms", "layer", "by hand", "normalize"])
def test_normalisations_by_operations_are_exact_or_held(name):
    inputs, x = image()
    free = name != "layer"
    model = finish(inputs, Functions(name)(x))
    batch = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    check_cut(model, "z", *(["a"] if free else []), held=[] if free else ["a"], inputs=batch, copied=True)
