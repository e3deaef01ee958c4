"""Every criterion through the public interface: weights and channels are removed, and the right ones."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from support import small_model, sparsity_of

import tfprune
from tfprune import criteria
from tfprune.criteria import Criterion, Ensemble, Gathered
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.pruning.channels.importance import channel_scores

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 8, 8, 2)).astype("float32")
Y = RNG.integers(0, 3, 24)
NAMES = [name for name in criteria.criteria.names if name not in ("gathered", "ensemble")]
OF_CHANNELS = [name for name in NAMES if not criteria.get(name).for_weights]
OF_WEIGHTS = [name for name in NAMES if criteria.get(name).for_weights]
SLOW = {"oracle"}


def model_with_norms():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 2))
    x = inputs
    for width in (6, 8):
        x = layers.Conv2D(width, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.gamma.assign(RNG.uniform(0.5, 1.5, layer.gamma.shape))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("name", [name for name in OF_WEIGHTS if name not in SLOW])
def test_every_criterion_prunes_weights(name):
    model = small_model()
    before = model.get_layer("hidden").kernel.numpy()
    result = tfprune.prune(model, 0.5, criterion=name, data=(X, Y), layers=["hidden"])
    kept = model.get_layer("hidden").kernel.numpy()
    assert result.sparsity == 0.5
    np.testing.assert_array_equal(kept[kept != 0], before[kept != 0])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SLOW])
def test_every_criterion_prunes_filters(name):
    model = model_with_norms()
    before = [w.copy() for w in model.get_weights()]
    plan = tfprune.plan_filters(model, 0.5, criterion=name, data=(X, Y), scope="layer")
    assert [group.kept for group in plan.groups if group.group.prunable] == [3, 4]
    assert plan.apply().count_params() < model.count_params()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_oracle_takes_the_filter_that_costs_least():
    model = model_with_norms()
    plan = tfprune.plan_filters(model, 0.15, criterion="oracle", data=(X, Y), scope="layer")
    (gone,) = plan.groups[0].removed
    losses = []
    for channel in range(6):
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        copy.compile(loss="sparse_categorical_crossentropy")
        for entry in trace(copy).groups[0].slices:
            if "moving" in entry.variable.name:
                continue
            values = np.moveaxis(entry.variable.numpy(), entry.axis, 0)
            values[entry.positions[channel]] = 0
            entry.variable.assign(np.moveaxis(values, 0, entry.axis))
        losses.append(copy.evaluate(X, Y, verbose=0))
    assert gone == int(np.argmin(losses))


@pytest.mark.parametrize("name", OF_CHANNELS)
def test_criteria_of_channels_say_so_when_asked_for_weights(name):
    with pytest.raises(InputError, match="scores whole channels"):
        tfprune.prune(small_model(), 0.5, criterion=name, data=(X, Y))


NEEDS = {"labels": ("taylor", "fisher", "hessian", "obd", "woodfisher", "grasp", "snip", "oracle", "movement")}
NEEDS["data"] = ("jacobian", "wanda", "obs")


@pytest.mark.parametrize("name", [*NEEDS["labels"], *NEEDS["data"]])
def test_no_data_is_refused_before_anything_changes(name):
    model = small_model()
    before = model.get_weights()
    with pytest.raises(InputError, match="needs data"):
        tfprune.prune(model, 0.5, criterion=name)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", NEEDS["labels"])
def test_no_labels_are_refused(name):
    with pytest.raises(InputError, match="needs labels, and data has none"):
        tfprune.prune(small_model(), 0.5, criterion=name, data=X)


@pytest.mark.parametrize("name", NEEDS["data"])
def test_labels_are_not_needed(name):
    model = small_model()
    tfprune.prune(model, 0.5, criterion=name, data=X)
    assert sparsity_of(model.get_layer("hidden")) == 0.5


def test_a_model_without_a_loss_is_refused():
    with pytest.raises(InputError, match="needs a loss; compile"):
        tfprune.prune(small_model(loss=None), 0.5, criterion="taylor", data=(X, Y))


def test_unknown_names_of_arguments_are_refused():
    class Wrong(Criterion):
        def score(self, weights, gradeint):
            return weights

    with pytest.raises(InputError, match="Did you mean 'gradient'"):
        tfprune.prune(small_model(), 0.5, criterion=Wrong(), data=(X, Y))


def test_scores_of_the_wrong_shape_are_refused():
    class Wrong(Criterion):
        def score(self, weights):
            return weights.sum(axis=0)

    model = small_model()
    with pytest.raises(InputError, match="gave scores of shape"):
        tfprune.prune(model, 0.5, criterion=Wrong())


def test_a_criterion_of_the_users_own():
    class FirstOrder(Criterion):
        def score(self, weights, gradient):
            return np.abs(weights * gradient)

    mine, built_in = small_model(), small_model()
    built_in.set_weights(mine.get_weights())
    tfprune.prune(mine, 0.7, criterion=FirstOrder(), data=(X, Y))
    tfprune.prune(built_in, 0.7, criterion="taylor", data=(X, Y))
    for one, other in zip(mine.get_weights(), built_in.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", criteria.criteria.names)
def test_round_trip_through_json(name):
    made = criteria.get(name)
    again = criteria.deserialize(json.loads(json.dumps(criteria.serialize(made))))
    assert again == made


def test_ensembles_and_gatherings_round_trip_nested():
    made = Ensemble([(Gathered("taylor", across="first"), 0.5), ("fpgm", 2.0)], normalise="rank")
    again = criteria.deserialize(json.loads(json.dumps(criteria.serialize(made))))
    assert again == made
    assert again.asks(channels=True) == ("weights", "gradient", "filters")


def test_an_ensemble_is_the_sum_of_its_members():
    model = model_with_norms()
    groups = list(trace(model).prunable)
    members = [channel_scores(groups, criteria.get(name)) for name in ("magnitude", "fpgm")]
    both = channel_scores(groups, Ensemble([("magnitude", 1.0), ("fpgm", 3.0)], normalise="max"))
    for one, other, sums in zip(*members, both, strict=True):
        np.testing.assert_allclose(sums, one / one.max() + 3 * other / other.max(), rtol=1e-6)


@pytest.mark.parametrize("across", ["mean", "sum", "max", "first"])
def test_gatherings(across):
    model = model_with_norms()
    group = trace(model).prunable[0]
    first, second = (np.abs(model.layers[number].kernel.numpy()) for number in (1, 4))
    each = [first.reshape(-1, 6).sum(axis=0), second.transpose(2, 0, 1, 3).reshape(6, -1).sum(axis=1)]
    wanted = {"mean": np.mean(each, 0), "sum": np.sum(each, 0), "max": np.max(each, 0), "first": each[0]}[across]
    found = channel_scores([group], Gathered("l1", within="sum", across=across, normalise="none"))[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gathered("fpgm"), "scores no single weights"),
        (lambda: Gathered("l1", within="median"), "within is 'median'"),
        (lambda: Ensemble([]), "without members"),
        (lambda: Ensemble([("l1", "much")]), "give a number"),
        (lambda: Ensemble(["l1"], normalise="best"), "normalise is 'best'"),
    ],
)
def test_combinations_that_make_no_sense(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_fpgm_knows_signs():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(4, use_bias=False), layers.Dense(1)])
    model.layers[0].kernel.assign([[1.0, 1.1, -1.0, 1.2], [0.0, 0.0, 0.0, 0.0]])
    scores = channel_scores(list(trace(model).prunable), criteria.get("fpgm"))[0]
    assert scores.argmax() == 2


def test_fpgm_compares_layers_of_different_sizes():
    model = keras.Sequential([keras.Input((64,)), layers.Dense(8), layers.Dense(32), layers.Dense(1)])
    narrow, wide = channel_scores(list(trace(model).prunable), criteria.get("fpgm"))
    assert (narrow.mean(), wide.mean()) == (pytest.approx(1.0), pytest.approx(1.0))


def test_bn_scale_without_a_scale_is_refused():
    with pytest.raises(InputError, match="go through none"):
        tfprune.plan_filters(
            keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(2)]), 0.5, criterion="bn_scale"
        )


def test_wanda_keeps_small_weights_with_large_inputs():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[2.0], [1.0]])
    x = np.array([[0.1, 5.0], [-0.1, 5.0]], "float32")
    tfprune.prune(model, 0.5, criterion="wanda", data=x, layers=[model.layers[0]])
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), [[0.0], [1.0]])


@pytest.mark.parametrize("name", ["taylor", "fisher", "wanda", "movement", "synflow"])
def test_in_the_callback(name):
    model = small_model()
    callback = tfprune.PruneCallback(0.75, criterion=name, data=(X, Y), frequency=4, layers=["hidden"], verbose=0)
    history = model.fit(X, Y, batch_size=8, epochs=6, verbose=0, callbacks=[callback])
    assert history.history["sparsity"][-1] == sparsity_of(model.get_layer("hidden")) == 0.75
    assert json.dumps(callback.get_config())


def test_movement_sums_what_training_does():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[1.0], [1.0], [3.0], [0.1]])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    x = RNG.normal(size=(256, 4)).astype("float32")
    y = x @ np.array([[2.0], [0.0], [2.5], [0.0]], "float32")  # the third is large, and shrinks
    pruner = tfprune.Pruner(model, 0.5, schedule="constant", criterion="movement", data=(x, y))
    pruner.start(total_steps=20)
    for start in range(0, 160, 8):
        model.train_on_batch(x[start : start + 8], y[start : start + 8])
        pruner._watch.look()
    sums = pruner.source.study.of_weights("movement", [model.layers[0].kernel])[0]
    pruner.detach()
    assert sums[0] > 0 > sums[1]
    assert sums[2] < 0


def test_the_last_masks_of_the_callback_are_refitted():
    keras.utils.set_random_seed(0)
    x = (RNG.normal(size=(512, 4)) @ RNG.normal(size=(4, 16))).astype("float32")
    results = {}
    for refit in (None, x):
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [keras.Input((16,)), layers.Dense(32, activation="relu"), layers.Dense(32, name="middle"), layers.Dense(1)]
        )
        model.compile(keras.optimizers.SGD(0.0), "mse")  # nothing is learned: only the masks change the outputs
        before = model.predict(x, verbose=0)
        callback = tfprune.PruneCallback(0.7, layers=["middle"], schedule="constant", refit=refit, verbose=0)
        model.fit(x, before, epochs=1, verbose=0, callbacks=[callback])
        assert abs(sparsity_of(model.get_layer("middle")) - 0.7) < 1e-3
        results[refit is not None] = float(np.square(model.predict(x, verbose=0) - before).mean())
    assert results[True] < 0.1 * results[False]


def test_scores_that_are_not_numbers_are_refused_and_nothing_is_pruned():
    class Relative(Criterion):
        def score(self, weights):
            with np.errstate(invalid="ignore"):
                return np.abs(weights / weights)

    model = small_model()
    kernel = model.get_layer("hidden").kernel
    kernel.assign(np.where(np.arange(kernel.shape[1]) == 0, 0, kernel.numpy()))
    before = kernel.numpy()
    with pytest.raises(InputError, match="that are not numbers"):
        tfprune.prune(model, 0.5, criterion=Relative())
    np.testing.assert_array_equal(kernel.numpy(), before)


def test_movement_of_half_precision_weights_is_summed_in_single_precision():
    from tfprune.statistics import Study
    from tfprune.statistics.movement import Movements

    variable = keras.Variable(np.ones(1), dtype="float16")
    movements = Movements(Study(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), None), [variable])
    for _ in range(200):
        for value in (1.001, 1.0):
            variable.assign([value])
            movements.look()
    step = float(np.float16(1.001)) - 1.0
    np.testing.assert_allclose(movements.sums([variable])[0], [-200 * step**2], rtol=1e-3)
