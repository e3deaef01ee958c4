"""What scores must not depend on: names of units, order of samples, scale of the loss, and where a scale stands."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune import criteria

RNG = np.random.default_rng(1)
X = RNG.normal(size=(48, 6)).astype("float32")
Y = RNG.integers(0, 3, 48)
UNITS = 8

NAMES = [name for name in criteria.criteria.names if name not in ("gathered", "ensemble", "oracle")]
OF_WEIGHTS = [name for name in NAMES if criteria.get(name).for_weights]
DRAWN = ("random", "hessian")
"""Scores are drawn, or are sums over drawn signs that do not belong to certain units."""

FIXED = [name for name in OF_WEIGHTS if name not in DRAWN]
OF_SAMPLES = [
    name
    for name in FIXED
    if set(criteria.get(name).asks()) - {"weights"} and name not in ("jacobian", "obd", "woodfisher")
]
"""What looks at data; the three draw signs for one sample after the other, or go through them in their order."""

GRADIENTS = ("taylor", "snip", "fisher", "hessian", "obd", "grasp", "movement")
"""Each is multiplied by a power of the loss's scale: the order stays."""

BALANCED = ("taylor", "snip", "synflow", "obd", "fisher")
"""What goes with a weight times a gradient: a factor that one layer has and the next has not is in neither's scores."""

THROUGH = ("fisher", "snip", "synflow", "taylor")
"""To these a weight is worth nothing whose unit nobody reads any more: further ones go then."""

ZERO_IS_LEAST = [name for name in FIXED if name not in ("grasp", "movement", *THROUGH)]
"""A weight that is zero is worth nothing, and all others more; the first two have scores below nought."""


def weights():
    """Return kernels and biases of a network of two layers: all units are alive, so that no scores are equal."""
    rng = np.random.default_rng(2)
    shapes = [(6, UNITS), (UNITS,), (UNITS, 3), (3,)]
    return [rng.normal(4 if shape == (UNITS,) else 0, 0.7, shape).astype("float32") for shape in shapes]


def network(values, scale=1.0):
    """Return a network with some weights, whose loss has a scale."""
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(UNITS, "relu", name="hidden"), layers.Dense(3, name="head")]
    )
    model.set_weights(values)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", lambda y, p: scale * loss(y, p))
    return model


def kept(name, values, data=(X, Y), scale=1.0, scope="layer"):
    """Return which weights of both kernels are left at half of the sparsity."""
    model = network(values, scale)
    tfprune.prune(model, 0.5, criterion=name, data=data, scope=scope)
    return model.layers[0].kernel.numpy() != 0, model.layers[1].kernel.numpy() != 0


@pytest.fixture(scope="module")
def plain():
    """What each criterion keeps, computed when it is first asked for."""
    memo = {}

    def of(name, scope="layer"):
        if (name, scope) not in memo:
            memo[name, scope] = kept(name, weights(), scope=scope)
        return memo[name, scope]

    return of


@pytest.mark.parametrize("name", FIXED)
def test_units_in_another_order(name, plain):
    order = np.random.default_rng(3).permutation(UNITS)
    hidden, bias, head, last = weights()
    first, second = kept(name, [hidden[:, order], bias[order], head[order], last])
    np.testing.assert_array_equal(first, plain(name)[0][:, order])
    np.testing.assert_array_equal(second, plain(name)[1][order])


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_samples_in_another_order(name, plain):
    order = np.random.default_rng(4).permutation(len(X))
    for one, other in zip(kept(name, weights(), (X[order], Y[order])), plain(name), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_loss_of_another_scale(name, plain):
    for one, other in zip(kept(name, weights(), scale=4.0), plain(name), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", BALANCED)
def test_a_factor_moved_from_one_layer_to_the_next(name, plain):
    hidden, bias, head, last = weights()
    moved = [hidden * 4, bias * 4, head / 4, last]
    for one, other in zip(kept(name, moved, scope="global"), plain(name, "global"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ZERO_IS_LEAST)
def test_what_is_pruned_already_is_pruned_again(name, plain):
    first = plain(name)
    hidden, bias, head, last = weights()
    again = kept(name, [np.where(first[0], hidden, 0), bias, np.where(first[1], head, 0), last])
    for one, other in zip(again, first, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["magnitude", "l2", "lamp", "synflow"])
def test_kernels_of_another_scale(name, plain):
    hidden, bias, head, last = weights()
    for one, other in zip(kept(name, [4 * hidden, bias, head / 2, last]), plain(name), strict=True):
        np.testing.assert_array_equal(one, other)
