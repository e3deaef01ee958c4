"""Attention of every kind: heads, their sizes and what is read and written go, and nothing else changes."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from graph.oracle import check_cut, made_by
from keras import layers, ops

TOKENS = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [6, 7, 8, 9, 1]])


def sequence(width=12, length=5, name="x", **options):
    inputs = keras.Input((length, 6))
    return inputs, layers.Dense(width, name=name, **options)(inputs)


def finish(inputs, *parts):
    x = layers.Dense(7, name="z")(parts[0])
    outputs = [layers.Dense(3, name="head")(layers.Flatten()(x)), *parts[1:]]
    return keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0])


CALLS = [{}, {"use_causal_mask": True}, {"attention_mask": np.tril(np.ones((1, 5, 5), bool))}]


@pytest.mark.parametrize("options", [{}, {"value_dim": 5}, {"use_bias": False}, {"dropout": 0.2}, {"output_shape": 9}],
                         ids=str)  # fmt: skip
@pytest.mark.parametrize("call", CALLS, ids=["plain", "causal", "masked"])
def test_heads_and_sizes_of_self_attention(options, call):
    inputs, x = sequence()
    x = layers.MultiHeadAttention(4, 6, name="attention", **options)(x, x, **call)
    graph, _, small = check_cut(finish(inputs, x), "x", "attention", "z")
    kinds = sorted(group.kind for group in made_by(graph, "attention") if group.prunable)
    assert len(kinds) == 4  # heads, sizes of queries with keys, sizes of values, outputs
    layer = small.get_layer("attention")
    assert layer.num_heads < 4
    assert layer.key_dim < 6
    assert layer.value_dim < options.get("value_dim", 6)
    assert layer._output_dense.kernel.shape[-1] < options.get("output_shape", 12)


@pytest.mark.parametrize("keys", [False, True])
def test_cross_attention(keys):
    one, x = sequence(12, 5, "x")
    two, y = sequence(10, 7, "y")
    third = {"key": layers.Dense(8, name="k")(y)} if keys else {}
    z = layers.MultiHeadAttention(3, 4, value_dim=5, name="attention")(x, y, **third)
    check_cut(finish([one, two], z), "x", "y", "attention", "z", *(["k"] if keys else []))


def test_heads_stay_where_the_scores_are_an_output():
    inputs, x = sequence()
    x, scores = layers.MultiHeadAttention(4, 6, name="attention")(x, x, return_attention_scores=True)
    _, _, small = check_cut(finish(inputs, x, scores), "x", "attention", "z")
    assert small.get_layer("attention").num_heads == 4
    assert small.get_layer("attention").key_dim < 6


def test_scores_that_are_read_lose_their_heads():
    inputs, x = sequence()
    x, scores = layers.MultiHeadAttention(4, 6, name="attention")(x, x, return_attention_scores=True)
    y = layers.Dense(5, name="y")(layers.Permute((2, 3, 1))(scores))
    x = layers.Add()([layers.Dense(5, name="w")(x), ops.mean(y, axis=2)])
    _, _, small = check_cut(finish(inputs, x), "x", "attention", "y", "z")
    assert small.get_layer("y").kernel.shape[0] == small.get_layer("attention").num_heads < 4


def test_attention_over_an_image_holds_its_positions():
    inputs = keras.Input((4, 5, 6))
    x = layers.Dense(12, name="x")(inputs)
    x = layers.MultiHeadAttention(3, 4, attention_axes=(1, 2), name="attention")(x, x)
    check_cut(finish(inputs, x), "x", "attention", "z")


def test_channels_that_are_attended_to_as_steps_are_held():
    inputs, x = sequence()
    x = layers.Permute((2, 1))(x)
    x = layers.MultiHeadAttention(3, 4, name="attention")(x, x)
    check_cut(finish(inputs, x), "attention", "z", held=["x"])


def test_attention_with_its_own_computation_is_not_taken_for_the_stock_one():
    class Linear(layers.MultiHeadAttention):
        def _compute_attention(self, query, key, value, *args, **kwargs):
            return ops.einsum("bthd,bshd,bshe->bthe", query, key, value), None

    inputs, x = sequence()
    graph, _, _ = check_cut(finish(inputs, Linear(3, 4, name="attention")(x, x)), "z", held=["x"])
    assert [node.opaque for node in graph.opaque] == ["it computes attention in its own way"]


@pytest.mark.parametrize("heads", [(4, 2), (6, 2), (4, 4), (4, 1)], ids=str)
@pytest.mark.parametrize("call", CALLS[:2], ids=["plain", "causal"])
def test_groups_of_queries_share_a_key(heads, call):
    inputs, x = sequence()
    queries, keys = heads
    x = layers.GroupQueryAttention(6, queries, keys, name="attention")(x, x, **call)
    _, _, small = check_cut(finish(inputs, x), "x", "attention", "z")
    layer = small.get_layer("attention")
    assert layer.num_query_heads < queries
    assert layer.num_query_heads % layer.num_key_value_heads == 0
    assert layer.head_dim < 6


@pytest.mark.skipif(
    "use_gate" not in inspect.signature(layers.GroupQueryAttention).parameters, reason="Keras 3.12 has no such gate"
)
def test_gated_attention_is_not_followed():
    inputs, x = sequence()
    x = layers.GroupQueryAttention(6, 4, 2, use_gate=True, name="attention")(x, x)
    check_cut(finish(inputs, x), "z", held=["x"])


@pytest.mark.parametrize("kind", ["Attention", "AdditiveAttention"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("options", [{}, {"use_scale": True}], ids=str)
def test_attention_without_projections(kind, count, options):
    options = options or ({"use_scale": False} if kind == "AdditiveAttention" else {})
    inputs, x = sequence(12, name="x")
    parts = [x, layers.Dense(12, name="y")(inputs), layers.Dense(12, name="k")(inputs)][:count]
    z = getattr(layers, kind)(name="attention", **options)(parts)
    _, _, small = check_cut(finish(inputs, z), "x", "y", "z")
    keys = "k" if count == 3 else "y"
    assert small.get_layer("x").units == small.get_layer(keys).units < 12


@pytest.mark.parametrize("kind", ["Attention", "AdditiveAttention"])
def test_scores_of_what_is_not_zero_hold_the_channels(kind):
    inputs, x = sequence(name="x", activation="sigmoid")
    y = layers.Dense(12, activation="sigmoid", name="y")(inputs)
    value = layers.Dense(8, name="v")(inputs)
    z = getattr(layers, kind)(use_scale=False)([x, value, y])
    check_cut(finish(inputs, z), "v", "z", held=["x", "y"])


def test_attention_scored_by_concatenation_is_exact_or_held():
    inputs, x = sequence(12, name="x")
    y = layers.Dense(12, name="y")(inputs)
    z = layers.Attention(score_mode="concat", use_scale=True)([x, y])
    check_cut(finish(inputs, z), "x", "z")


class Heads(keras.Layer):
    """Attention by operations, as other people's transformers have it."""

    def __init__(self, how, **kwargs):
        super().__init__(**kwargs)
        self.how = how
        self.qkv = [layers.Dense(12, name=name) for name in ("q", "k", "v")]
        self.out = layers.Dense(9, name="out")

    def build(self, shape):
        for dense in self.qkv:
            dense.build(shape)
        self.out.build((*shape[:-1], 12))
        if self.how == "variable bias":
            self.bias = self.add_weight(shape=(1, 3, 5, 5), name="bias")

    def call(self, x):
        q, k, v = (ops.reshape(dense(x), (-1, 5, 3, 4)) for dense in self.qkv)
        if self.how == "variable bias":
            y = ops.dot_product_attention(q, k, v, bias=self.bias)
            return self.out(ops.reshape(y, (-1, 5, 12)))
        if self.how == "constant bias":
            y = ops.dot_product_attention(q, k, v, bias=np.arange(75, dtype="float32").reshape(1, 3, 5, 5) / 75)
            return self.out(ops.reshape(y, (-1, 5, 12)))
        if self.how == "operation":
            return self.out(ops.reshape(ops.dot_product_attention(q, k, v), (-1, 5, 12)))
        q, k, v = (ops.transpose(part, (0, 2, 1, 3)) for part in (q, k, v))
        scores = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / 2.0)
        y = ops.transpose(ops.matmul(scores, v), (0, 2, 1, 3))
        return self.out(ops.reshape(y, (-1, 5, 12)))


@pytest.mark.parametrize("how", ["operation", "by hand"])
def test_attention_by_operations_loses_heads_and_sizes(how):
    inputs, x = sequence()
    graph, _, small = check_cut(finish(inputs, Heads(how, name="heads")(x)), "x", "heads/q", "heads/v", "heads/out")
    assert {group.size for group in made_by(graph, "heads/q") if group.prunable} == {3, 4}  # heads, size
    assert small.get_layer("q").units < 12


@pytest.mark.parametrize("how", ["variable bias", "constant bias"])
def test_a_bias_for_each_head_goes_with_it_or_holds_it(how):
    inputs, x = sequence()
    graph, _, _ = check_cut(finish(inputs, Heads(how, name="heads")(x)), "x", "heads/v", "heads/out", copied=True)
    sizes = {group.size for group in graph.prunable if {"heads/q", "heads/k", "heads/v"} & set(group.layers)}
    assert sizes == ({3, 4} if how == "variable bias" else {4})


class Block(keras.Layer):
    """A transformer block; `passes` says whether it hands the mask of its inputs on."""

    def __init__(self, passes, explicit=False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = passes
        self.attention = layers.MultiHeadAttention(3, 4, name="attention")
        self.dense = layers.Dense(12, name="dense")
        self.explicit = explicit

    def build(self, shape):
        self.attention.build(shape, shape)
        self.dense.build(shape)

    def get_config(self):
        return {**super().get_config(), "passes": self.supports_masking, "explicit": self.explicit}

    def call(self, x, mask=None):
        if self.explicit and mask is not None:
            x = x * ops.expand_dims(ops.cast(mask, x.dtype), -1)
        return ops.add(x, self.dense(self.attention(x, x)))


@pytest.mark.parametrize("explicit", [False, True])
def test_a_mask_reaches_what_it_reached_before(explicit):
    """Steps of token 0 are left out by the attention inside a layer and by the LSTM behind it."""
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(11, 12, mask_zero=True, name="embedding")(inputs)
    x = Block(True, explicit, name="block")(x)
    x = layers.LSTM(6, name="lstm")(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    loud = model(TOKENS)
    changed = np.where(TOKENS == 0, 9, TOKENS)
    assert np.abs(loud - model(changed))[:2].max() > 1e-3  # the mask does something
    graph, _, _ = check_cut(model, "lstm", held=["embedding"], inputs=TOKENS)
    assert "mask" in graph.opaque[0].opaque


def test_a_masked_model_of_stock_layers_is_cut_all_over():
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(11, 12, mask_zero=True, name="embedding")(inputs)
    y = layers.MultiHeadAttention(3, 4, name="attention")(x, x)
    x = layers.Add()([x, y])
    x = layers.Bidirectional(layers.GRU(6, return_sequences=True, name="gru"), name="both")(x)
    x = layers.GlobalAveragePooling1D()(layers.Dense(7, name="z")(x))
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    check_cut(model, "embedding", "attention", "both", "z", inputs=TOKENS)


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_a_mask_through_a_nested_model():
    inside = keras.Input((5, 12))
    nested = keras.Model(inside, layers.Dense(10, name="dense")(inside), name="nested")
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(11, 12, mask_zero=True, name="embedding")(inputs)
    x = layers.LSTM(6, name="lstm")(nested(x))
    check_cut(keras.Model(inputs, layers.Dense(3)(x)), "embedding", "nested/dense", "lstm", inputs=TOKENS)
