"""Pruning in one shot: exact, seeded, in place, and nothing at all when the input is bad."""

import keras
import numpy as np
import pytest
from support import small_model, sparsity_of

import tfprune
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
    assert run_python(code, cwd=tmp_path).stdout.strip() == "0.8"


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
