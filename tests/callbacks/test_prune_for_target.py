"""`PruneCallback(target=…)` prunes what makes the device faster, and says why."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune import Budget, PruneCallback
from tfprune.errors import InputError
from tfprune.granularity import Filter
from tfprune.models import mobilenet_v1, small_cnn
from tfprune.targets import Target


def fit(model, **options):
    return fit_with(model, PruneCallback(options.pop("sparsity", None), **options))


def fit_with(model, callback):
    draw = np.random.default_rng(0)
    x = draw.random((48, *model.input_shape[1:])).astype("float32")
    y = draw.integers(0, model.output_shape[-1], 48)
    logits = getattr(model.layers[-1], "activation", None) is not keras.activations.softmax
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=logits))
    model.fit(x, y, epochs=2, batch_size=16, verbose=0, callbacks=[callback])
    return model


@pytest.fixture(scope="module")
def ready():
    return mobilenet_v1((32, 32, 3), 4, alpha=0.25, activation=None)


def test_single_weights_of_the_layers_whose_zeros_are_skipped(ready, capsys):
    model = fit(keras.models.clone_model(ready), target="android-cpu")
    report = tfprune.lint(model)
    assert report.engages
    assert report.sparsity == pytest.approx(0.8, abs=1e-3)
    assert not np.any(model.get_layer("conv_preds").kernel.numpy() == 0)
    told = capsys.readouterr().out
    assert "android-cpu: single weights: zeros of its 13 1 × 1 convolutions" in told
    assert "tfprune.to_tflite(model, path, sparse=True)" in told


def test_too_few_zeros_are_refused_before_training(ready):
    with pytest.raises(InputError, match=r"0.5 brings no speed on android-cpu.*more than 0.667"):
        fit(keras.models.clone_model(ready), sparsity=0.5, target="android-cpu")


def test_filters_where_zeros_are_not_skipped(capsys):
    model = fit(small_cnn(), target="android-cpu")
    small = tfprune.shrink(model)
    assert [small.get_layer(f"conv_{n}").filters for n in (1, 2, 3)] == [8, 16, 32]
    told = capsys.readouterr().out
    assert "android-cpu: zeros are not skipped, as the network has no 1 × 1 convolution" in told
    assert "a multiple of 8" in told


def test_a_target_of_ones_own_says_the_multiple():
    model = fit(
        small_cnn(widths=(32, 32)), target=Target("mine", align={"float32": 16}), granularity="filter", verbose=0
    )
    small = tfprune.shrink(model)
    assert {small.get_layer(f"conv_{n}").filters for n in (1, 2)} == {16}
    asked = fit(small_cnn(widths=(32, 32)), target="x86-cpu", granularity=Filter(round_to=32), verbose=0)
    assert {tfprune.shrink(asked).get_layer(f"conv_{n}").filters for n in (1, 2)} == {32}


def test_a_budget_means_filters(capsys):
    model = fit(small_cnn(), sparsity=Budget(macs=0.5), target="arm-cpu")
    small = tfprune.shrink(model)
    assert small.count_params() < model.count_params()
    assert all(small.get_layer(f"conv_{n}").filters % 8 == 0 for n in (1, 2, 3))


@pytest.mark.parametrize("target", ["x86-cpu", "android-cpu"])
def test_blocks_where_dense_layers_do_the_work(target, capsys):
    model = keras.Sequential(
        [keras.Input((32,)), layers.Dense(64, activation="relu"), layers.Dense(64), layers.Dense(4)]
    )
    fit(model, sparsity=0.9, target=target)
    kernel = model.layers[0].kernel.numpy()
    whole = ~kernel.reshape(8, 4, 64).any(axis=1)
    assert whole.mean() == pytest.approx(0.9, abs=0.01)
    assert "fast in float32 only" in capsys.readouterr().out


def test_what_was_asked_for_is_done_with_a_note(capsys):
    model = fit(small_cnn(), sparsity=0.7, granularity="weight", target="x86-cpu")
    assert np.mean(model.get_layer("conv_2").kernel.numpy() == 0) == pytest.approx(0.7, abs=0.01)
    assert "does not make it faster there" in capsys.readouterr().out


def test_a_callback_with_a_target_survives_its_config():
    callback = PruneCallback(target="android-cpu", granularity="filter", verbose=0)
    again = PruneCallback.from_config(callback.get_config())
    assert (again.target.name, again.get_config()) == ("android-cpu", callback.get_config())
    with pytest.raises(InputError, match="Unknown target 'iphone'"):
        PruneCallback(target="iphone")


def test_a_copy_by_its_config_prunes_as_much_as_the_callback_would():
    asked = PruneCallback(None, schedule="cosine", frequency=7, target=Target("mine", align={"float32": 8}), verbose=0)
    again = PruneCallback.from_config(json.loads(json.dumps(asked.get_config())))
    assert again.target == asked.target
    fitted = fit_with(small_cnn(), again)
    assert [tfprune.shrink(fitted).get_layer(f"conv_{n}").filters for n in (1, 2, 3)] == [8, 16, 32]  # half of each
    assert (type(again.pruner.schedule).__name__, again.pruner.schedule.frequency) == ("CosineDecay", 7)
    assert again.get_config() == asked.get_config()
    half = PruneCallback(0.5, target="android-cpu", granularity="filter", verbose=0)
    assert PruneCallback.from_config(half.get_config()).get_config()["sparsity"] == 0.5
