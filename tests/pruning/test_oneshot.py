"""Pruning in one shot: exact, seeded, in place, and nothing at all when the input is bad."""

import keras
import numpy as np
import pytest
from support import small_model, sparsity_of

import tfprune
from tfprune import Budget
from tfprune.errors import InputError, SparsityError


def test_prune_is_exact_and_spares_the_rest():
    model = small_model()
    before = [np.asarray(w) for w in model.weights]
    result = tfprune.prune(model, 0.75)
    assert result.sparsity == 0.75
    assert sparsity_of(model.get_layer("pointwise")) == pytest.approx(54 / 72)
    assert sparsity_of(model.get_layer("hidden")) == 0.75
    changed = [w.path for w, old in zip(model.weights, before, strict=True) if not np.array_equal(w, old)]
    assert changed == ["pointwise/kernel", "hidden/kernel"]
    hidden, old = np.asarray(model.get_layer("hidden").kernel), before[-4]
    assert np.abs(old[hidden == 0]).max() <= np.abs(old[hidden != 0]).min()
    assert "stem/kernel: skipped, first layer" in str(result)


def test_threshold():
    model = small_model()
    kernel = np.asarray(model.get_layer("hidden").kernel)
    tfprune.prune(model, threshold=0.05, layers=["hidden"])
    np.testing.assert_array_equal(model.get_layer("hidden").kernel, np.where(np.abs(kernel) >= 0.05, kernel, 0))


def test_prune_layer_prunes_whatever_layer_it_is_given():
    lstm = keras.layers.LSTM(8)
    lstm.build((None, 5, 4))
    assert tfprune.prune_layer(lstm, 0.5).sparsity == 0.5
    assert sparsity_of(lstm.cell.kernel) == 0.5
    dense = keras.layers.Dense(8)
    dense.build((None, 16))
    result = tfprune.prune_layer(dense, granularity="2:4", amount=0.5)
    assert result.sparsity == 0.5
    assert (np.count_nonzero(np.asarray(dense.kernel).reshape(4, 4, 8), axis=1) == 2).all()


def lstm():
    layer = keras.layers.LSTM(8, name="recurrent")
    layer.build((None, 5, 4))
    return layer


def dense(name="hidden"):
    layer = keras.layers.Dense(8, name=name)
    layer.build((None, 16))
    return layer


@pytest.mark.parametrize("prune", [tfprune.prune_layer, tfprune.random_prune])
def test_the_second_argument_may_be_the_name_of_a_weight(prune):
    assert prune(dense(), "kernel", amount=0.5).kernels[0].zeros == 64
    assert prune(dense(), "kernel", 0.5).kernels[0].zeros == 64
    assert prune(dense(), name="kernel", amount=0.5).kernels[0].zeros == 64
    assert prune(dense(), 0.5).kernels[0].zeros == 64
    layer = lstm()
    result = prune(layer, "recurrent_kernel", amount=0.5)
    assert sparsity_of(layer.cell.recurrent_kernel) == 0.5
    assert sparsity_of(layer.cell.kernel) == 0
    assert [kernel.path.rsplit("/", 1)[-1] for kernel in result.kernels] == ["recurrent_kernel"]


def test_a_name_chooses_among_the_kernels_of_a_model():
    model = keras.Sequential([keras.Input((5, 4)), keras.layers.Dense(4), keras.layers.LSTM(8, name="recurrent"),
                              keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)])  # fmt: skip
    tfprune.random_prune(model, "recurrent_kernel", amount=0.5)
    assert sparsity_of(model.get_layer("recurrent").cell.recurrent_kernel) == 0.5
    assert sparsity_of(model.get_layer("recurrent").cell.kernel) == 0
    assert sparsity_of(model.get_layer("hidden")) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tfprune.prune_layer(dense(), "kernle", 0.5), "has no weight 'kernle'. Did you mean 'kernel'"),
        (lambda: tfprune.random_prune(dense(), "weight", 0.5), "'hidden' has no weight 'weight'. Allowed: 'kernel'"),
        (lambda: tfprune.random_prune(dense(), "bias", amount=0.5), "biases are not pruned. Allowed: 'kernel'"),
        (lambda: tfprune.prune_layer(lstm(), "bias", amount=0.5), "biases are not pruned. .*'recurrent_kernel'"),
        (lambda: tfprune.prune_layer(small_model().get_layer("norm"), "gamma", amount=0.5), "normalisation"),
        (lambda: tfprune.prune_layer(dense(), 0.5, 0.6), "give one amount"),
        (lambda: tfprune.prune_layer(dense(), "kernel"), "Give one of amount"),
        (lambda: tfprune.random_prune(small_model(), "kernel", 0.5, granularity="filter"), "name none"),
    ],
)
def test_names_that_do_not_stand_for_a_kernel(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("prune", [tfprune.prune_layer, tfprune.random_prune])
@pytest.mark.parametrize("amount", [0, 1, 20, np.int64(77), 127])
def test_an_int_is_a_number_of_weights(prune, amount):
    layer = dense()
    assert prune(layer, "kernel", amount=amount).kernels[0].zeros == amount
    assert np.count_nonzero(layer.kernel) == 128 - amount


def test_an_int_is_of_all_kernels_together_with_global_scope():
    model = small_model()
    result = tfprune.prune(model, 1001, scope="global")
    assert sum(kernel.zeros for kernel in result.kernels) == 1001
    layer = lstm()
    assert sum(kernel.zeros for kernel in tfprune.prune_layer(layer, 33, scope="global").kernels) == 33
    assert tfprune.prune_layer(lstm(), "kernel", 33).kernels[0].zeros == 33
    assert tfprune.prune(small_model(), 33, layers=["hidden"]).kernels[0].zeros == 33


def test_an_int_is_a_number_of_filters():
    conv = keras.layers.Conv2D(12, 3)
    conv.build((None, 8, 8, 4))
    tfprune.prune_layer(conv, 5, granularity="filter")
    assert np.count_nonzero(np.any(np.asarray(conv.kernel), axis=(0, 1, 2))) == 7
    model = small_model()
    tfprune.prune(model, 9, granularity="filter", layers=["hidden"])
    assert tfprune.shrink(model).get_layer("hidden").units == 11


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tfprune.prune_layer(dense(), 128), "amount is 128 weights of 128, .* an int below 128"),
        (lambda: tfprune.random_prune(dense(), "kernel", 1000), "amount is 1000 weights of 128"),
        (lambda: tfprune.prune_layer(dense(), -1), "amount is -1"),
        (lambda: tfprune.prune_layer(dense(), amount=True), "amount is True"),
        (lambda: tfprune.prune_layer(dense(), 8, granularity="filter"), "amount is 8 filters of 8"),
        (lambda: tfprune.prune_layer(dense(), 8, granularity=(1, 4)), "give a fraction"),
        (lambda: tfprune.prune_layer(lstm(), 8), "from 2 places; give scope='global'"),
        (lambda: tfprune.prune(small_model(), 8, scope="isomorphic"), "from 2 places"),
        (lambda: tfprune.prune(small_model(), 8, scope="global", per_layer={"hidden": 0.5}), "give fractions for all"),
    ],
)
def test_numbers_that_there_are_not_or_that_are_not_clear(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_pattern_needs_no_amount():
    model = small_model()
    tfprune.prune(model, granularity="1:4")
    kernel = np.asarray(model.get_layer("hidden").kernel)
    assert (np.count_nonzero(kernel.reshape(48, 4, 20), axis=1) == 1).all()
    assert tfprune.prune_layer(dense(), granularity="2:4").sparsity == 0.5


def test_per_layer_without_an_amount_prunes_only_these_layers():
    model = small_model()
    result = tfprune.prune(model, per_layer={"hidden": 0.75, "stem": 0.5})
    assert {kernel.path: kernel.sparsity for kernel in result.kernels} == {"stem/kernel": 0.5, "hidden/kernel": 0.75}
    assert sparsity_of(model.get_layer("pointwise")) == 0
    assert "pointwise/kernel: skipped, not chosen" in str(result)
    model = small_model()
    tfprune.prune(model, per_layer={"hidden": 0.75}, granularity="filter")
    small = tfprune.shrink(model)
    assert (small.get_layer("hidden").units, small.get_layer("pointwise").filters) == (5, 12)


def test_a_layer_in_its_model_can_be_judged_by_data(data):
    model, whole = small_model(), small_model()
    whole.set_weights(model.get_weights())
    layer = model.get_layer("hidden")
    result = tfprune.prune_layer(layer, "kernel", 0.5, criterion="taylor", model=model, data=data)
    tfprune.prune(whole, 0.5, criterion="taylor", data=data, layers=["hidden"])
    assert [kernel.path for kernel in result.kernels] == ["hidden/kernel"]
    for one, other in zip(model.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sparsity_of(layer) == 0.5


def test_a_filter_criterion_on_a_single_layer():
    conv = keras.layers.Conv2D(6, 3, name="conv")
    conv.build((None, 8, 8, 4))
    kernel = np.asarray(conv.kernel)
    kernel[..., [1, 4]] = kernel[..., [0, 3]] * 1.001 + kernel.mean(axis=-1, keepdims=True)  # near to the others
    conv.kernel.assign(kernel)
    filters = kernel.reshape(-1, 6).T
    scores = [sum(np.linalg.norm(one - other) for other in filters) for one in filters]
    tfprune.prune_layer(conv, 0.5, granularity="filter", criterion="fpgm")
    gone = np.flatnonzero(~np.any(np.asarray(conv.kernel), axis=(0, 1, 2)))
    assert sorted(gone) == sorted(np.argsort(scores)[:3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tfprune.prune_layer(dense(), 0.5, criterion="taylor"), r"tfprune.prune\(model, 0.5, layers=\[layer\]"),
        (lambda: tfprune.prune_layer(dense(), 0.5, criterion="wanda", data=np.ones((4, 16))), "model=model, data="),
        (lambda: tfprune.prune_layer(dense(), 0.5, criterion="taylor", model=small_model()), "not part of this model"),
        (lambda: tfprune.prune_layer(dense(), 0.5, criterion="fpgm"), "give granularity='filter'"),
        (
            lambda: tfprune.prune_layer(dense(), 0.5, granularity="filter", criterion="bn_scale"),
            r"looks at the scale of channels.*call tfprune.prune\(model, 0.5, granularity='filter', layers=",
        ),
        (lambda: tfprune.prune_layer(dense(), threshold=5.0), "above every score in hidden/kernel"),
        (
            lambda: tfprune.prune(small_model(), Budget(macs=0.5)),
            r"call tfprune.prune_filters\(model, Budget\(macs=0.5",
        ),
        (lambda: tfprune.prune(small_model(), sparsity=0.5), r"prune\(\) has no argument 'sparsity': give amount=0.5"),
        (lambda: tfprune.prune_layer(dense(), 0.5, granulrity="filter"), r"prune_layer\(\) .* 'granularity'"),
        (lambda: tfprune.random_prune(dense(), 0.5, sed=1), r"random_prune\(\) .* Did you mean 'seed'"),
        (lambda: tfprune.prune(small_model(), per_layer={"hidden": 0.75}, granularity="2:4"), "above what"),
    ],
)
def test_messages_say_what_to_call_instead(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_random_prune_follows_its_seed():
    models = [small_model() for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        assert tfprune.random_prune(model, 0.5, seed=seed).sparsity == pytest.approx(0.5, abs=1e-3)
    zeros = [np.asarray(model.get_layer("hidden").kernel) == 0 for model in models]
    assert np.array_equal(zeros[0], zeros[1])
    assert not np.array_equal(zeros[0], zeros[2])


def test_a_pruned_model_loads_where_tfprune_is_not_installed(tmp_path, run_python):
    model = small_model()
    tfprune.prune(model, 0.8)
    model.save(tmp_path / "pruned.keras")
    np.save(tmp_path / "y.npy", model.predict(np.ones((2, 8, 8, 2)), verbose=0))
    code = """
import sys
sys.modules["tfprune"] = None  # importing it would raise
import keras, numpy as np
model = keras.models.load_model("pruned.keras")
np.testing.assert_allclose(model.predict(np.ones((2, 8, 8, 2)), verbose=0), np.load("y.npy"), atol=1e-6)
print(float(np.mean(model.get_layer("hidden").kernel == 0)))
"""
    assert run_python(code, cwd=tmp_path, warm="bare").stdout.strip() == "0.8"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of amount"),
        ({"amount": 0.5, "threshold": 0.1}, "one of amount"),
        ({"amount": 1.0}, "amount is 1.0"),
        ({"amount": -0.1}, "amount is -0.1"),
        ({"amount": "half"}, "amount is 'half'"),
        ({"amount": 0.8, "granularity": "2:4"}, "above the 0.5"),
        ({"threshold": -1}, "threshold is -1"),
        ({"threshold": 1e9}, "above every score in pointwise/kernel"),
        ({"amount": 0.5, "layers": ["nope"]}, "no layer 'nope'"),
    ],
)
def test_bad_input_leaves_the_model_as_it_was(options, message):
    model = small_model()
    before = [np.asarray(w) for w in model.weights]
    with pytest.raises(InputError, match=message):
        tfprune.prune(model, **options)
    assert all(np.array_equal(w, old) for w, old in zip(model.weights, before, strict=True))


def test_non_finite_weights_are_refused_by_name_and_count():
    model = small_model()
    kernel = model.get_layer("hidden").kernel.numpy()
    kernel[0, :3] = np.nan
    model.get_layer("hidden").kernel.assign(kernel)
    pointwise = np.asarray(model.get_layer("pointwise").kernel)
    with pytest.raises(SparsityError, match=r"3 of the 3840 weights in hidden/kernel are not finite"):
        tfprune.prune(model, 0.5)
    np.testing.assert_array_equal(model.get_layer("pointwise").kernel, pointwise)


def test_a_number_of_filters_of_several_sizes_is_refused():
    with pytest.raises(InputError, match="weights each"):
        tfprune.prune_layer(lstm(), 2, granularity="filter", scope="global")
