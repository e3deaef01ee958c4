"""Axes whose order counts: they keep their size, and channels along the others are followed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import check_cut, made_by
from keras import layers, ops

from tfprune.graph import trace


def picked(x, axis):
    """Take what lies at one place along an axis, which is computed from the values at another."""
    return ops.take_along_axis(x, ops.cast(ops.abs(x[:, :1, :1] * 0) + 2, "int32"), axis=axis)


ALONG = {
    "sort": lambda x, axis: ops.sort(x, axis=axis),
    "argsort": lambda x, axis: x + ops.cast(ops.argsort(x, axis=axis), "float32"),
    "sum so far": lambda x, axis: ops.cumsum(x, axis=axis),
    "product so far": lambda x, axis: ops.cumprod(x, axis=axis),
    "picked": picked,
}


def network(change):
    """Return a model that does something to the channels of a layer, in five steps."""
    steps = keras.Input((5, 4))
    x = change(layers.Dense(6, name="a")(steps))
    return keras.Model(steps, layers.Dense(3, name="out")(layers.Dense(7, activation="relu", name="b")(x)))


@pytest.mark.parametrize("name", ALONG)
def test_order_along_the_steps_lets_channels_go(name):
    free = ALONG[name] if name == "sum so far" else lambda x, axis: layers.ReLU()(ALONG[name](x, axis))
    graph = trace(network(lambda x: free(x, 1)))
    assert not graph.opaque
    inexact = name in ("argsort", "product so far")  # zeros do not stay zeros
    check_cut(network(lambda x: free(x, 1)), *(["b"] if inexact else ["a", "b"]))


@pytest.mark.parametrize("name", ALONG)
def test_order_along_the_channels_holds_them(name):
    graph, _, _ = check_cut(network(lambda x: ALONG[name](x, -1)), "b", held=["a"])
    assert not graph.opaque


def test_places_that_are_constants():
    places = np.array([[[2], [0]]], "int32")
    graph, _, _ = check_cut(network(lambda x: ops.take_along_axis(x, places, axis=1)), "a", "b")
    assert not graph.opaque
    wide = np.tile(places, (1, 1, 6))
    check_cut(network(lambda x: ops.take_along_axis(x, wide, axis=1)), "b", held=["a"])


@pytest.mark.parametrize("triangle", [ops.tril, ops.triu])
def test_a_triangle_holds_both_axes(triangle):
    graph, _, _ = check_cut(network(triangle), "b", held=["a"])
    assert not graph.opaque


def test_the_largest_are_looked_for_among_the_last_axis():
    def largest(x):
        values, places = ops.top_k(ops.transpose(x, (0, 2, 1)), 3)
        return ops.transpose(values + 0 * ops.cast(places, "float32"), (0, 2, 1))

    graph, _, _ = check_cut(network(largest), "a", "b")
    assert not graph.opaque
    graph, _, _ = check_cut(network(lambda x: ops.top_k(x, 4)[0]), "b", held=["a"])
    assert "looks for the largest" in graph.group("a").reason


def test_experts_are_chosen_by_a_router():
    """A mixture of experts: the router's outputs stay, what the experts are made of goes."""
    x = inputs = keras.Input((8,))
    x = layers.Dense(6, name="before")(x)
    weights, places = ops.top_k(ops.softmax(layers.Dense(3, name="router")(x)), 2)
    share = ops.sum(ops.expand_dims(weights, -1) * ops.one_hot(places, 3), axis=1)
    made = [layers.Dense(4)(layers.Dense(9, activation="relu", name=f"expert{n}")(x)) for n in range(3)]
    x = sum(share[:, n : n + 1] * one for n, one in enumerate(made))
    graph, _, small = check_cut(keras.Model(inputs, layers.Dense(2)(x)), "before", *(f"expert{n}" for n in range(3)))
    assert not graph.opaque
    assert small.get_layer("router").units == 3


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda x: ops.reshape(ops.sort(x, axis=None), (-1, 5, 6)), "all axes as one"),
        (lambda x: ops.take_along_axis(np.ones((1, 5, 6), "float32"), ops.cast(x * 0, "int32"), 1), "from a constant"),
    ],
)
def test_what_is_not_followed_says_why(change, why):
    graph = trace(network(change))
    assert [why in node.opaque for node in graph.opaque] == [True]
    assert not made_by(graph, "a")[0].prunable
