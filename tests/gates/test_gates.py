"""Gates: their chance and slopes, that what they hide is as good as cut, and what a network is expected to cost."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from support import examples

import tfprune
from tfprune import Budget
from tfprune.cost import CostModel
from tfprune.errors import InputError
from tfprune.gates import Bernoulli, GateTraining, Gumbel, HardConcrete, gates
from tfprune.gates.multiply import Gated, Multiplied
from tfprune.gates.pressure import Pressure
from tfprune.graph import trace

KINDS = ("hard_concrete", "sigmoid", "gumbel")


@pytest.mark.parametrize("name", KINDS)
def test_gates_open_as_often_as_the_closed_form_says(name):
    gate = gates.get(name)
    logits = np.linspace(-4, 4, 17)
    chance = np.random.default_rng(0).uniform(size=(200_000, 1)) + np.zeros(17)
    open_part = (gate.draw(logits, chance)[0] > 0).mean(axis=0)
    p = gate.opening(logits)[0]
    assert np.abs(open_part - p).max() < 4 * np.sqrt(0.25 / 200_000)


@settings(max_examples=examples(40), deadline=None)
@given(st.sampled_from(KINDS), st.floats(-5, 5), st.floats(0.01, 0.99))
def test_slopes_are_those_of_the_formulas(name, logit, u):
    gate, h = gates.get(name), 1e-5
    at = np.array([logit - h, logit + h])
    p, slope = gate.opening(np.array([logit]))
    assert slope[0] == pytest.approx(np.diff(gate.opening(at)[0])[0] / (2 * h), rel=1e-3, abs=1e-8)
    values, along = gate.draw(np.array([logit]), np.array([u]))
    assert 0 <= values[0] <= 1
    assert 0 <= gate.settled(np.array([logit]))[0] <= 1
    if name == "hard_concrete" and 0.01 < values[0] < 0.99:
        moved = gate.draw(at, np.array([u, u]))[0]
        assert along[0] == pytest.approx(np.diff(moved)[0] / (2 * h), rel=1e-2, abs=1e-7)
    if name == "sigmoid":
        assert along[0] == pytest.approx(p[0] * (1 - p[0]))
    if name == "gumbel":  # the slope of the soft choice
        s = 1 / (1 + np.exp(-(np.log(u / (1 - u)) + logit) / gate.temperature))
        assert along[0] == pytest.approx(s * (1 - s) / gate.temperature, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: HardConcrete(gamma=0.1), "gamma below 0"),
        (lambda: Gumbel(temperature=0), "temperature is 0"),
        (lambda: gates.get("hard_concret"), "Did you mean"),
    ],
)
def test_bad_gates(make, text):
    with pytest.raises(InputError, match=text):
        make()


@pytest.mark.parametrize("gate", [HardConcrete(beta=0.5), Bernoulli(), Gumbel(temperature=1.0)])
def test_configs_make_the_same_gate(gate):
    assert gates.deserialize(gates.serialize(gate)) == gate


def plain():
    inputs = keras.Input((8, 8, 2))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", name="one")(inputs)))
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Conv2D(12, 1, activation="relu", name="two")(x)
    x = layers.Dense(10, activation="relu")(layers.Flatten()(layers.MaxPooling2D(4)(x)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def residual():
    inputs = keras.Input((8, 8, 2))
    x = layers.ReLU()(layers.Conv2D(8, 3, padding="same", name="stem")(inputs))
    for number in range(3):
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(6, 3, padding="same", name=f"a{number}")(x)))
        y = layers.BatchNormalization(name=f"n{number}")(layers.Conv2D(8, 3, padding="same", name=f"b{number}")(y))
        x = layers.ReLU()(layers.Add(name=f"add{number}")([x, y]))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def recurrent():
    inputs = keras.Input((8, 8, 2))
    x = layers.Reshape((8, 16))(inputs)
    x = layers.LSTM(10, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(6))(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Dense(8, activation="relu")(x)))


def transformer():
    inputs = keras.Input((8, 8, 2))
    x = layers.Dense(12)(layers.Reshape((8, 16))(inputs))
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 3, name="attention")(x, x))
    x = x + layers.Dense(12)(layers.Dense(20, activation="gelu", name="up")(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.Sequential([layers.Conv2D(8, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()])
        self.second = layers.Conv2D(6, 3, activation="relu")
        self.head = layers.Dense(3, activation="softmax")

    def call(self, x, training=False):
        return self.head(keras.ops.mean(self.second(self.first(x, training=training)), axis=(1, 2)))


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 8, 8, 2)))
    return model


CASES = [
    (plain, "filter"), (residual, "filter"), (residual, "layer"), (recurrent, "filter"), (transformer, "filter"),
    (transformer, "head"), (subclassed, "filter"), (plain, "weight"), (recurrent, "weight"),
]  # fmt: skip
IDS = [f"{make.__name__}-{granularity}" for make, granularity in CASES]


def shaken(model):
    """Give normalisations statistics of their own, and biases values."""
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if weight.name in ("gamma", "beta", "bias", "moving_mean"):
            weight.assign(weight.numpy() + 0.3 * rng.normal(size=weight.shape))
    return model


@pytest.mark.parametrize(("make", "granularity"), CASES, ids=IDS)
def test_slopes_are_those_of_the_loss_along_the_gates(make, granularity, data):
    x, y = data[0][:16], data[1][:16]
    model = shaken(make())
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    training = GateTraining(model, 0.5, granularity=granularity)
    training.start()
    multiplied, count = training._multiplied, training.behind.count
    values = np.random.default_rng(0).uniform(0.3, 1, count)

    def loss(at):
        multiplied.assign(at)
        return float(model.compute_loss(x, y, model(x, training=False)))

    multiplied.assign(values)
    with tf.GradientTape() as tape:
        made = model.compute_loss(x, y, model(x, training=False))
    kernels = tape.gradient(made, model.trainable_variables)
    assert all(np.isfinite(g).all() for g in kernels if g is not None)
    slopes = multiplied.take_slopes()
    assert not multiplied.take_slopes().any()  # taken
    way = np.random.default_rng(1).normal(size=count)
    way /= np.linalg.norm(way)
    h = 2e-2
    measured = (loss(values + h * way) - loss(values - h * way)) / (2 * h)
    assert slopes @ way == pytest.approx(measured, rel=0.03, abs=2e-4)
    biggest = int(np.abs(slopes).argmax())
    one = np.zeros(count)
    one[biggest] = h
    assert slopes[biggest] == pytest.approx((loss(values + one) - loss(values - one)) / (2 * h), rel=0.03, abs=2e-4)
    training.detach()


@pytest.mark.parametrize(("make", "granularity"), CASES, ids=IDS)
def test_gated_is_folded_is_shrunk(make, granularity, data):
    """With gates anywhere between open and closed: multiplied in, and cut, the network computes the same."""
    x = data[0][:16]
    model = shaken(make())
    whole = model.predict(x, verbose=0)
    training = GateTraining(model, 0.5, granularity=granularity)
    training.start()
    assert np.allclose(model(x), whole, atol=1e-6)  # all open
    training.logits = np.random.default_rng(0).normal(size=training.behind.count)
    kept = training.behind.choose(training.logits)
    values = np.where(kept, np.maximum(training.gate.settled(training.logits), 0.05), 0.0)
    training._multiplied.assign(values)
    gated = np.asarray(model(x))
    assert np.abs(gated - whole).max() > 1e-3
    training.decide()
    assert np.array_equal(training.kept, kept)
    np.testing.assert_allclose(model(x), gated, atol=1e-5)
    training.finish()
    assert not any("call" in vars(layer) for layer in model._flatten_layers())
    np.testing.assert_allclose(model(x), gated, atol=1e-5)
    small = tfprune.shrink(model)
    np.testing.assert_allclose(small(x), gated, atol=1e-5)
    if granularity != "weight":
        assert small.count_params() < model.count_params()


@pytest.mark.parametrize("bound", ["macs", "params"])
@pytest.mark.parametrize("part", [0.2, 0.35, 0.5, 0.65])
@pytest.mark.parametrize("make", [plain, residual])
def test_the_budget_is_met_within_one_channel(make, part, bound):
    model = make()
    training = GateTraining(model, Budget(**{bound: part}))
    training.start()
    training.logits = np.random.default_rng(0).normal(size=training.behind.count)
    left = training.decide()[bound]
    training.finish()
    before, after = (CostModel(trace(one)).whole for one in (model, tfprune.shrink(model)))
    name = {"macs": "macs", "params": "parameters"}[bound]
    assert getattr(after, name) / getattr(before, name) == pytest.approx(left, abs=1e-9)
    graph = training.behind.graph
    kept = graph.kept(training.behind._labels[~training.kept])
    largest = max(CostModel(graph).shares(kept)[name][group.labels].max() for group in training.behind.groups)
    assert part - 1.5 * largest / getattr(before, name) < left <= part


@pytest.mark.parametrize("make", [plain, residual, recurrent])
def test_the_expected_cost_is_the_mean_over_drawn_networks(make):
    training = GateTraining(make(), Budget(macs=0.5, params=0.5))
    behind = training.behind
    p = np.random.default_rng(0).uniform(0.2, 1, behind.count)
    wanted, slopes = behind.expected(p)
    drawn = np.random.default_rng(1).uniform(size=(600, behind.count)) < p
    costs = [behind.costs.cost(behind.graph.kept(behind._labels[~row])) for row in drawn]
    whole = behind.costs.whole
    assert np.mean([c.macs for c in costs]) / whole.macs == pytest.approx(wanted["macs"], rel=0.03)
    assert np.mean([c.parameters for c in costs]) / whole.parameters == pytest.approx(wanted["params"], rel=0.03)
    way, h = np.random.default_rng(2).normal(size=behind.count), 1e-4
    for name in ("macs", "params"):
        measured = (behind.expected(p + h * way)[0][name] - behind.expected(p - h * way)[0][name]) / (2 * h)
        assert slopes[name] @ way == pytest.approx(measured, rel=1e-4)


def test_budgets_of_latency(kernels_of_eight):
    model = residual()
    training = GateTraining(model, Budget(latency=0.6))
    behind = training.behind
    p = np.random.default_rng(0).uniform(0.4, 1, behind.count)
    value, slopes = behind.expected(p)
    assert 0.2 < value["latency"] < 1.0
    assert behind.expected(np.ones(behind.count))[0]["latency"] == pytest.approx(1.0)
    way, h = np.random.default_rng(2).normal(size=behind.count), 1e-3
    measured = (behind.expected(p + h * way)[0]["latency"] - behind.expected(p - h * way)[0]["latency"]) / (2 * h)
    assert slopes["latency"] @ way == pytest.approx(measured, rel=0.15)
    training.start()
    assert training.decide()["latency"] <= 0.6
    training.finish()


def test_a_kernel_with_gates_along_two_axes():
    """Both are multiplied in, and each has the slopes of the product."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, use_bias=False)])
    kernel = model.layers[0].kernel
    gated = [Gated(kernel, np.array([[0], [1], [2]])), Gated(kernel, np.array([[3, 4]]))]
    multiplied = Multiplied(model, gated, 5, tf.distribute.get_strategy())
    multiplied.attach()
    z, x = np.array([0.5, 1.0, 0.25, 2.0, 0.75]), np.ones((1, 3), "float32")
    multiplied.assign(z)
    with tf.GradientTape() as tape:
        made = tf.reduce_sum(model(x))
    tape.gradient(made, kernel.value)
    w = kernel.numpy()
    product = w * z[:3, None] * z[None, 3:]
    assert float(made) == pytest.approx(product.sum(), rel=1e-5)
    wanted = np.concatenate([(w * z[None, 3:]).sum(axis=1), (w * z[:3, None]).sum(axis=0)])
    np.testing.assert_allclose(multiplied.take_slopes(), wanted, rtol=1e-5)
    multiplied.fold()
    multiplied.detach()
    np.testing.assert_allclose(kernel, product, rtol=1e-5)


def test_pressure_rises_until_a_bound_is_met_and_starts_over():
    pressure = Pressure({"macs": 0.5}, rate=0.1, quadratic=0.0)
    slopes = {"macs": np.ones(3)}
    pushes = [float(pressure.press({"macs": 1.0}, slopes, 1.0)[0]) for _ in range(3)]
    assert pushes == pytest.approx([0.05, 0.10, 0.15])
    assert pressure.press({"macs": 0.4}, slopes, 1.0).tolist() == [0, 0, 0]
    assert pressure.multipliers["macs"] == 0.0
    assert pressure.press({"macs": 1.0}, slopes, 0.0).tolist() == [0, 0, 0]  # the target has not come down yet
    assert Pressure({"macs": 0.5}, rate=0.0, quadratic=2.0).press({"macs": 0.8}, slopes, 1.0)[0] == pytest.approx(0.6)


def test_what_layers_add_to_the_loss_is_added_once():
    """Also by layers within a layer of one's own, which run among gates."""

    @keras.saving.register_keras_serializable("test_gates")
    class Penalised(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = layers.Dense(6, activity_regularizer=keras.regularizers.L2(0.1), name="inner")
            self.norm = layers.BatchNormalization(momentum=0.5)

        def build(self, shape):
            self.inner.build(shape)
            self.norm.build((None, 6))

        def call(self, x, training=False):
            x = self.norm(self.inner(x), training=training)
            self.add_loss(0.01 * keras.ops.sum(keras.ops.square(x)))
            return x

    inputs = keras.Input((4,))
    x = Penalised()(layers.Dense(5, activation="relu")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    model(x, training=True)
    wanted = [float(loss) for loss in model.losses]
    mean = model.layers[2].norm.moving_mean.numpy()
    training = GateTraining(model, 0.5, granularity="weight", layers=["penalised/inner"])
    training.start()
    model.layers[2].norm.moving_mean.assign(np.zeros(6))
    model(x, training=True)
    assert sorted(float(loss) for loss in model.losses) == pytest.approx(sorted(wanted), rel=1e-5)
    np.testing.assert_allclose(model.layers[2].norm.moving_mean, mean, atol=1e-6)  # written in spite of the gates
    training.detach()


def test_what_can_not_be_gated():
    for options, text in [
        ({"granularity": "2:4"}, "no gates for"),
        ({"granularity": "layer"}, "no residual blocks"),
        ({"granularity": "weight", "amount": Budget(macs=0.5)}, "single weights"),
        ({"amount": 1.5}, "fraction that closes"),
        ({"amount": Budget(macs=0.0001)}, "can't be met"),
        ({"layers": ["on"]}, "on"),
    ]:
        with pytest.raises(InputError, match=text):
            GateTraining(plain(), **{"amount": 0.5, **options})
    training = GateTraining(plain(), 0.5)
    for call in (training.draw, training.learn, training.decide, training.finish):
        with pytest.raises(InputError, match="call start"):
            call()
