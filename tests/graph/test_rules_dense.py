"""Dense, EinsumDense and embeddings: cut units equal zeroed ones, and units really go."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph.oracle import check_cut
from keras import layers, ops

TOKENS = np.random.default_rng(0).integers(0, 11, (3, 7))


@pytest.mark.parametrize("rank", [2, 3, 4])
@pytest.mark.parametrize("options", [{}, {"use_bias": False, "activation": "relu"}, {"activation": "sigmoid"}],
                         ids=["plain", "no bias", "sigmoid"])  # fmt: skip
def test_units_go_at_every_rank(rank, options):
    x = inputs = keras.Input((4, 5, 6)[4 - rank :])
    x = layers.Dense(8, name="a", **options)(x)
    x = layers.Dense(7, name="b", **options)(x)
    _, chosen, small = check_cut(keras.Model(inputs, layers.Dense(3, name="head")(x)), "a", "b")
    assert small.get_layer("b").kernel.shape == (8 - len(chosen["a"]), 7 - len(chosen["b"]))


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "sparsemax"])
def test_a_softmax_inside_the_network_keeps_its_units(activation):
    x = inputs = keras.Input((6,))
    x = layers.Dense(8, name="a")(x)
    x = layers.Dense(7, name="b", activation=activation)(x)
    check_cut(keras.Model(inputs, layers.Dense(3)(x)), "a", held=["b"])


EQUATIONS = [
    ("abc,cd->abd", (5, 8), {"bias_axes": "d"}, {"x": 1, "e": 1}),
    ("...x,xy->...y", (8,), {"bias_axes": "y"}, {"x": 1, "e": 1}),
    ("abc,cde->abde", (5, 4, 6), {"bias_axes": "de"}, {"x": 1, "e": 2}),
    ("abc,cde->abde", (5, 4, 6), {"bias_axes": "d"}, {"x": 1, "e": 2}),
    ("abc,cde->abed", (5, 6, 4), {"bias_axes": "e"}, {"x": 1, "e": 2}),
    ("abc,cd->adb", (8, 5), {}, {"x": 1, "e": 1}),
    ("abc,bcd->ad", (8,), {"bias_axes": "d"}, {"x": 1, "e": 1}),
    ("abc,c->abc", (5, 10), {}, {"x": 1, "e": 0}),
]


@pytest.mark.parametrize(("equation", "shape", "options", "made"), EQUATIONS, ids=[e[0] + str(e[2]) for e in EQUATIONS])
def test_letters_of_an_equation_say_what_goes(equation, shape, options, made):
    x = inputs = keras.Input((5, 6))
    x = layers.Dense(10, name="x")(x)
    x = layers.EinsumDense(equation, shape, name="e", activation="relu", **options)(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(layers.Flatten()(x)))
    graph, chosen, _ = check_cut(model, "x")
    groups = [group for group in graph.prunable if "e" in group.layers]
    assert len(groups) == made["e"]
    assert all(group.name in chosen for group in groups)


def test_heads_split_and_joined_by_equations():
    x = inputs = keras.Input((5, 6))
    x = layers.Dense(10, name="x")(x)
    heads = layers.EinsumDense("btd,dhk->bthk", (None, 4, 6), bias_axes="hk", name="split")(x)
    x = layers.EinsumDense("bthk,hkd->btd", (None, 9), bias_axes="d", name="join")(heads)
    graph, chosen, small = check_cut(keras.Model(inputs, layers.Dense(3)(x)), "x", "split", "split#2", "join")
    kept = [graph.group(name).size - len(chosen[name]) for name in ("split", "split#2", "join")]
    assert small.get_layer("join").kernel.shape == tuple(kept)


def test_a_letter_summed_without_a_kernel_is_held_unless_its_zeros_are_true():
    def model(activation):
        x = inputs = keras.Input((5, 6))
        x = layers.Dense(10, name="x", activation=activation)(x)
        x = layers.EinsumDense("abc,bd->ad", (8,), name="e")(x)
        return keras.Model(inputs, layers.Dense(3)(x))

    check_cut(model("relu"), "x", "e")
    check_cut(model("sigmoid"), "e", held=["x"])


@pytest.mark.parametrize("mask_zero", [False, True])
def test_an_embedding_loses_columns(mask_zero):
    x = inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(11, 8, mask_zero=mask_zero, name="embedding")(x)
    x = layers.LSTM(6, name="lstm")(x)
    _, chosen, small = check_cut(keras.Model(inputs, layers.Dense(3)(x)), "embedding", "lstm", inputs=TOKENS)
    assert small.get_layer("embedding").output_dim == 8 - len(chosen["embedding"])
    assert small.get_layer("embedding").mask_zero is mask_zero


def test_one_embedding_for_two_inputs():
    one, two = (keras.Input((7,), dtype="int32") for _ in range(2))
    embedding = layers.Embedding(11, 8, name="embedding")
    left = layers.Dense(6, name="a")(embedding(one))
    x = layers.Concatenate()([left, embedding(two)])
    x = layers.Dense(5, name="b")(x)
    model = keras.Model([one, two], layers.Dense(3)(x))
    check_cut(model, "embedding", "a", "b", inputs=[TOKENS, TOKENS[:, ::-1]])


@pytest.mark.parametrize("tie_weights", [True, False])
def test_a_reversible_embedding_is_cut_at_both_ends(tie_weights):
    inputs = keras.Input((7,), dtype="int32")
    embedding = layers.ReversibleEmbedding(11, 8, tie_weights=tie_weights, name="embedding")
    x = embedding(inputs)
    x = layers.Add()([x, layers.Dense(8, name="b")(layers.Dense(9, name="a")(x))])
    model = keras.Model(inputs, embedding(x, reverse=True))
    _, chosen, small = check_cut(model, "embedding", "a", inputs=TOKENS)
    assert small.get_layer("embedding").embeddings.shape == (11, 8 - len(chosen["embedding"]))


@pytest.mark.parametrize("name", ["einsum", "unknown"])
def test_a_weight_used_by_a_layer_and_an_operation(name):
    """It is cut in both, or held where there is no rule for the operation."""

    class Unknown(keras.Operation):
        def call(self, x, table):
            return tf.matmul(x, tf.transpose(table))

        def compute_output_spec(self, x, table):
            return keras.KerasTensor((*x.shape[:-1], table.shape[0]), x.dtype)

    class Logits(keras.Layer):
        """Products of its inputs with all rows of a table that another layer owns."""

        def __init__(self, embedding, **kwargs):
            super().__init__(**kwargs)
            self.embedding = embedding

        def call(self, x):
            table = self.embedding._embeddings
            return ops.einsum("btd,vd->btv", x, table) if name == "einsum" else Unknown()(x, table)

    inputs = keras.Input((7,), dtype="int32")
    embedding = layers.Embedding(11, 8, name="embedding")
    x = layers.Dense(8, name="a")(layers.Dense(9, name="b")(embedding(inputs)))
    model = keras.Model(inputs, Logits(embedding, name="logits")(x))
    _, chosen, small = check_cut(
        model,
        *(["b", "embedding"] if name == "einsum" else ["b"]),
        held=["embedding"] * (name == "unknown"),
        copied=True,
        inputs=TOKENS,
    )
    assert small.get_layer("a").units == 8 - len(chosen.get("embedding", []))


def test_token_mixing_leaves_a_bias_in_removed_channels():
    """In an MLP-mixer the channels pass by a Dense over tokens, whose bias fills removed ones."""
    x = inputs = keras.Input((5, 6))
    x = layers.Dense(8, name="a")(x)
    y = layers.Permute((2, 1))(x)
    y = layers.Dense(9, activation="relu", name="tokens")(y)
    y = layers.Dense(5, name="back")(y)
    x = layers.Add()([x, layers.Permute((2, 1))(y)])
    model = keras.Model(inputs, layers.Dense(3)(x))
    check_cut(model, "a", "tokens")
    summed = keras.Model(inputs, ops.sum(x, axis=-1))
    check_cut(summed, "tokens", held=["a"])
