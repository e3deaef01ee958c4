"""Whole filters, heads and residual blocks pruned inside `fit`, and taken out afterwards."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers
from support import small_model

import tfprune
from tfprune import Budget, PruneCallback
from tfprune.cost import CostModel
from tfprune.errors import InputError
from tfprune.granularity import Depth, Filter, Head
from tfprune.graph import trace
from tfprune.schedules import ConstantSparsity, PolynomialDecay


def quiet(*args, granularity="filter", **options):
    return PruneCallback(*args, granularity=granularity, verbose=0, **options)


def fit(model, data, *others, epochs=4, **options):
    return model.fit(*data, batch_size=16, epochs=epochs, verbose=0, callbacks=list(others), **options)


def residual_model(blocks=4):
    x = inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(x)
    for number in range(blocks):
        y = layers.Conv2D(6, 3, padding="same", activation="relu", name=f"inner_{number}")(x)
        y = layers.Conv2D(8, 3, padding="same", use_bias=False, name=f"outer_{number}")(y)
        y = layers.BatchNormalization(name=f"norm_{number}")(y)
        x = layers.Add(name=f"add_{number}")([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x), name="residual")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def attention_model():
    inputs = keras.Input((8, 8, 2))
    x = layers.Dense(16, name="embed")(layers.Reshape((8, 16))(inputs))
    x = layers.MultiHeadAttention(4, 6, name="attention")(x, x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(layers.Flatten()(x)))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def assert_equal_outputs(small, model, x):
    np.testing.assert_allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize("make", [small_model, residual_model])
@pytest.mark.parametrize("soft", [True, False])
def test_filters_go_and_shrink_takes_them_out(data, make, soft):
    model = make()
    history = fit(model, data, quiet(0.5, granularity=Filter(soft=soft))).history["sparsity"]
    assert history == sorted(history)
    assert history[-1] == pytest.approx(0.5, abs=0.02)
    small = tfprune.shrink(model)
    assert small.count_params() < 0.5 * model.count_params()
    assert_equal_outputs(small, model, data[0])
    assert small.compiled
    small.fit(*data, verbose=0)  # and goes on


def test_the_default_is_half_of_the_channels(data, capsys):
    model = small_model()
    model.fit(*data, verbose=0, epochs=4, callbacks=[PruneCallback(granularity="filter")])
    printed = capsys.readouterr().out
    assert "groups with 38 of 41 channels go to 50.0% sparsity" in printed
    assert "prunes stem (6), pointwise (12), hidden (20)" in printed
    assert "head: head is a softmax over all of them" in printed
    assert "50.00% of 38 channels are zero" in printed
    assert tfprune.shrink(model).get_layer("hidden").units == 10


def test_a_budget_is_met_by_the_network_that_comes_out(data):
    model = residual_model()
    whole = CostModel(trace(model)).whole
    fit(model, data, quiet(Budget(macs=0.4)))
    left = CostModel(trace(tfprune.shrink(model))).whole
    assert 0.3 * whole.macs < left.macs <= 0.4 * whole.macs


def test_counts_and_fractions_by_layer_and_multiples(data):
    model = small_model()
    fit(model, data, quiet(0.5, granularity=Filter(round_to=4), per_layer={"stem": 5, "hidden": 0.7}))
    small = tfprune.shrink(model)
    assert small.get_layer("stem").filters == 5
    assert small.get_layer("pointwise").filters == 8, "6 wanted; 4 and 8 are equally near"
    assert small.get_layer("hidden").units == 8, "6 wanted; 4 and 8 are equally near"


def test_soft_filters_may_grow_again_until_the_hold_phase(data):
    """In the ramp filters are set to zero once, and what reads them stays; at the end all of it is zero."""
    model = small_model()
    pointwise, hidden = model.get_layer("pointwise"), model.get_layer("hidden")
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((np.abs(pointwise.kernel.numpy()).sum(axis=(0, 1, 2)), np.abs(hidden.kernel.numpy()).sum(1)))

    schedule = PolynomialDecay(0.25, 0.5, begin=6, end=18, frequency=4)
    fit(model, data, quiet(schedule=schedule), Look(), epochs=4)
    ramp, end = seen[6:18], seen[-4:]
    assert all((read > 0).all() for _, read in ramp)
    assert any((made > 0).sum() > 9 for made, _ in ramp), "3 or more of 12 were set to zero, and some grew at once"
    assert all((made == 0).sum() == 6 for made, _ in end)
    assert all((read == 0).sum() == 6 * 16 for _, read in end)


def test_hard_filters_stay_zero_from_the_first_update_on(data):
    model = small_model()
    zeros = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kernel = model.get_layer("pointwise").kernel.numpy()
            zeros.append(frozenset(np.flatnonzero(np.abs(kernel).sum(axis=(0, 1, 2)) == 0).tolist()))

    fit(model, data, quiet(0.5, granularity=Filter(soft=False), frequency=3), Look())
    assert all(before <= after for before, after in itertools.pairwise(zeros))
    assert len(zeros[-1]) == 6


def test_heads_go(data):
    model = attention_model()
    fit(model, data, quiet(0.5, granularity="head"))
    small = tfprune.shrink(model)
    assert small.get_layer("attention").num_heads == 2
    assert small.get_layer("attention").key_dim == 6
    assert small.get_layer("embed").units == 16
    assert_equal_outputs(small, model, data[0])


def test_filters_leave_heads_alone(data, capsys):
    model = attention_model()
    model.fit(*data, verbose=0, epochs=4, callbacks=[PruneCallback(granularity="filter")])
    assert "heads are not asked for" in capsys.readouterr().out
    assert tfprune.shrink(model).get_layer("attention").num_heads == 4


@pytest.mark.parametrize("soft", [True, False])
def test_residual_blocks_go(data, soft):
    model = residual_model()
    history = fit(model, data, quiet(0.5, granularity=Depth(soft=soft))).history["sparsity"]
    assert history[-1] == 0.5
    small = tfprune.shrink(model)
    left = [layer.name for layer in small.layers if layer.name.startswith("inner")]
    assert len(left) == 2
    assert_equal_outputs(small, model, data[0])


def test_the_block_that_adds_least_goes(data):
    model = residual_model()
    for number in (0, 1, 3):
        model.get_layer(f"norm_{number}").gamma.assign(np.full(8, 3.0))
    fit(model, data, quiet(granularity="layer", schedule=ConstantSparsity(0.25, begin=0)))
    assert [layer.name for layer in tfprune.shrink(model).layers if "inner" in layer.name] == [
        "inner_0",
        "inner_1",
        "inner_3",
    ]


def test_what_feeds_a_layer_normalisation_is_left_alone(data, capsys):
    inputs = keras.Input((8, 8, 2))
    x = layers.LayerNormalization(name="norm")(layers.Dense(8, name="wide")(layers.Flatten()(inputs)))
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*data, verbose=0, epochs=4, callbacks=[PruneCallback(0.5, granularity="filter")])
    assert "wide: norm takes mean and variance over all of them" in capsys.readouterr().out
    small = tfprune.shrink(model)
    assert (small.get_layer("wide").units, small.get_layer("hidden").units) == (8, 3)
    assert_equal_outputs(small, model, data[0])


def test_frozen_layers_keep_their_channels(data):
    model = small_model()
    model.get_layer("pointwise").trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    fit(model, data, quiet(0.5, layers=["pointwise", "hidden", "stem"]))
    assert tfprune.shrink(model).get_layer("pointwise").filters == 12


@pytest.mark.parametrize("options", [{"steps_per_execution": 3}, {"jit_compile": True}, {"run_eagerly": True}])
def test_however_the_step_is_run(data, options):
    model = small_model(**options)
    fit(model, data, quiet(0.5))
    small = tfprune.shrink(model)
    assert small.get_layer("hidden").units == 10
    assert_equal_outputs(small, model, data[0])


def test_the_model_is_left_clean(data):
    from tfprune.pruning.mask import MaskConstraint

    model = small_model()
    fit(model, data, quiet(0.5))
    assert not any(isinstance(v.constraint, MaskConstraint) for v in model.weights)
    assert [type(layer).__module__.split(".")[0] for layer in model.layers] == ["keras"] * len(model.layers)


@pytest.mark.parametrize("granularity", [Filter(soft=False, round_to=8), Head(), Depth(soft=False)])
def test_config_round_trips(granularity):
    budget = None if isinstance(granularity, Depth) else Budget(macs=0.5)
    callback = PruneCallback(budget, granularity=granularity, verbose=0)
    again = PruneCallback.from_config(callback.get_config())
    assert again.granularity == granularity
    assert again.budget == budget
    assert again.schedule == callback.schedule


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Budget(macs=0.5),), {"granularity": "weight"}, "filter"),
        ((Budget(macs=0.5),), {"granularity": "layer"}, "filter"),
        ((0.5,), {"granularity": "filtre"}, "'filter'"),
        ((0.5,), {"granularity": Filter, "layers": ["head"]}, "no channels to prune"),
        ((0.5,), {"granularity": "layer"}, "no residual blocks"),
        ((Budget(macs=0.001),), {"granularity": "filter"}, "can't be met"),
        ((0.5,), {"granularity": "filter", "per_layer": {"hidden": 21}}, "20 channels"),
    ],
)
def test_bad_input_is_refused_before_training(data, arguments, options, message):
    model = small_model()
    before = model.get_weights()
    with pytest.raises(InputError, match=message):
        fit(model, data, PruneCallback(*arguments, verbose=0, **options))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_one_shot_in_place():
    model = small_model()
    result = tfprune.prune(model, 0.5, granularity="filter")
    assert result.sparsity == 0.5
    assert tfprune.shrink(model).get_layer("pointwise").filters == 6
    model = residual_model()
    assert tfprune.prune(model, 0.5, granularity="layer").sparsity == 0.5
    assert len(tfprune.shrink(model).layers) == len(model.layers) - 8
    with pytest.raises(InputError, match="threshold"):
        tfprune.prune(model, threshold=0.1, granularity="filter")
