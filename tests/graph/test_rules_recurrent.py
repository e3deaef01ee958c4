"""Recurrent layers: a unit goes with its column in every gate and its row."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import check_cut
from keras import layers

RNNS = ["LSTM", "GRU", "SimpleRNN"]


def sequence(width=8, **options):
    inputs = keras.Input((5, 6))
    return inputs, layers.Dense(width, name="x", **options)(inputs)


def finish(inputs, x):
    x = layers.Dense(7, name="z")(x)
    x = layers.Flatten()(x) if len(x.shape) > 2 else x
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


OPTIONS = [{}, {"return_sequences": True}, {"go_backwards": True}, {"use_bias": False}, {"unroll": True},
           {"activation": "sigmoid"}, {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
           {"dropout": 0.2, "recurrent_dropout": 0.2}]  # fmt: skip


@pytest.mark.parametrize("kind", RNNS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_units_go(kind, options):
    if kind == "SimpleRNN":
        options = {k: v for k, v in options.items() if k != "recurrent_activation"}
    inputs, x = sequence()
    x = getattr(layers, kind)(6, name="r", **options)(x)
    _, chosen, small = check_cut(finish(inputs, x), "x", "r", "z")
    assert small.get_layer("r").units == 6 - len(chosen["r"])


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("use_bias", [True, False])
def test_both_kinds_of_gru(reset_after, use_bias):
    inputs, x = sequence()
    x = layers.GRU(6, reset_after=reset_after, use_bias=use_bias, name="r")(x)
    check_cut(finish(inputs, x), "x", "r", "z")


@pytest.mark.parametrize("kind", RNNS)
def test_states_go_into_the_next_layer(kind):
    inputs, x = sequence()
    cls = getattr(layers, kind)
    x, *states = cls(6, return_sequences=True, return_state=True, name="encoder")(x)
    y = cls(6, name="decoder")(x, initial_state=states)
    _, _, small = check_cut(finish(inputs, y), "x", "encoder", "z")
    assert small.get_layer("decoder").units == small.get_layer("encoder").units < 6


@pytest.mark.parametrize("kind", RNNS)
def test_a_state_that_is_made_by_a_dense_layer_and_one_that_is_an_input(kind):
    inputs, x = sequence()
    count = 2 if kind == "LSTM" else 1
    made = [layers.Dense(6, name=f"s{n}")(layers.GlobalAveragePooling1D()(x)) for n in range(count)]
    given = [keras.Input((6,)) for _ in range(count)]
    y = getattr(layers, kind)(6, name="free")(x, initial_state=made)
    w = getattr(layers, kind)(6, name="fixed")(x, initial_state=given)
    model = finish([inputs, *given], layers.Concatenate()([y, w]))
    check_cut(model, "x", "free", "z", held=["fixed"])


def test_units_whose_activation_is_not_zero_are_not_summed():
    """An LSTM of zero weights has a sigmoid cell input of one half; with tanh its state is zero."""
    inputs, x = sequence()
    for kind in RNNS:
        quiet = getattr(layers, kind)(6, name="r")(x)
        check_cut(keras.Model(inputs, keras.ops.sum(quiet, axis=-1)), "r")
        loud = getattr(layers, kind)(6, activation="sigmoid", name="loud")(x)
        check_cut(keras.Model(inputs, keras.ops.sum(loud, axis=-1)), held=["loud"])


@pytest.mark.parametrize("kind", RNNS)
def test_a_state_that_is_not_zero_is_not_summed(kind):
    inputs, x = sequence()
    states = [layers.Dense(6, activation="sigmoid")(layers.Flatten()(x)) for _ in range(2 if kind == "LSTM" else 1)]
    y = getattr(layers, kind)(6, name="r")(x, initial_state=states)
    check_cut(keras.Model(inputs, keras.ops.sum(y, axis=-1)), held=["r"])


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"return_sequences": True}, {"use_bias": False}], ids=str)
def test_filters_of_a_convolutional_lstm(dimensions, options):
    inputs = keras.Input((3, *(5, 4, 4)[:dimensions], 2))
    x = layers.Dense(4, name="x")(inputs)
    x = getattr(layers, f"ConvLSTM{dimensions}D")(6, 2, padding="same", name="r", **options)(x)
    _, chosen, small = check_cut(finish(inputs, x), "x", "r", "z")
    assert small.get_layer("r").filters == 6 - len(chosen["r"])


@pytest.mark.parametrize("kind", RNNS)
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", None], ids=str)
@pytest.mark.parametrize("return_sequences", [True, False])
def test_both_directions(kind, merge, return_sequences):
    inputs, x = sequence()
    layer = getattr(layers, kind)(6, return_sequences=return_sequences)
    x = layers.Bidirectional(layer, merge_mode=merge, name="both")(x)
    x = layers.Concatenate()(x) if merge is None else x
    _, _, small = check_cut(finish(inputs, x), "x", "both", "z")
    both = small.get_layer("both")
    assert both.forward_layer.units < 6
    assert both.backward_layer.units < 6


def test_a_direction_of_another_kind():
    inputs, x = sequence()
    forward, backward = layers.LSTM(6, name="one"), layers.GRU(6, go_backwards=True, name="two")
    x = layers.Bidirectional(forward, backward_layer=backward, merge_mode="sum", name="both")(x)
    check_cut(finish(inputs, x), "x", "both", "z")


CELLS = {
    "LSTM": lambda: layers.LSTMCell(6), "GRU": lambda: layers.GRUCell(6),
    "SimpleRNN": lambda: layers.SimpleRNNCell(6, activation="relu"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "go_backwards": True}], ids=str)
def test_a_cell_in_a_recurrence(kind, options):
    inputs, x = sequence()
    x = layers.RNN(CELLS[kind](), name="r", **options)(x)
    _, _, small = check_cut(finish(inputs, x), "x", "r", "z")
    assert small.get_layer("r").cell.units < 6


@pytest.mark.parametrize("kind", ["stacked", "own"])
def test_other_cells_are_not_followed(kind):
    class Own(layers.SimpleRNNCell):
        def call(self, sequence, states, training=False):
            output, states = super().call(sequence, states, training)
            return 2 * output, states

    inputs, x = sequence()
    cells = [layers.LSTMCell(6), layers.GRUCell(5)] if kind == "stacked" else Own(6)
    x = layers.RNN(cells, name="r")(x)
    with keras.utils.custom_object_scope({"Own": Own}):
        graph, _, _ = check_cut(finish(inputs, x), "z", held=["x"])
    assert "Stacked" in graph.opaque[0].opaque or "Own" in graph.opaque[0].opaque


def test_a_layer_that_keeps_its_state_is_not_followed():
    inputs = keras.Input(batch_shape=(2, 5, 6))
    x = layers.Dense(8, name="x")(inputs)
    x = layers.LSTM(6, stateful=True, name="r")(x)
    model = finish(inputs, x)
    from tfprune.graph import trace

    graph = trace(model)
    assert {group.name for group in graph.prunable} == {"z"}
    assert [node.opaque for node in graph.opaque] == ["it keeps its state between batches"]


STEPS = {
    "dense": lambda: layers.Dense(5, activation="relu"), "convolution": lambda: layers.Conv2D(5, 3, padding="same"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), "norm": lambda: layers.BatchNormalization(),
    "layer norm": lambda: layers.LayerNormalization(), "pooling": lambda: layers.GlobalAveragePooling2D(),
    "max": lambda: layers.MaxPooling2D(2), "flatten": lambda: layers.Flatten(),
    "reshape": lambda: layers.Reshape((8, 8)),
    "activation": lambda: layers.Activation("gelu"), "permute": lambda: layers.Permute((3, 1, 2)),
    "separable": lambda: layers.SeparableConv2D(5, 3), "rms": lambda: layers.RMSNormalization(),
    "prelu": lambda: layers.PReLU(),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_a_layer_at_every_step(name):
    inputs = keras.Input((3, 4, 4, 2))
    x = layers.TimeDistributed(layers.Conv2D(4, 1, padding="same"), name="x")(inputs)
    x = layers.TimeDistributed(STEPS[name](), name="step")(x)
    held = name == "rms"  # its scale has to be corrected
    made = name in ("dense", "convolution", "separable")
    batch = np.random.default_rng(0).normal(size=(2, 3, 4, 4, 2)).astype("float32")
    check_cut(finish(inputs, x), "z", *([] if held else ["x"]), *(["step"] if made else []),
              held=["x"] if held else [], exact=name != "layer norm", inputs=batch)  # fmt: skip


def test_a_model_at_every_step_is_not_followed():
    inputs = keras.Input((3, 6))
    x = layers.Dense(8, name="x")(inputs)
    step = keras.Sequential([layers.Dense(5), layers.ReLU()])
    check_cut(finish(inputs, layers.TimeDistributed(step, name="step")(x)), "z", held=["x"])
