"""Recipes as callbacks of one `fit`, and programmes of one's own that change rate and strategy on the way."""

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune.errors import InputError
from tfprune.recipe import Recipe

LOSS = "sparse_categorical_crossentropy"


def network():
    inputs = keras.Input((8, 8, 2))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", name="one")(inputs)))
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="two")(x)
    x = layers.Dense(12, activation="relu", name="hidden")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))
    model.compile(keras.optimizers.Adam(0.01), LOSS, metrics=["accuracy"])
    return model


def test_rate_and_strategy_change_from_stage_to_stage(data):
    x, y = data
    recipe = Recipe(
        [
            {"method": "prune", "amount": 0.4, "epochs": 2, "schedule": "cosine", "learning_rate": 0.01},
            {"method": "prune", "amount": 0.8, "epochs": 2, "criterion": "taylor", "scope": "global"},
            {"method": "fine_tune", "epochs": 2, "learning_rate": 0.001},
        ]
    )
    model, used, rates = network(), [], []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rule = prune.pruner.source.rule
            used.append((logs["sparsity"], type(rule.criterion).__name__, type(rule.scope).__name__))
            rates.append(float(model.optimizer.learning_rate))

    callbacks = recipe.callbacks((x, y))
    prune = callbacks[0]
    model.fit(x, y, batch_size=16, epochs=6, shuffle=False, verbose=0, callbacks=[*callbacks, Look()])
    sparsities = [one[0] for one in used]
    assert sparsities[11] == pytest.approx(0.4, abs=0.04)
    assert sparsities == sorted(sparsities)
    assert sparsities[-1] == pytest.approx(0.8, abs=1e-3)
    assert [one[1:] for one in (used[5], used[20])] == [("Magnitude", "Layer"), ("Taylor", "Global")]
    assert rates[0] == pytest.approx(0.01)
    assert rates[12] == pytest.approx(rates[20])  # as it is
    assert rates[24] == pytest.approx(0.001)
    assert rates[-1] < 0.0001
    kernels = [model.get_layer(name).kernel.numpy() for name in ("two", "hidden")]
    zeros = sum(np.count_nonzero(k == 0) for k in kernels) / sum(k.size for k in kernels)
    assert zeros == pytest.approx(0.8, abs=2e-3)


def test_gates_penalties_and_factors_in_one_fit(data):
    x, y = data
    recipe = Recipe(
        [
            {"method": "gate", "budget": "macs=0.6", "epochs": 2, "refit": False},
            {"method": "regularise", "penalty": "l2", "epochs": 1, "strength": 1e-4},
            {"method": "factorise", "rank": 0.5, "layers": "two", "epochs": 1},
        ]
    )
    model = network()
    callbacks = recipe.callbacks()
    names = [type(one).__name__ for one in callbacks]
    assert names == ["GateCallback", "RegularizeCallback", "FactorizeCallback"]
    assert callbacks[0].end == pytest.approx(0.75 * 0.5)
    history = model.fit(x, y, epochs=8, verbose=0, callbacks=callbacks).history
    assert history["expected_macs"][-1] <= 0.6


def test_a_programme_prunes_slower_while_the_loss_rises(data):
    x, y = data
    seen = []

    def careful(step, metrics):
        seen.append((step, dict(metrics)))
        return {"sparsity": min(0.02 * len(seen), 0.3)} if metrics.get("val_loss", 0) < 100 else None

    model = network()
    callback = tfprune.PruneCallback(0.9, program=careful, verbose=0)
    history = model.fit(x, y, batch_size=16, epochs=6, validation_split=0.25, verbose=0, callbacks=[callback]).history
    assert history["sparsity"][-1] == pytest.approx(
        0.3, abs=2e-3
    )  # what it asked for last, not what the schedule ends at
    assert seen[0][1] == {"progress": 0.0}
    assert {"loss", "accuracy", "sparsity", "val_loss", "progress"} <= set(seen[-1][1])
    steps = [step for step, _ in seen]
    assert steps == sorted(set(steps))


def test_a_programme_that_says_nothing_changes_nothing(data):
    x, y = data
    weights = []
    for program in (None, lambda step, metrics: None):
        keras.utils.set_random_seed(0)
        model = network()
        callback = tfprune.PruneCallback(0.7, program=program, verbose=0)
        model.fit(x, y, epochs=3, shuffle=False, verbose=0, callbacks=[callback])
        weights.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (lambda *_: {"sparsty": 0.5}, "Did you mean 'sparsity'"),
        (lambda *_: {"sparsity": 1.5}, "program's sparsity"),
        (lambda *_: 0.5, "return a dict"),
        (lambda *_: {"criterion": "magnitud"}, "Did you mean 'magnitude'"),
        (lambda *_: {"criterion": "taylor"}, "data"),
    ],
)
def test_bad_programmes(program, text, data):
    with pytest.raises(InputError, match=text):
        network().fit(*data, verbose=0, callbacks=[tfprune.PruneCallback(program=program, verbose=0)])
    with pytest.raises(InputError, match="program is 3"):
        tfprune.PruneCallback(program=3)


def test_a_constant_schedule_prunes_at_once(data):
    model = network()
    callbacks = Recipe([{"method": "prune", "amount": 0.5, "schedule": "constant", "refit": False}]).callbacks()
    history = model.fit(*data, verbose=0, callbacks=callbacks).history
    assert history["sparsity"] == [pytest.approx(0.5, abs=0.01)]


def test_the_seed_of_the_recipe_is_that_of_its_callbacks(data):
    every = [
        {"method": "gate"}, {"method": "prune", "criterion": "random", "refit": False}, {"method": "regularize"},
        {"method": "factorize", "epochs": 1, "rank": 0.5},
    ]  # fmt: skip
    assert {callback.seed for callback in Recipe(every, seed=7).callbacks(data) if hasattr(callback, "seed")} == {7}


def test_a_rate_over_a_schedule_of_the_optimizer_is_refused(data):
    model = network()
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.01, 10)), LOSS)
    with pytest.raises(InputError, match="so does a schedule of the optimizer"):
        model.fit(*data, verbose=0, callbacks=Recipe([{"method": "fine_tune", "learning_rate": 0.1}]).callbacks())


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([{"method": "shrink"}], "tfprune.compress"),
        ([{"method": "prune", "epochs": 0}], "tfprune.compress"),
        ([{"method": "distil"}], "has a teacher"),
        ([{"method": "fine_tune"}, {"method": "gate"}], "put the gate stage first"),
        ([{"method": "prune"}, {"method": "prune", "granularity": "filter"}], "prune the same"),
        ([{"method": "prune"}, {"method": "quantize", "epochs": 1}], "run the recipe by tfprune.compress"),
        (
            [
                {"method": "prune", "granularity": "filter", "budget": "macs=0.9"},
                {"method": "prune", "granularity": "filter"},
            ],
            "go by amounts",
        ),
    ],
)
def test_what_one_fit_can_not_do(given, text):
    with pytest.raises(InputError, match=text):
        Recipe(given).callbacks()
