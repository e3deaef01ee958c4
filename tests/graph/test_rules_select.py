"""Parts of an axis, taken and joined: each channel keeps its own label."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import check_cut, made_by
from keras import layers, ops

from tfprune.graph import trace


def image(channels=8, name="a", **options):
    inputs = keras.Input((6, 6, 3))
    return inputs, layers.Conv2D(channels, 3, name=name, **options)(inputs)  # 4 × 4


def model(inputs, *parts):
    """A model in which each part is read by a convolution of its own, the first by one called b."""
    read = [layers.Conv2D(5, 1, name=name)(part) for name, part in zip("bcdefg", parts, strict=False)]
    x = layers.Add()(read) if len(read) > 1 else read[0]
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x)))


SPLITS = {
    "two": lambda x: ops.split(x, 2, axis=-1),
    "four": lambda x: ops.split(x, 4, axis=3),
    "at places": lambda x: ops.split(x, [3, 4], axis=-1),
    "uneven": lambda x: ops.array_split(x, 3, axis=-1),
    "slices": lambda x: [x[..., :3], x[..., 3:]],
    "overlapping slices": lambda x: [x[..., :5], x[:, :, :, 3:]],
    "strides": lambda x: [x[..., ::2], x[..., 1::2]],
    "backwards": lambda x: [x[..., ::-1], x[..., :2:-2]],
    "take": lambda x: [ops.take(x, [0, 3, 5], axis=-1), ops.take(x, np.array([7, -2, 3]), axis=3)],
    "flip": lambda x: [ops.flip(x, axis=-1), ops.flip(x, axis=1)],
    "roll": lambda x: [ops.roll(x, 3, axis=-1), ops.roll(x, -2, axis=3), ops.roll(x, 1, axis=1)],
    "roll of two axes": lambda x: [ops.roll(x, (3, 1), axis=(-1, 2)), ops.roll(x, (1, -2, 3), axis=(3, 1, 3))],
    "rows in a table": lambda x: [ops.reshape(ops.take(x, np.array([[3, 1], [0, 2]]), axis=1), (-1, 4, 4, 8))],
    "slice op": lambda x: [ops.slice(x, (0, 0, 0, 2), (2, 4, 4, 5)), x],
    "numpy indices": lambda x: [x[..., np.int64(1) : np.int64(6)]],
    "new axis": lambda x: [ops.squeeze(x[:, None, ..., :4], 1)],
    "one position": lambda x: [x[:, :1, 1:2]],
    "ellipsis": lambda x: [x[:, 1:, ...]],
}


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_parts_keep_their_channels(name, seed):
    inputs, x = image()
    batch = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    check_cut(model(inputs, *SPLITS[name](x)), "a", "b", seed=seed, inputs=batch)


def test_halves_that_are_swapped():
    inputs, x = image()
    left, right = ops.split(x, 2, axis=-1)
    check_cut(model(inputs, layers.Concatenate()([right, left])), "a", "b")


def test_halves_that_meet_go_in_pairs():
    inputs, x = image()
    left, right = ops.split(x, 2, axis=-1)
    graph, chosen, small = check_cut(model(inputs, left * ops.sigmoid(right)), "a", "b")
    assert graph.group("a").size == 4
    assert small.get_layer("a").filters == 8 - 2 * len(chosen["a"])


def test_channels_taken_into_a_table_stay():
    inputs, x = image()
    part = ops.reshape(ops.take(x, np.array([[3, 1], [0, 2]]), axis=-1), (-1, 4, 4, 4))
    graph, _, _ = check_cut(model(inputs, part), "b", held=["a"])
    assert "takes by indices of several axes" in graph.group("a").reason


def test_channels_that_there_are_not_are_not_followed():
    inputs, x = image()
    graph = trace(keras.Model(inputs, ops.take(x, np.array([0, 8]), axis=-1)))
    assert [node.opaque for node in graph.opaque] == ["its indices are out of range"]
    assert not trace(keras.Model(inputs, ops.take(x, np.array([7, -8]), axis=-1))).opaque


def test_one_channel_taken_by_number_stays_and_the_others_go():
    inputs, x = image()
    one = ops.expand_dims(x[..., 5], -1)
    two = ops.expand_dims(ops.take(x, 2, axis=-1), -1)
    graph, _, small = check_cut(model(inputs, x, one, two), "a", "b")
    assert sum(group.size for group in made_by(graph, "a") if group.prunable) == 6
    assert small.get_layer("a").filters < 8


def test_unstacked_channels_stay():
    inputs, x = image(3)
    parts = [ops.expand_dims(part, -1) for part in ops.unstack(x, axis=-1)]
    check_cut(model(inputs, *parts), "b", held=["a"])


def test_unstacked_rows_keep_their_channels():
    inputs, x = image()
    rows = [ops.expand_dims(row, 1) for row in ops.unstack(x, axis=1)]
    check_cut(model(inputs, *rows), "a", "b")


@pytest.mark.parametrize("axis", [-1, 3, 1], ids=str)
@pytest.mark.parametrize("how", ["layer", "operation"])
def test_joined_tensors(axis, how):
    inputs, x = image()
    y = layers.Conv2D(8, 3, name="y", activation="relu")(inputs)
    joined = layers.Concatenate(axis=axis)([x, y]) if how == "layer" else ops.concatenate([x, y], axis=axis)
    _, _, small = check_cut(model(inputs, joined), "a", "y", "b")
    if axis == 1:
        assert small.get_layer("a").filters == small.get_layer("y").filters


def test_a_join_with_the_networks_input_keeps_its_channels():
    inputs, x = image(padding="same")
    _, _, small = check_cut(model(inputs, layers.Concatenate()([inputs, x, inputs])), "a", "b")
    assert small.get_layer("b").kernel.shape[2] == small.get_layer("a").filters + 6


@pytest.mark.parametrize("name", ["hstack", "vstack", "dstack", "append"])
def test_other_joins_are_not_followed_or_exact(name):
    inputs, x = image()
    y = layers.Conv2D(8, 3, name="y")(inputs)
    joined = ops.append(x, y, axis=-1) if name == "append" else getattr(ops, name)([x, y])
    joined = ops.reshape(joined, (-1, 4, 4, 8)) if name == "vstack" else joined
    graph, _, _ = check_cut(model(inputs, joined), "b")
    assert made_by(graph, "a")[0].prunable or "opaque" in made_by(graph, "a")[0].reason


def test_a_join_with_a_constant_is_not_followed():
    inputs, x = image()
    x = ops.concatenate([x, np.ones((2, 4, 4, 1), "float32")], axis=-1)
    batch = np.ones((2, 6, 6, 3), "float32")
    check_cut(model(inputs, x), "b", held=["a"], inputs=batch)


def test_a_join_of_unknown_lengths_keeps_what_is_joined():
    inputs = keras.Input((None, 6))
    x = layers.Dense(8, name="a")(inputs)
    y = layers.RepeatVector(4)(layers.Dense(8, name="y")(layers.GlobalAveragePooling1D()(x)))
    x = layers.Dense(5, name="b")(layers.Concatenate(axis=1)([x, y]))
    x = layers.GlobalAveragePooling1D()(x)
    check_cut(keras.Model(inputs, layers.Dense(3)(x)), "a", "b")


PADS = [
    (((0, 0), (1, 1), (1, 1), (0, 0)), "constant", None, True),
    (((0, 0), (0, 0), (0, 0), (2, 3)), "constant", None, True),
    (((0, 0), (0, 0), (0, 0), (0, 3)), "constant", 0.7, True),
    (((0, 0), (1, 1), (1, 1), (0, 0)), "constant", 0.7, True),
    (((0, 0), (1, 1), (1, 1), (0, 0)), "reflect", None, True),
    (((0, 0), (1, 1), (1, 1), (1, 1)), "reflect", None, False),
]


@pytest.mark.parametrize(("width", "mode", "value", "free"), PADS, ids=[f"{p[1]} {p[0][3]} {p[2]}" for p in PADS])
def test_padding(width, mode, value, free):
    inputs, x = image()
    x = ops.pad(x, width, mode=mode, constant_values=value)
    check_cut(model(inputs, x), "b", *(["a"] if free else []), held=[] if free else ["a"])


def test_padding_that_is_not_zero_is_not_summed():
    inputs, x = image()
    x = ops.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), constant_values=0.7)
    check_cut(keras.Model(inputs, ops.sum(x, axis=-1)), held=["a"])


def test_indices_that_are_tensors_are_not_followed():
    inputs, x = image()
    which = keras.Input((), dtype="int32")
    part = ops.take(x, which, axis=-1)
    network = keras.Model([inputs, which], part)
    assert not made_by(trace(network), "a")[0].prunable


def test_a_table_of_an_operation_loses_columns():
    class Positions(keras.Layer):
        """An embedding by plain operations."""

        def build(self, shape):
            self.table = self.add_weight(shape=(11, 8), name="table")

        def call(self, tokens):
            return ops.take(self.table, tokens, axis=0)

    tokens = keras.Input((7,), dtype="int32")
    x = layers.Dense(6, name="b")(Positions(name="positions")(tokens))
    network = keras.Model(tokens, layers.Dense(3)(x))
    _, _, small = check_cut(network, "b", inputs=np.arange(7)[None])
    assert small.get_layer("b").kernel.shape[0] < 8
