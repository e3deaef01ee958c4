"""Residual blocks: found where a branch can be left out, left out exactly, and nowhere else."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import difference, random_inputs, scramble
from keras import layers, ops

import tfprune
from tfprune.errors import InputError
from tfprune.graph import trace


@keras.saving.register_keras_serializable("test_blocks")
class StochasticDepth(layers.Layer):
    """Drops the branch of some samples while training."""

    def call(self, x, training=None):
        if training:
            return x * ops.cast(keras.random.uniform((ops.shape(x)[0], 1, 1, 1)) > 0.5, x.dtype)
        return x


def residual(ends):
    """Return a network of residual blocks, one for each way to end a branch."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", name="stem")(x)
    for number, end in enumerate(ends):
        y = layers.Conv2D(5, 3, padding="same", activation="relu", name=f"inner_{number}")(x)
        y = end(layers.Conv2D(6, 1, name=f"outer_{number}")(y))
        x = layers.Add(name=f"add_{number}")([x, y])
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x)))


ENDS = {
    "convolution": lambda y: y,
    "normalisation": lambda y: layers.BatchNormalization()(y),
    "dropout": lambda y: layers.Dropout(0.2)(layers.BatchNormalization()(y)),
    "stochastic depth": lambda y: StochasticDepth()(y),
    "scale": lambda y: y * 0.3,
    "linear": lambda y: layers.Activation("linear")(y),
}


@pytest.mark.parametrize("end", ENDS)
def test_leaving_a_branch_out_equals_setting_what_ends_it_to_zero(end):
    model = scramble(residual([ENDS[end]] * 3))
    blocks = trace(model).blocks
    assert [block.name for block in blocks] == ["add_0", "add_1", "add_2"]
    small = tfprune.shrink(model, drop=["add_0", "add_2"])
    assert [layer.name for layer in small.layers if "inner" in layer.name] == ["inner_1"]
    for block in (blocks[0], blocks[2]):
        for variable in block.closers:
            variable.assign(np.zeros(variable.shape))
    x = random_inputs(model)
    assert difference(model(x), small(x)) < 1e-5
    assert difference(small(x), tfprune.shrink(model)(x)) == 0, "what is zero is found without a name"


def test_blocks_and_channels_go_together():
    model = scramble(residual([ENDS["normalisation"]] * 3))
    small = tfprune.shrink(model, {"stem": [0, 3], "inner_1": [1]}, drop=["add_0"])
    assert small.get_layer("inner_1").filters == 4
    assert small.get_layer("stem").filters == 4
    assert small(random_inputs(model)).shape == (2, 3)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_a_branch_that_ends_in_an_activation_can_be_left_out_but_not_masked(activation):
    model = residual([lambda y: layers.Activation(activation)(y)])
    (block,) = trace(model).blocks
    assert block.closers is None
    assert "inner_0" not in [layer.name for layer in tfprune.shrink(model, drop=["add_0"]).layers]


def test_what_is_no_block():
    inputs = keras.Input((8, 8, 4))
    projection = layers.Conv2D(6, 1)(inputs)
    branch = layers.Conv2D(6, 3, padding="same")(inputs)
    projected = layers.Add(name="projected")([projection, branch])
    twice = layers.Conv2D(6, 3, padding="same")(projected)
    read = layers.Add(name="read_elsewhere")([projected, twice])
    out = layers.Conv2D(6, 3, padding="same")(read)
    output = layers.Add(name="branch_is_an_output")([read, out])
    model = keras.Model(inputs, [layers.GlobalAveragePooling2D()(output), layers.Flatten()(twice), out])
    assert trace(model).blocks == ()


def test_stochastic_depth_is_kept_for_training():
    model = residual([ENDS["stochastic depth"]] * 2)
    small = tfprune.shrink(model, {"inner_0": [0]})
    assert sum(isinstance(layer, StochasticDepth) for layer in small.layers) == 2
    x = np.ones((64, 8, 8, 3), dtype="float32")
    assert difference(small(x), small(x, training=True)) > 1e-3, "it drops branches"


def test_attention_and_feed_forward_blocks():
    x = inputs = keras.Input((10, 12))
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(3, 4)(y, y)
        y = layers.Dense(24, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(12)(y)
    model = scramble(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x))))
    blocks = trace(model).blocks
    assert len(blocks) == 4
    small = tfprune.shrink(model, drop=[blocks[1].name, blocks[2].name])
    for block in blocks[1:3]:
        for variable in block.closers:
            variable.assign(np.zeros(variable.shape))
    x = random_inputs(model)
    assert difference(model(x), small(x)) < 1e-5


def test_an_unknown_block_is_refused():
    with pytest.raises(InputError, match="add_0"):
        tfprune.shrink(residual([ENDS["scale"]]), drop=["add0"])
