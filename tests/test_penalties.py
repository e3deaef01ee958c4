"""Penalties: the published formulas, with gradients that are finite everywhere."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support import small_model

from tfprune import Budget, penalties
from tfprune.cost import CostModel
from tfprune.errors import InputError, SparsityError
from tfprune.graph import Slice, trace
from tfprune.penalties import L1, L2, GroupLasso, Growing, Slimming, SparseGroupLasso, Weights
from tfprune.pruning.channels.matrices import as_matrix
from tfprune.pruning.regularization import Regularization, Setting

RNG = np.random.default_rng(5)
CHANNELS = {
    "output": [RNG.normal(size=(4, 9)), RNG.normal(size=(4, 2))],
    "scale": [RNG.normal(size=(4, 1))],
    "pass": [RNG.normal(size=(4, 1))],
    "input": [RNG.normal(size=(4, 12))],
}
LEAVING = np.array([True, False, False, True])
KERNEL = {"kernel": [RNG.normal(size=(3, 3, 2, 4))]}


def norms(matrices):
    return np.linalg.norm(np.concatenate([m for own in matrices.values() for m in own], axis=1), axis=1)


def absolute(matrices):
    return sum(np.abs(m).sum() for own in matrices.values() for m in own)


CASES = [
    (L1(), "kernels", KERNEL, absolute),
    (L2(), "kernels", KERNEL, lambda m: np.square(m["kernel"][0]).sum()),
    (GroupLasso(), "channels", CHANNELS, lambda m: np.sqrt(25) * norms(m).sum()),
    (Slimming(), "channels", CHANNELS, lambda m: np.abs(m["scale"][0]).sum()),
    (Growing(), "channels", CHANNELS, lambda m: 0.5 * np.square(norms(m))[LEAVING].sum()),
    (SparseGroupLasso(0.3), "channels", CHANNELS, lambda m: 0.3 * np.sqrt(25) * norms(m).sum()),
    (SparseGroupLasso(0.3), "kernels", KERNEL, lambda m: 0.7 * absolute(m)),
]


@pytest.mark.parametrize(("penalty", "kind", "matrices", "formula"), CASES)
def test_formula_and_gradient(penalty, kind, matrices, formula):
    tensors = {role: [tf.constant(m) for m in own] for role, own in matrices.items()}
    flat = [tensor for own in tensors.values() for tensor in own]
    with tf.GradientTape() as tape:
        tape.watch(flat)
        value = penalty(Weights(kind, tensors, LEAVING))
    assert float(value) == pytest.approx(formula(matrices), rel=1e-12)
    gradients = tape.gradient(value, flat, unconnected_gradients="zero")
    arrays = [m for own in matrices.values() for m in own]
    for array, gradient in zip(arrays, gradients, strict=True):
        for index in list(np.ndindex(array.shape))[::3]:
            before, step = array[index], 1e-6
            array[index] = before + step
            above = formula(matrices)
            array[index] = before - step
            below = formula(matrices)
            array[index] = before
            assert float(gradient[index]) == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("penalty", [GroupLasso(), SparseGroupLasso()])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_gradient_at_a_channel_of_zeros_is_zero(penalty, jit_compile):
    values = tf.Variable(np.array([[0.0, 0.0], [3.0, 4.0], [1e-30, 0.0]], dtype="float32"))

    @tf.function(jit_compile=jit_compile)
    def gradient_of():
        with tf.GradientTape() as tape:
            value = penalty(Weights("channels", {"output": [values]}))
        return tape.gradient(value, values)

    gradient = gradient_of().numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).all()


@pytest.mark.parametrize(
    "positions",
    [
        [[0], [1], [2], [3], [4], [5]],
        [[2], [3], [4]],
        [[0, 1], [2, 3], [4, 5]],
        [[0, 3], [1, 4], [2, 5]],
        [[1, 3], [2, 4]],
        [[4], [0], [2]],
        [[0, 2], [0, 5]],
    ],
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_matrices_hold_what_the_slice_says(positions, axis):
    shape = [2, 3, 4]
    shape[axis] = 6
    variable = keras.Variable(np.arange(np.prod(shape), dtype="float32").reshape(shape))
    positions = np.array(positions)
    expected = np.moveaxis(variable.numpy(), axis, 0)[positions].reshape(len(positions), -1)
    with tf.GradientTape() as tape:
        matrix = as_matrix(Slice(variable, axis, positions, "output"))
        total = tf.reduce_sum(matrix)
    np.testing.assert_array_equal(matrix, expected)
    counts = np.bincount(positions.reshape(-1), minlength=6)
    gradient = np.moveaxis(tf.convert_to_tensor(tape.gradient(total, variable.value)).numpy(), axis, 0)
    np.testing.assert_array_equal(gradient, np.broadcast_to(counts[:, None, None], gradient.shape))


def test_half_precisions_are_summed_in_float32():
    variable = keras.Variable(np.full((2, 40_000), 2.0), dtype="float16")
    value = L2()(Weights("kernels", {"kernel": [as_matrix(Slice(variable, 0, np.arange(2)[:, None], "output"))]}))
    assert float(value) == 320_000.0


def test_channels_that_a_residual_connection_adds_are_one():
    x = inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(5, 3, padding="same", name="stem")(x)
    y = layers.Conv2D(3, 3, padding="same", activation="relu", name="inner")(x)
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(5, 1, use_bias=False, name="outer")(y))
    x = layers.Flatten()(layers.MaxPooling2D(4)(layers.Add()([x, y])))
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    model.set_weights([RNG.normal(size=w.shape) for w in model.weights])
    made = {layer.name: layer for layer in model.layers}
    together = [
        made["stem"].kernel.numpy().reshape(-1, 5).T,
        made["stem"].bias.numpy()[:, None],
        made["outer"].kernel.numpy().reshape(-1, 5).T,
        made["norm"].gamma.numpy()[:, None],
        made["norm"].beta.numpy()[:, None],
        made["inner"].kernel.numpy().transpose(2, 0, 1, 3).reshape(5, -1),
        made["head"].kernel.numpy().reshape(4, 5, 2).transpose(1, 0, 2).reshape(5, -1),
    ]
    joined = np.concatenate(together, axis=1)
    regularization = Regularization(model, Setting(GroupLasso()), layers=["stem"])
    assert [part.size for part in regularization.parts] == [5]
    assert regularization.value() == pytest.approx(joined.shape[1] ** 0.5 * np.linalg.norm(joined, axis=1).sum(), 1e-5)
    assert Regularization(model, Setting("slimming")).value() == pytest.approx(np.abs(together[3]).sum(), 1e-6)


def test_growing_takes_the_least_channels_or_meets_a_budget():
    model = small_model()
    regularization = Regularization(model, Setting(Growing(0.5)))
    assert {name: len(gone) for name, gone in regularization.leaving.items()} == {
        "stem": 3,
        "pointwise": 6,
        "hidden": 10,
    }
    kernel = model.get_layer("hidden").kernel
    kernel.assign(kernel * np.where(np.arange(20) < 10, 0.01, 1.0))
    assert Regularization(model, Setting(Growing(0.5)), layers=["hidden"]).leaving == {"hidden": list(range(10))}
    leaving = Regularization(model, Setting(Growing(Budget(macs=0.3), scope="global"))).leaving
    graph = trace(model)
    gone = [label for name, numbers in leaving.items() for label in graph.group(name).labels[numbers]]
    costs = CostModel(graph)
    assert 0.2 * costs.whole.macs < costs.cost(graph.kept(gone)).macs <= 0.3 * costs.whole.macs


def test_the_factor_of_growing():
    paper = Growing(delta=1e-4, every=5)
    assert [paper.factor(step, 10**6) for step in (0, 4, 5, 10**6)] == [1e-4, 1e-4, 2e-4, 1.0]
    fitted = [Growing(ceiling=2.0).factor(step, 400) for step in range(400)]
    assert fitted == sorted(fitted)
    assert fitted[0] == pytest.approx(2.0 / 30)
    assert fitted[280] < fitted[290] == fitted[-1] == 2.0, "after three quarters"
    assert Growing().factor(25, None) == pytest.approx(3e-4)


@pytest.mark.parametrize(
    "penalty", [L1(), L2(), GroupLasso(), Slimming(), SparseGroupLasso(0.2), Growing(Budget(macs=0.4), "l2", "global")]
)
def test_config_round_trips(penalty):
    config = json.loads(json.dumps(penalties.serialize(penalty)))
    assert penalties.get(config) == penalty
    assert type(penalty).from_config(penalty.get_config()) == penalty


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: penalties.get("group_laso"), "Did you mean 'group_lasso'"),
        (lambda: penalties.get("magnitude"), "'slimming'"),
        (lambda: SparseGroupLasso(1.5), r"in \[0, 1\]"),
        (lambda: Growing(1.0), r"in \(0, 1\)"),
        (lambda: Growing(every=0), "int from 1"),
        (lambda: Growing(delta=-1.0), "above 0"),
        (lambda: Growing(ceiling=float("inf")), "above 0"),
        (lambda: Growing(criterion="magnitud"), "'magnitude'"),
        (lambda: Setting(Growing("half")), "fraction of channels"),
        (lambda: Setting(strength=-1.0, penalty="l1"), "a number from 0"),
        (lambda: Setting("l1", lambda progress: "much"), r"strength\(0\) is 'much'"),
        (lambda: Setting("l1", begin=0.5, end=0.2), "before it begins"),
        (lambda: Setting("l1", begin=1.5), "fraction of training"),
        (lambda: Setting("l1", granularity="weight"), '"filter" or "head"'),
    ],
)
def test_bad_arguments_are_refused_at_once(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_models_without_what_a_penalty_is_about():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="only"), layers.Softmax()])
    with pytest.raises(InputError, match=r"Slimming\(\) needs channels that go through a BatchNormalization"):
        Regularization(model, Setting("slimming"))
    assert [part.name for part in Regularization(model, Setting("l1")).parts] == ["only/kernel"]
    small = small_model()
    small.get_layer("hidden").kernel.assign(np.full(small.get_layer("hidden").kernel.shape, np.nan))
    with pytest.raises(SparsityError, match="not finite"):
        Regularization(small, Setting("l1"))
