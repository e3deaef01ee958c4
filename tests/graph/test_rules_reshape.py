"""Axes moved, merged, split and repeated: labels go the same way as the numbers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import check_cut
from keras import layers, ops


def image(channels=8, **options):
    inputs = keras.Input((6, 6, 3))
    return inputs, layers.Conv2D(channels, 3, name="a", **options)(inputs)  # 4 × 4


def model(inputs, x):
    """A model whose features are read by a Dense layer."""
    x = x if len(x.shape) == 2 else layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.Dense(5, name="z")(x)))


MOVES = {
    "transpose": lambda x: ops.transpose(x, (0, 3, 1, 2)),
    "permute": layers.Permute((3, 1, 2)),
    "moveaxis": lambda x: ops.moveaxis(x, -1, 1),
    "moveaxis several": lambda x: ops.moveaxis(x, (1, 3), (2, 1)),
    "swapaxes": lambda x: ops.swapaxes(x, 1, -1),
    "expand and squeeze": lambda x: ops.squeeze(ops.expand_dims(x, 2), 2),
    "expand several": lambda x: ops.expand_dims(x, (1, -1)),
    "flatten": layers.Flatten(),
    "flatten channels first": layers.Flatten(data_format="channels_first"),
    "reshape layer": layers.Reshape((16, 8)),
    "reshape with -1": layers.Reshape((-1, 8)),
    "reshape op": lambda x: ops.reshape(x, (-1, 4, 32)),
    "reshape to two axes": layers.Reshape((4, 4, 2, 4)),
    "reshape across": layers.Reshape((8, 16)),
    "reshape odd": layers.Reshape((2, 8, 8)),
    "reshape and back": lambda x: layers.Reshape((4, 4, 8))(layers.Reshape((128,))(x)),
    "ravel rows": lambda x: ops.reshape(x, (-1, 128)),
    "repeat": lambda x: ops.repeat(x, 3, axis=-1),
    "repeat rows": lambda x: ops.repeat(x, 2, axis=1),
    "tile": lambda x: ops.tile(x, (1, 1, 1, 2)),
    "tile short": lambda x: ops.tile(x, 2),
    "broadcast": lambda x: ops.broadcast_to(ops.mean(x, (1, 2), keepdims=True), (2, 4, 4, 8)),
    "rows as a stack": lambda x: ops.stack([x, ops.relu(x)], axis=1),
    "stack last": lambda x: ops.stack([x, ops.relu(x)], axis=-1),
    "stack before the channels": lambda x: ops.stack([x, ops.relu(x)], axis=3),
    "view": lambda x: ops.reshape(x, (-1, 4, 4, 8, 1)),
    "rot90": lambda x: ops.rot90(x, axes=(1, 2)),
}


@pytest.mark.parametrize("name", MOVES)
def test_moved_axes(name):
    inputs, x = image()
    move = MOVES[name]
    x = type(move).from_config(move.get_config())(x) if isinstance(move, keras.Layer) else move(x)
    held = ["a"] if name == "rot90" else []
    if name == "broadcast":
        x = ops.reshape(x, (-1, 128))  # its batch has a size
    check_cut(model(inputs, x), "z", *([] if held else ["a"]), held=held, inputs=np.ones((2, 6, 6, 3), "float32"))


def test_a_vector_repeated_as_a_sequence():
    x = inputs = keras.Input((6,))
    x = layers.RepeatVector(4)(layers.Dense(8, name="a")(x))
    x = layers.LSTM(6, return_sequences=True, name="lstm")(x)
    check_cut(model(inputs, x), "a", "lstm")


@pytest.mark.parametrize("block", [1, 2])
def test_depth_to_space_and_back(block):
    inputs, x = image(8)
    x = ops.depth_to_space(x, 2) if block == 2 else x
    x = layers.Conv2D(6, 3, padding="same", name="b")(x)
    x = ops.space_to_depth(x, 2)
    x = layers.Conv2D(4, 1, name="c")(x)
    _, _, small = check_cut(model(inputs, x), "a", "b", "c")
    assert small.get_layer("a").filters % (4 if block == 2 else 1) == 0


def test_depth_to_space_in_the_other_layout_is_not_followed():
    inputs, x = image(8)
    x = ops.depth_to_space(layers.Permute((3, 1, 2))(x), 2, data_format="channels_first")
    check_cut(model(inputs, x), "z", held=["a"])


def test_channel_shuffle():
    inputs, x = image(24)
    x = layers.Conv2D(24, 3, groups=2, padding="same", name="b")(x)
    x = layers.Reshape((4, 4, 2, 12))(x)
    x = layers.Permute((1, 2, 4, 3))(x)
    x = layers.Reshape((4, 4, 24))(x)
    x = layers.Conv2D(24, 3, groups=2, padding="same", name="c")(x)
    check_cut(model(inputs, x), "a", "b", "c")


def test_a_merged_axis_split_elsewhere_keeps_a_rectangle():
    inputs, x = image(12)
    y = layers.Reshape((4, 4, 3, 4))(x)
    y = ops.sum(y, axis=3)  # over the three
    y = layers.Conv2D(5, 1, name="b")(y)
    graph, _, small = check_cut(model(inputs, y), "a", "b")
    assert small.get_layer("a").filters in (1 * 4, 2 * 4, 3, 6, 9, 2, 4, 6, 8)  # rows × columns
    assert {group.size for group in graph.prunable if "a" in group.layers} == {3, 4}


def test_a_batch_mixed_with_channels_holds_them():
    inputs, x = image(8)
    x = ops.reshape(x, (-1, 4))
    x = layers.Dense(5, name="z")(x)
    check_cut(keras.Model(inputs, layers.Dense(3)(x)), "z", held=["a"])


def test_unknown_sizes_leave_the_channels_free():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, name="a")(inputs)
    x = layers.Reshape((-1, 8))(x)
    x = layers.Dense(6, name="b")(x)
    x = layers.GlobalAveragePooling1D()(x)
    check_cut(model(inputs, x), "a", "b")


def test_a_repeat_by_position_is_not_followed():
    inputs, x = image(3)
    x = ops.repeat(x, [1, 2, 3], axis=-1)
    check_cut(model(inputs, x), "z", held=["a"])


def test_a_tile_that_adds_axes_is_not_followed():
    inputs, x = image(8)
    x = ops.tile(x, (2, 1, 1, 1, 1))
    x = ops.reshape(x, (-1, 128))
    check_cut(model(inputs, x), "z", held=["a"])
