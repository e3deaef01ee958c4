"""Traps: what other pruners cut wrongly or crash on, each put to the oracle, and each with something really cut."""

from __future__ import annotations

import keras
import pytest
from graph.oracle import check_cut, made_by
from keras import layers, ops


def conv(filters, size=3, **options):
    return layers.Conv2D(filters, size, padding="same", **options)


def classify(inputs, x, *more):
    x = layers.GlobalAveragePooling2D()(x) if len(x.shape) == 4 else x
    return keras.Model(inputs, [layers.Dense(3, name="head")(x), *more] if more else layers.Dense(3, name="head")(x))


@pytest.fixture
def image():
    return keras.Input((8, 8, 3))


def test_halves_of_a_split_keep_to_their_own_consumers(image):
    left, right = ops.split(conv(10, name="a")(image), 2, axis=-1)
    x = layers.Concatenate()([conv(4, name="of_right")(right), conv(6, name="of_left")(left)])
    for seed in range(4):
        check_cut(classify(image, x), "a", "of_right", "of_left", seed=seed)


def test_an_image_flattened_with_channels_last(image):
    x = conv(6, name="a", strides=2)(image)
    x = layers.Dense(10, activation="relu", name="b")(layers.Flatten()(x))
    graph, _, small = check_cut(classify(image, x), "a", "b")
    assert [entry.positions.shape[1] for entry in graph.group("a").slices if entry.path == "b/kernel"] == [16]
    assert small.get_layer("b").kernel.shape[0] == 16 * small.get_layer("a").filters


def test_a_shuffle_of_channels(image):
    x = conv(16, groups=1, name="a")(image)
    x = layers.Reshape((8, 8, 2, 8))(x)
    x = ops.transpose(x, (0, 1, 2, 4, 3))
    x = layers.Reshape((8, 8, 16))(x)
    x = conv(6, name="b")(x)
    _, _, small = check_cut(classify(image, x), "a", "b")
    assert small.get_layer("a").filters < 16


def test_a_shuffle_between_grouped_convolutions(image):
    x = conv(24, groups=1, name="a")(image)
    x = conv(24, groups=2, name="b")(x)
    x = layers.Reshape((8, 8, 2, 12))(x)
    x = layers.Permute((1, 2, 4, 3))(x)
    x = layers.Reshape((8, 8, 24))(x)
    x = conv(24, groups=2, name="c")(x)
    check_cut(classify(image, x), "a", "b", "c")


def test_a_convolution_added_to_the_networks_input_keeps_its_three_channels(image):
    x = conv(8, name="a")(image)
    x = layers.Add()([conv(3, name="to_image")(x), image])
    x = conv(6, name="b")(x)
    _, _, small = check_cut(classify(image, x), "a", "b", held=["to_image"])
    assert small.get_layer("to_image").filters == 3


def test_a_feature_that_is_an_output_too_keeps_its_channels(image):
    feature = conv(8, name="feature")(image)
    x = conv(6, name="b")(layers.ReLU()(feature))
    _, _, small = check_cut(classify(image, x, feature), "b", held=["feature"])
    assert small.output_shape[1][-1] == 8


@pytest.mark.parametrize("how", ["chunk", "slice"])
def test_pieces_for_two_convolutions(image, how):
    x = conv(8, name="a")(image)
    one, two = ops.split(x, 2, axis=-1) if how == "chunk" else (x[..., :4], x[..., 4:])
    x = layers.Add()([conv(6, name="one")(one), conv(6, name="two")(two)])
    for seed in range(3):
        check_cut(classify(image, x), "a", "one", seed=seed)


def test_a_concatenation_flattened(image):
    x = layers.Concatenate()([conv(5, name="a")(image), conv(4, name="b")(image)])
    x = layers.Dense(10, name="c")(layers.Flatten()(x))
    check_cut(classify(image, x), "a", "b", "c")


def test_flattened_tensors_concatenated(image):
    one, two = layers.Flatten()(conv(5, name="a")(image)), layers.Flatten()(conv(4, strides=2, name="b")(image))
    x = layers.Dense(10, name="c")(layers.Concatenate()([one, two]))
    check_cut(classify(image, x), "a", "b", "c")


@pytest.mark.parametrize("how", ["operation", "by hand"])
def test_a_pixel_shuffle(image, how):
    x = conv(24, name="a")(image)
    if how == "operation":
        x = ops.depth_to_space(x, 2)
    else:
        x = ops.reshape(x, (-1, 8, 8, 2, 2, 6))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        x = ops.reshape(x, (-1, 16, 16, 6))
    x = conv(5, name="b")(x)
    graph, chosen, small = check_cut(classify(image, x), "a", "b")
    assert sum(len(chosen[group.name]) for group in made_by(graph, "a") if group.name in chosen)
    assert small.get_layer("a").filters % 4 == 0


def test_a_depthwise_multiplier_of_two(image):
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(conv(6, name="a")(image))
    x = conv(5, name="b")(layers.BatchNormalization()(x))
    _, _, small = check_cut(classify(image, x), "a", "b")
    assert small.get_layer("depthwise").depth_multiplier == 2


def test_an_lstm_on_rows_of_an_image(image):
    x = layers.Reshape((8, 48))(conv(6, name="a")(image))
    x = layers.LSTM(7, return_sequences=True, name="one")(x)
    x = layers.LSTM(6, name="two")(x)
    check_cut(classify(image, x), "a", "one", "two")


@pytest.mark.parametrize("sides", [(4, 4), (0, 8)], ids=str)
def test_a_shortcut_padded_with_channels(image, sides):
    """ResNet's option A: every second position, and zeros for the channels that the input has not."""
    x = conv(8, activation="relu", name="a")(image)
    y = conv(16, strides=2, name="b")(x)
    y = conv(16, name="c")(layers.ReLU()(y))
    shortcut = ops.pad(x[:, ::2, ::2, :], ((0, 0), (0, 0), (0, 0), sides))
    x = layers.ReLU()(layers.Add()([y, shortcut]))
    _, _, small = check_cut(classify(image, conv(6, name="d")(x)), "a", "b", "c", "d")
    assert small.get_layer("c").filters < 16


def test_squeeze_and_excite_reshaped_to_one_pixel(image):
    x = conv(8, activation="swish", name="a")(image)
    y = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    y = conv(3, 1, activation="swish", name="reduce")(y)
    y = conv(8, 1, activation="sigmoid", name="expand")(y)
    x = layers.Multiply()([x, y])
    graph, _, small = check_cut(classify(image, conv(5, name="b")(x)), "a", "reduce", "b")
    assert made_by(graph, "expand") == made_by(graph, "a")
    assert small.get_layer("expand").filters == small.get_layer("a").filters < 8


def test_logits_of_a_convolution_reshaped_to_a_vector(image):
    x = conv(8, name="a")(image)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = conv(10, 1, name="logits")(layers.Dropout(0.1)(x))
    x = layers.Activation("softmax")(layers.Reshape((10,))(x))
    check_cut(keras.Model(image, x), "a", held=["logits"])


def test_mobilenets_operations_on_tensors(image):
    def hard_sigmoid(x):
        return layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)

    x = conv(8, use_bias=False, name="a")(image)
    x = layers.BatchNormalization()(x)
    x = layers.Multiply()([x, hard_sigmoid(x)])
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.ReLU()(conv(4, 1, name="reduce")(y))
    y = hard_sigmoid(conv(8, 1, name="expand")(y))
    x = layers.Add()([x * y, conv(8, name="b")(x)])
    _, _, small = check_cut(classify(image, x), "a", "reduce")
    assert small.get_layer("a").filters == small.get_layer("b").filters < 8


def test_convnext_nested_with_a_group_for_each_channel_and_a_scale(image):
    from keras.src.applications.convnext import LayerScale

    stem = keras.Sequential([conv(8, strides=2, name="conv"), layers.LayerNormalization(name="norm")], name="stem")
    block = keras.Sequential(
        [conv(8, groups=8, name="depthwise"), layers.Dense(16, activation="gelu", name="up"),
         layers.Dense(8, name="down"), LayerScale(0.1, 8, name="scale")], name="block")  # fmt: skip
    x = stem(image)
    x = layers.Add()([x, block(x)])
    _, _, small = check_cut(classify(image, x), "stem/conv", "block/up", exact=False)
    assert small.get_layer("depthwise").groups == small.get_layer("conv").filters < 8


def test_separable_convolutions_in_a_residual_block(image):
    x = conv(8, name="a")(image)
    y = layers.SeparableConv2D(12, 3, padding="same", name="one")(layers.ReLU()(x))
    y = layers.BatchNormalization()(y)
    y = layers.SeparableConv2D(8, 3, padding="same", name="two")(layers.ReLU()(y))
    x = layers.Add()([x, y])
    _, _, small = check_cut(classify(image, x), "a", "one")
    assert small.get_layer("two").pointwise_kernel.shape[-1] == small.get_layer("a").filters < 8


def test_nasnets_shifted_paths(image):
    x = layers.ReLU()(conv(8, name="a")(image))
    one = layers.AveragePooling2D(1, strides=2)(x)
    two = layers.Cropping2D(((1, 0), (1, 0)))(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
    two = layers.AveragePooling2D(1, strides=2)(two)
    x = layers.Concatenate()([conv(4, 1, name="one")(one), conv(4, 1, name="two")(two)])
    x = layers.BatchNormalization()(x)
    check_cut(classify(image, conv(5, name="b")(x)), "a", "one", "two", "b")


def test_long_concatenations(image):
    x = conv(6, name="first")(image)
    for number in range(8):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = conv(8, 1, name=f"narrow{number}")(y)
        x = layers.Concatenate()([x, conv(4, name=f"grow{number}")(layers.ReLU()(layers.BatchNormalization()(y)))])
    names = [f"{part}{number}" for part in ("narrow", "grow") for number in range(8)]
    check_cut(classify(image, layers.ReLU()(layers.BatchNormalization()(x))), "first", *names)
