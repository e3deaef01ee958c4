"""The refit on networks of every kind: what others can make up for is not lost."""

import keras
import numpy as np
import pytest
from graph.oracle import scramble
from keras import layers
from refit.zoo import MODELS

import tfprune
from tfprune.graph import trace
from tfprune.refit import LayerwiseRefit, Network, cut_and_refit
from tfprune.refit.measure import clearly_worse, likeness
from tfprune.refit.selection import channel_rows
from tfprune.refit.sites import find_sites


def inputs_for(model, count=256, seed=0):
    """Return random inputs, some of whose values go together."""
    rng = np.random.default_rng(seed)

    def one(shape):
        shape = tuple(shape[1:])
        low = rng.normal(size=(count, 6)) @ np.random.default_rng(7).normal(size=(6, int(np.prod(shape)))) / 3
        return (low.reshape(count, *shape) + 0.3 * rng.normal(size=(count, *shape))).astype("float32")

    if getattr(model, "inputs", None):
        return keras.tree.map_structure(lambda x: one(x.shape), model._inputs_struct)
    return one((None, 10))


def doubled(make):
    """Return a model in which every other channel of each group does what its neighbour does."""
    keras.utils.set_random_seed(0)
    model = scramble(make())
    graph = trace(model)
    reads = {}
    for site in find_sites(graph):
        reads.setdefault(id(site.form.kernel), []).append(site)
    for group in graph.prunable:
        half = group.size // 2
        for entry in group.slices:
            sites = reads.get(id(entry.variable), ())
            if any(channel_rows(site, entry.axis, entry.positions) is not None for site in sites):
                continue
            values = np.moveaxis(entry.variable.numpy(), entry.axis, 0)
            values[entry.positions[half : 2 * half]] = values[entry.positions[:half]]
            entry.variable.assign(np.moveaxis(values, 0, entry.axis))
    return model


def outputs(model, x):
    return [np.asarray(y, dtype=np.float64) for y in keras.tree.flatten(model(x))]


def distance(left, right):
    return max(np.square(a - b).sum() / np.square(a - a.mean(axis=0)).sum() for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_channels_that_repeat_others_go_without_loss(name):
    model = doubled(MODELS[name])
    x = inputs_for(model)
    before = outputs(model, x)
    small = tfprune.prune_filters(model, 0.5, data=x, verbose=0)
    alone = tfprune.prune_filters(model, 0.5, data=x, refit=False, verbose=0)
    assert small.count_params() < 0.75 * model.count_params()
    error = distance(before, outputs(small, x))
    assert error < (0.03 if name == "transformer" else 2e-3), error  # nothing can make up for sizes of queries and keys
    assert error < 0.05 * distance(before, outputs(alone, x))
    for old, new in zip(before, outputs(model, x), strict=True):
        np.testing.assert_array_equal(old, new)  # the given model is untouched


@pytest.mark.parametrize("name", MODELS)
def test_a_refit_on_one_half_of_the_data_helps_on_the_other(name):
    keras.utils.set_random_seed(1)
    model = scramble(MODELS[name]())
    seen, unseen = inputs_for(model, 512, seed=1), inputs_for(model, 128, seed=2)
    wanted = outputs(model, unseen)
    plan = tfprune.plan_filters(model, tfprune.Budget(macs=0.6), data=seen)
    result = plan.repair()
    assert plan.after.macs <= 0.6 * plan.before.macs
    assert all(fit.after <= fit.before for fit in result.layers)
    assert result.after.error < result.before.error
    assert distance(wanted, outputs(result.model, unseen)) < distance(wanted, outputs(plan.apply(), unseen))


@pytest.mark.parametrize("name", ["residual", "mobile", "dense_blocks", "transformer"])
def test_the_choice_beats_magnitude(name):
    keras.utils.set_random_seed(2)
    model = scramble(MODELS[name]())
    x = inputs_for(model, 512, seed=3)
    budget = tfprune.Budget(macs=0.6)
    best = tfprune.plan_filters(model, budget, data=x).repair().after.error
    plain = tfprune.plan_filters(model, budget, data=x, criterion="magnitude")
    assert best < plain.repair().after.error


def test_what_is_left_is_plain_keras_that_can_be_saved_and_trained(tmp_path):
    model = MODELS["residual"]()
    model.compile("sgd", "mse")
    x = inputs_for(model, 64)
    small = tfprune.prune_filters(model, tfprune.Budget(macs=0.5), data=x, verbose=0)
    small.save(tmp_path / "small.keras")
    again = keras.saving.load_model(tmp_path / "small.keras")
    np.testing.assert_allclose(again(x), small(x), atol=1e-6)
    assert all(len(layer._inbound_nodes) == 1 for layer in small.layers)
    assert {type(layer).__module__.split(".")[0] for layer in small.layers} == {"keras"}
    small.fit(x, np.zeros((64, 5)), verbose=0)


def test_sums_after_shortcuts_are_what_they_were():
    model = doubled(MODELS["residual"])
    x = inputs_for(model)
    graph = trace(model)
    sites = [site for site in find_sites(graph) if site.total is not None]
    assert len(sites) == 4
    assert all(site.norm is not None for site in sites)
    teacher = Network(graph)
    student = Network(graph)
    early = student.operations[id(graph.nodes[0].operation)]
    early.kernel.assign(early.kernel.numpy() * 0.5)  # an error that no single layer can undo, but each can lessen
    refit = LayerwiseRefit(graph, graph.cut([]), teacher, student, [x])
    refit.sites = [site for site in refit.sites if site.total is not None]
    refit._pending = {site.position for site in refit.sites}
    asked = refit.is_correctable
    refit.is_correctable = lambda site: corrected.append(asked(site)) or corrected[-1]
    corrected = []
    for fit in refit.run():
        assert fit.after < fit.before
    assert corrected == [True, True, False, True]  # of two layers that are added to each other, the later one


def test_a_bias_that_a_layer_lacks_goes_into_the_normalisation():
    x = inputs = keras.Input((5,))
    x = layers.Dense(6, name="first")(x)
    x = layers.BatchNormalization(name="norm")(layers.Dense(4, use_bias=False, name="second")(x))
    model = scramble(keras.Model(inputs, x))
    data = inputs_for(model, 300)
    graph = trace(model)
    student = Network(graph)
    first, norm = student.model.get_layer("first"), student.model.get_layer("norm")
    first.bias.assign(first.bias.numpy() + 1)
    refit = LayerwiseRefit(graph, graph.cut([]), Network(graph), student, [data], ridge=1e-8)
    refit.sites = [site for site in refit.sites if site.name.endswith("second")]
    (fit,) = refit.run()
    assert fit.before > 0.1
    assert fit.after < 1e-6
    assert distance(outputs(model, data), outputs(student.model, data)) < 1e-6
    assert np.abs(norm.moving_mean.numpy() - model.get_layer("norm").moving_mean.numpy()).max() > 0.1


def test_little_memory_gives_the_same_weights():
    model = doubled(MODELS["mobile"])
    x = inputs_for(model, 200)
    plan = tfprune.plan_filters(model, 0.5, data=x)
    results = [plan.repair(memory=memory).model for memory in (2**30, 1000)]
    for left, right in zip(*(result.weights for result in results), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)


def test_shared_layers_are_left_as_they_are():
    shared = layers.Dense(8, activation="relu", name="shared")
    x = inputs = keras.Input((8,))
    x = layers.Dense(8, activation="relu", name="inner")(shared(shared(x)))
    model = scramble(keras.Model(inputs, layers.Dense(2)(x)))
    result = tfprune.plan_filters(model, 0.25, data=inputs_for(model)).repair()
    assert "shared" not in {fit.name for fit in result.layers}
    assert {"inner", "dense"} <= {fit.name.split("_")[0] for fit in result.layers}


def test_masks_go_along():
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(20, 8, mask_zero=True)(inputs)
    x = layers.Dense(16, activation="relu")(layers.Dense(16, activation="relu")(x))
    x = layers.GlobalAveragePooling1D()(x)
    model = scramble(keras.Model(inputs, layers.Dense(3)(x)))
    tokens = np.random.default_rng(0).integers(0, 20, (300, 6))
    tokens[:, 4:] = 0
    result = tfprune.plan_filters(model, 0.3, data=tokens).repair()
    wanted = outputs(model, tokens)
    assert result.after.error < result.before.error
    same = cut_and_refit(trace(model), [], [tokens.astype("int32")])
    assert distance(wanted, outputs(same.model, tokens)) < 1e-6


def test_recurrent_channels_are_not_predicted():
    x = inputs = keras.Input((6, 4))
    x = layers.Dense(12, activation="relu", name="front")(x)
    x = layers.LSTM(8, name="lstm")(x)
    model = scramble(keras.Model(inputs, layers.Dense(2)(x)))
    plan = tfprune.plan_filters(model, tfprune.Budget(macs=0.9), data=inputs_for(model))
    assert plan.after.macs <= 0.9 * plan.before.macs
    assert plan.predicted["lstm"] == 0 or plan.predicted["lstm"] >= 1e6
    assert np.isfinite(outputs(plan.repair().model, inputs_for(model))[0]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"criterion": "obs"}, "needs data"),
        ({"scope": "greedy"}, "greedy"),
        ({"data": np.zeros((5, 7))}, "shape"),
        ({"data": np.zeros((0, 12, 12, 3))}, "empty"),
        ({"data": np.full((20, 12, 12, 3), np.nan)}, "NaN"),
        ({"data": np.zeros((5, 12, 12, 3)), "samples": 0}, "samples is 0"),
        ({"refit": True}, "needs data"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(arguments, message):
    model = MODELS["plain"]()
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(tfprune.InputError, match=message):
        tfprune.prune_filters(model, tfprune.Budget(macs=0.5), verbose=0, **arguments)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_few_samples_warn_and_give_a_model_that_works():
    model = MODELS["plain"]()
    x = inputs_for(model, 4)
    with pytest.warns(UserWarning, match="more unknowns than rows"):
        small = tfprune.prune_filters(model, tfprune.Budget(macs=0.5), data=x, verbose=0)
    assert np.isfinite(outputs(small, x)[0]).all()


def test_constant_data_give_finite_weights():
    model = MODELS["residual"]()
    x = np.ones((64, 8, 8, 3), "float32")
    small = tfprune.prune_filters(model, tfprune.Budget(macs=0.5), data=x, verbose=0)
    assert np.isfinite(outputs(small, x)[0]).all()


@pytest.mark.parametrize("form", ["array", "labelled", "dataset", "batches"])
def test_data_are_whatever_fit_takes(form, capsys):
    import tensorflow as tf

    model = MODELS["plain"]()
    x, y = inputs_for(model, 96), np.arange(96) % 5
    data = {
        "array": x,
        "labelled": (x, y),
        "dataset": tf.data.Dataset.from_tensor_slices((x, y)).batch(32),
        "batches": [x[:48], x[48:]],
    }[form]
    small = tfprune.prune_filters(model, tfprune.Budget(macs=0.7), data=data)
    printed = capsys.readouterr().out
    assert small.count_params() < model.count_params()
    assert "samples it has not seen" in printed
    assert ("accuracy on 12 held-out samples" in printed) == (form == "labelled")


def test_the_same_seed_gives_the_same_model():
    model = doubled(MODELS["residual"])
    x = inputs_for(model)
    left, right = (tfprune.prune_filters(model, 0.5, data=x, seed=3, verbose=0) for _ in range(2))
    for a, b in zip(left.weights, right.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("granularity", ["weight", "2:4", (1, 4), "filter"])
@pytest.mark.parametrize("name", ["plain", "mobile", "transformer"])
def test_what_is_left_makes_up_for_single_weights(name, granularity):
    keras.utils.set_random_seed(3)
    models = [scramble(MODELS[name]()) for _ in range(2)]
    seen, unseen = inputs_for(models[0], 512, seed=1), inputs_for(models[0], 128, seed=2)
    wanted = outputs(models[0], unseen)
    amount = 0.5
    plain = tfprune.prune(models[0], amount, granularity=granularity)
    fitted = tfprune.prune(models[1], amount, granularity=granularity, refit=seen)
    assert fitted.sparsity == plain.sparsity
    assert distance(wanted, outputs(models[1], unseen)) < distance(wanted, outputs(models[0], unseen))
    assert "samples it has not seen" in str(fitted)
    for left, right in zip(models[0].trainable_weights, models[1].trainable_weights, strict=True):
        if len(left.shape) > 1:
            np.testing.assert_array_equal(left.numpy() == 0, right.numpy() == 0)  # the same weights are zero


def test_data_for_a_refit_are_checked_before_anything_is_pruned():
    model = MODELS["plain"]()
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(tfprune.InputError, match="shape"):
        tfprune.prune(model, 0.5, refit=np.zeros((4, 3)))
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_greedy_with_the_order_of_another_criterion():
    keras.utils.set_random_seed(3)
    model = scramble(MODELS[next(iter(MODELS))]())
    x = inputs_for(model)
    budget = tfprune.Budget(macs=0.6)
    plan = tfprune.plan_filters(model, budget, data=x, criterion="magnitude", scope="greedy")
    layer = tfprune.plan_filters(model, budget, data=x, criterion="magnitude", scope="layer")
    assert plan.after.macs <= 0.6 * plan.before.macs
    assert sum(plan.predicted.values()) > 0
    for one, other in zip(plan.groups, layer.groups, strict=True):
        few, many = sorted([one.keep, other.keep], key=np.count_nonzero)
        assert not (few & ~many).any()  # the same order in each group
    assert plan.repair().after.error <= layer.repair().after.error


def test_what_is_worse_by_chance_only_is_kept():
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=(128, 4))
    old = wanted + rng.normal(size=wanted.shape) * 0.3
    heavy = wanted + rng.normal(size=wanted.shape) * 0.1
    heavy[5] += 3.5  # one sample carries the error
    assert likeness([wanted], [heavy]).error > likeness([wanted], [old]).error
    assert not clearly_worse([wanted], [old], [heavy])
    assert clearly_worse([wanted], [heavy], [wanted + 0.5])
    assert clearly_worse([wanted], [old], [wanted * np.nan])
    assert not clearly_worse([wanted], [wanted], [wanted + 1e-5])
