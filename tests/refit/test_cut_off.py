"""Outputs that an activation cuts off: only to stay cut off is asked of them, and the error behind it falls."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops
from support import examples

from tfprune.graph import trace
from tfprune.refit import LayerwiseRefit, Network
from tfprune.refit.sites import find_sites
from tfprune.refit.targets import Rows

INF = np.inf


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(0.0, INF), (0.0, 6.0), (-1.0, 1.0)]))
def test_excused_targets_bound_the_error_behind_the_activation(seed, bounds):
    rng = np.random.default_rng(seed)
    targets, made = rng.normal(size=(2, 1, 20, 3)) * 4
    slope = rng.choice([-2.0, 0.5, 1.0], size=(1, 1, 3)) * np.ones((1, 20, 1))
    enters = slope * targets + rng.normal(size=(1, 1, 3))
    asked = Rows(np.zeros((1, 20, 1)), targets, enters, slope).excused(made, bounds)
    entering = enters + slope * (made - targets)
    behind = np.abs(np.clip(entering, *bounds) - np.clip(enters, *bounds))
    missing = np.abs(slope * (made - asked))
    assert (missing >= behind - 1e-9).all()
    off = (enters <= bounds[0]) | (enters >= bounds[1])
    there = (enters <= bounds[0]) & (entering <= bounds[0]) | (enters >= bounds[1]) & (entering >= bounds[1])
    np.testing.assert_allclose(missing[there], 0, atol=1e-9)
    np.testing.assert_allclose(asked[~off], targets[~off])


def test_a_channel_that_enters_nothing_is_left_as_it_is():
    rows = Rows(np.zeros((1, 2, 1)), np.ones((1, 2, 1)), -np.ones((1, 2, 1)), np.zeros((1, 2, 1)))
    np.testing.assert_array_equal(rows.excused(np.full((1, 2, 1), 5.0), (0.0, INF)), 1.0)


def bounds_in(make):
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, layers.Flatten()(make(inputs)))
    return [site.bounds for site in find_sites(trace(model))]


@pytest.mark.parametrize(
    ("make", "bounds"),
    [
        (lambda x: layers.Conv2D(3, 1, activation="relu")(x), (0.0, INF)),
        (lambda x: layers.ReLU(6.0)(layers.Conv2D(3, 1)(x)), (0.0, 6.0)),
        (lambda x: layers.ReLU(negative_slope=0.1)(layers.Conv2D(3, 1)(x)), None),
        (lambda x: layers.Activation("relu6")(layers.BatchNormalization()(layers.Conv2D(3, 1)(x))), (0.0, 6.0)),
        (lambda x: ops.relu(layers.Conv2D(3, 1)(x)), (0.0, INF)),
        (lambda x: ops.hard_tanh(layers.Conv2D(3, 1)(x)), (-1.0, 1.0)),
        (lambda x: ops.silu(layers.Conv2D(3, 1)(x)), None),
        (lambda x: layers.Conv2D(3, 1)(x), None),
        (lambda x: ops.relu(x + layers.Conv2D(3, 1)(x)), (0.0, INF)),
    ],
)
def test_where_an_activation_cuts_off(make, bounds):
    assert bounds_in(make) == [bounds]


def test_what_is_read_elsewhere_too_is_not_excused():
    def make(x):
        y = layers.Conv2D(3, 1)(x)
        return layers.Add()([ops.relu(y), y])

    assert bounds_in(make) == [None]


@pytest.mark.parametrize("kind", ["fused", "normalised", "summed"])
def test_more_rounds_bring_what_comes_out_of_the_activation_nearer(kind):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12,))
    if kind == "fused":
        y = layers.Dense(24, activation="relu", name="fit")(inputs)
    else:
        y = layers.Dense(24, use_bias=kind == "summed", name="fit")(inputs)
        if kind == "normalised":
            y = layers.BatchNormalization(name="norm")(y)
        else:
            y = layers.Add()([y, layers.Concatenate()([inputs, inputs])])
        y = layers.ReLU()(y)
    model = keras.Model(inputs, y)
    if kind == "normalised":
        norm = model.get_layer("norm")
        norm.gamma.assign(np.linspace(-2, 2, 24))
        norm.beta.assign(np.linspace(-1, 1, 24))
    x = np.random.default_rng(0).normal(size=(4000, 12)).astype("float32")
    graph = trace(model)
    errors = []
    for rounds in (0, 1, 4):
        student = Network(graph)
        layer = student.operations[id(model.get_layer("fit"))]
        # half of the inputs are gone, as if the channels had been cut
        kernel = layer.kernel.numpy()
        kernel[6:] = 0
        layer.kernel.assign(kernel)
        refit = LayerwiseRefit(
            graph, graph.cut([]), Network(graph), student, [x], ridge=1e-6, rounds=rounds, keep_zeros=True
        )
        (fit,) = [fit for fit in refit.run() if fit.name.endswith("fit")]
        errors.append(float(np.square(np.asarray(student.model(x)) - np.asarray(model(x))).mean()))
        assert fit.after < fit.before
    assert errors[1] < 0.99 * errors[0]
    assert errors[2] < errors[1]
