"""`tfprune.factorize`: exact at full rank on whole networks, within a budget near and smaller, plain Keras after."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune import Budget
from tfprune.errors import InputError
from tfprune.factorization import FORMS, Factorization, Spatial, factorizations
from tfprune.factorization.geometry import geometry_of


def residual(width=16, classes=4):
    inputs = keras.Input((12, 12, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same", use_bias=False)(inputs)))
    for number in range(2):
        y = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"a{number}")(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"b{number}")(y))
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Dense(24, activation="relu", name="hidden")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(classes, activation="softmax", name="scores")(x))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
            layer.moving_mean.assign(rng.normal(size=layer.moving_mean.shape) * 0.1)
    return model


def transformer():
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(20, 16, name="words")(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8, name="attention")(x, x))
    y = layers.Dense(48, activation="gelu", name="wide")(x)
    x = layers.LayerNormalization()(x + layers.EinsumDense("abc,cd->abd", (6, 16), bias_axes="d", name="narrow")(y))
    return keras.Model(inputs, layers.Dense(3, name="scores")(layers.GlobalAveragePooling1D()(x)))


def images(count=128, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 12, 12, 3)).astype("float32")


def tokens(count=128):
    return np.random.default_rng(0).integers(0, 20, (count, 6)).astype("int32")


def error(model, other, x):
    a, b = (m.predict(x, verbose=0) for m in (model, other))
    return float(np.square(a - b).sum() / np.square(a - a.mean(axis=0)).sum())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("refit", [False, True])
def test_full_rank_changes_nothing(form, refit):
    """Also when it is refitted: the least error is none."""
    model, x = residual(), images()
    per_layer = {}
    for layer in model.layers:
        geometry = geometry_of(layer) if layer.weights else "none"
        chosen = factorizations.get(form)
        if not isinstance(geometry, str) and chosen.check(geometry) is None:
            per_layer[layer] = (form, chosen.full(geometry))
    plan = tfprune.plan_factorization(model, per_layer=per_layer, data=x)
    made = plan.repair().model if refit else plan.apply()
    assert len(plan.factorized) == len(per_layer) > 0
    assert error(model, made, images(32, 1)) < 1e-6


@pytest.mark.parametrize("bound", ["macs", "params", "bytes"])
def test_a_budget_is_met_exactly_as_predicted(bound):
    model = residual()
    budget = Budget(**{bound: 0.5})
    plan = tfprune.plan_factorization(model, budget, data=images())
    made = plan.apply()
    assert budget.met(plan.after, plan.before)
    again = tfprune.cost.CostModel(tfprune.graph.trace(made)).whole
    assert (again.parameters, again.bytes, again.macs) == (plan.after.parameters, plan.after.bytes, plan.after.macs)
    assert made.count_params() == plan.after.parameters


def test_refit_and_data_bring_it_nearer():
    model, x, held = residual(), images(512), images(64, 1)
    made = {
        "weights": tfprune.factorize(model, Budget(macs=0.4), form="spatial", verbose=0),
        "whitened": tfprune.factorize(model, Budget(macs=0.4), form="spatial", data=x, refit=False, verbose=0),
        "refitted": tfprune.factorize(model, Budget(macs=0.4), form="spatial", data=x, verbose=0),
    }
    errors = {name: error(model, one, held) for name, one in made.items()}
    assert errors["refitted"] < errors["whitened"]
    assert errors["refitted"] < 0.7 * errors["weights"]


def test_mixed_forms_are_predicted_no_worse_than_one():
    model, x = residual(), images()
    mixed = tfprune.plan_factorization(model, Budget(macs=0.5), data=x)
    for form in ("spatial", "channel_out", "tucker"):
        one = tfprune.plan_factorization(model, Budget(macs=0.5), form=form, data=x)
        assert sum(mixed.predicted.values()) <= sum(one.predicted.values()) * 1.01


def test_a_transformer():
    model, x = transformer(), tokens()
    plan = tfprune.plan_factorization(model, Budget(params=0.7), data=x)
    told = {layer.path: layer.reason for layer in plan.layers}
    assert "MultiHeadAttention has no factor form" in told["attention"]
    made = plan.repair().model
    assert made.count_params() <= 0.7 * model.count_params()
    assert error(model, made, tokens()[:32]) < 0.2


def test_one_rank_for_all_layers():
    model = residual()
    small = tfprune.factorize(model, rank=4, verbose=0)
    kernels = {layer.name: layer.kernel.shape for layer in small.layers if hasattr(layer, "kernel")}
    assert kernels["a0_factor_1"] == (3, 1, 16, 4)
    assert kernels["a0"] == (1, 3, 4, 16)
    assert kernels["hidden_factor_1"] == (16, 4)
    half = tfprune.factorize(model, rank=0.25, skip=["hidden"], verbose=0)
    assert half.get_layer("a0_factor_1").filters == 12
    assert half.get_layer("hidden").kernel.shape == (16, 24)


def test_what_does_not_pay_stays_and_is_told():
    model = residual()
    plan = tfprune.plan_factorization(model, rank=1.0)
    reasons = {layer.path: layer.reason for layer in plan.layers}
    assert plan.factorized == ()
    assert all("costs no less" in reason for reason in reasons.values())
    text = tfprune.plan_factorization(model, Budget(macs=0.9), layers=["a0", "a1"])
    assert {layer.path: layer.reason for layer in text.layers}["hidden"] == "not chosen"
    assert "layers factorised" in str(text)


def test_shared_layers_are_factorised_once():
    inputs = keras.Input((8,))
    shared = layers.Dense(8, name="shared", activation="tanh")
    model = keras.Model(inputs, layers.Dense(2)(shared(shared(inputs))))
    made = tfprune.factorize(model, per_layer={"shared": 8}, verbose=0)
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    np.testing.assert_allclose(made.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
    assert sum(layer.name.startswith("shared") for layer in made.layers) == 2


def test_nested_and_several_outputs():
    inner = keras.Sequential(
        [keras.Input((8, 8, 4)), layers.Conv2D(8, 3, activation="relu", name="conv")], name="inner"
    )
    inputs = keras.Input((8, 8, 4), name="image")
    x = layers.GlobalAveragePooling2D()(inner(inputs))
    outputs = {"a": layers.Dense(2, name="a")(x), "b": layers.Dense(3, name="b")(x)}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss={"a": "mse", "b": "mse"})
    made = tfprune.factorize(model, Budget(macs=0.6), verbose=0)
    found = made.predict(np.ones((2, 8, 8, 4), "float32"), verbose=0)
    assert {name: value.shape for name, value in found.items()} == {"a": (2, 2), "b": (2, 3)}
    made.fit(np.ones((4, 8, 8, 4)), {"a": np.ones((4, 2)), "b": np.ones((4, 3))}, verbose=0)
    assert made.count_params() < model.count_params()


def test_with_shrink_in_either_order():
    model, x = residual(), images()
    small = tfprune.prune_filters(model, Budget(macs=0.7), data=x, verbose=0)
    both = tfprune.factorize(small, Budget(macs=0.7), data=x, verbose=0)
    assert both.count_params() < small.count_params() < model.count_params()
    first = tfprune.factorize(model, Budget(macs=0.7), data=x, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        then = tfprune.prune_filters(first, Budget(macs=0.7), data=x, verbose=0)
    assert then.count_params() < first.count_params() < model.count_params()
    assert all(np.isfinite(one.predict(x, verbose=0)).all() for one in (both, then))


def test_zero_channels_stay_zero_and_can_be_taken_out_afterwards():
    model = residual()
    tfprune.prune(model, 0.5, granularity="filter")
    dead = tfprune.shrink(model)
    made = tfprune.shrink(tfprune.factorize(model, Budget(macs=0.7), form="spatial", verbose=0))
    assert made.count_params() < tfprune.factorize(model, Budget(macs=0.7), form="spatial", verbose=0).count_params()
    assert made.get_layer("a0").filters == dead.get_layer("a0").filters


def test_factors_can_be_pruned_by_weights_while_training():
    model = tfprune.factorize(residual(), Budget(macs=0.6), verbose=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(
        images(64), np.arange(64) % 4, epochs=2, verbose=0,
        callbacks=[tfprune.PruneCallback(0.5, verbose=0)],
    )  # fmt: skip
    assert 0.45 < float(np.mean(model.get_layer("a0").kernel.numpy() == 0)) < 0.55


def test_it_loads_where_tfprune_is_not_installed(tmp_path, run_python):
    model, x = residual(), images(8)
    small = tfprune.factorize(model, Budget(macs=0.5), verbose=0)
    small.save(tmp_path / "small.keras")
    np.save(tmp_path / "x.npy", x)
    code = """
import sys
sys.modules["tfprune"] = None
import keras, numpy as np
folder = sys.argv[1]
model = keras.models.load_model(folder + "/small.keras")
print(repr(float(np.abs(model.predict(np.load(folder + "/x.npy"), verbose=0)).sum())))
"""
    found = float(run_python(code, str(tmp_path), warm="bare").stdout.split()[-1])
    assert found == pytest.approx(float(np.abs(small.predict(x, verbose=0)).sum()), rel=1e-5)


def test_a_form_of_ones_own():
    from dataclasses import dataclass

    @factorizations.register("half_spatial")
    @dataclass(frozen=True)
    class HalfSpatial(Spatial):
        def full(self, geometry):
            return (super().full(geometry)[0] // 2,)

    assert isinstance(factorizations.get("half_spatial"), Factorization)
    made = tfprune.factorize(residual(), Budget(macs=0.6), form="half_spatial", verbose=0)
    assert made.get_layer("a0").kernel.shape[:2] in ((1, 3), (3, 3))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Nothing says how far to go; give a budget such as .* rank=.* energy=.* per_layer="),
        ({"rank": 0}, "int from 1"),
        ({"budget": 0.5}, "Budget"),
        ({"budget": Budget(macs=0.5), "rank": 3}, "either a budget"),
        ({"budget": Budget(macs=1e-6)}, "can't be met"),
        ({"budget": Budget(macs=0.5), "form": "spatal"}, "Did you mean 'spatial'"),
        ({"rank": 4, "layers": ["nothing"]}, "no layer 'nothing'"),
        ({"rank": 4, "layers": [layers.ReLU]}, "No layer of"),
        ({"per_layer": {"a0": 1000}}, "whose full rank is"),
        ({"per_layer": {"a0": ("svd", 2)}}, "has no form Svd"),
        ({"rank": 4, "refit": True}, "needs data"),
        ({"budget": Budget(macs=0.5), "data": np.zeros((4, 5, 5, 3), "float32")}, "shape"),
        ({"budget": Budget(macs=0.5), "data": np.full((4, 12, 12, 3), np.nan, "float32")}, "finite"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(options, said):
    model = residual()
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(InputError, match=said):
        tfprune.factorize(model, verbose=0, **options)
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_it_says_what_it_does(capsys):
    model, x = residual(), images()
    tfprune.factorize(model, Budget(macs=0.5), data=(x, np.zeros(len(x), int)), verbose=2)
    text = capsys.readouterr().out
    for part in ("layers factorised", "predicted error", "refit of", "held-out samples", "becomes"):
        assert part in text
