"""FactorizeCallback: ranks fall on a schedule, model and optimizer stay, factors compute the same at the end."""

import keras
import numpy as np
import pytest
from factorization.test_network import images, residual

import tfprune
from tfprune import Budget, FactorizeCallback
from tfprune.errors import InputError


def compiled():
    model = residual()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def rank_of(kernel):
    """Rank of a kernel as the spatial form sees it."""
    h, w, c, o = kernel.shape
    values = np.linalg.svd(kernel.transpose(0, 2, 1, 3).reshape(h * c, w * o), compute_uv=False)
    return int((values > 1e-5 * values[0]).sum())


class Watch(keras.callbacks.Callback):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.ranks = layer, []

    def on_train_batch_end(self, batch, logs=None):
        self.ranks.append(rank_of(self.model.get_layer(self.layer).kernel.numpy()))


def test_ranks_fall_on_the_schedule_and_factors_compute_the_same():
    model, x = compiled(), images(64)
    options = {"layers": ["a0", "b0"], "form": "spatial", "begin": 0.25, "end": 0.75, "frequency": 1}
    callback = FactorizeCallback(rank=8, verbose=0, **options)
    watch = Watch("a0")
    model.fit(x, np.arange(64) % 4, batch_size=8, epochs=4, verbose=0, callbacks=[callback, watch])
    assert watch.ranks[:7] == [48] * 7
    assert watch.ranks[24:] == [8] * 8
    falling = watch.ranks[7:25]
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 5
    momenta = [v.numpy() for v in model.optimizer.variables if "momentum" in v.path]
    assert any(np.abs(value).max() > 0 for value in momenta)
    small = callback.factorized(optimizer=True)
    assert small.count_params() < model.count_params()
    np.testing.assert_allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-4)
    assert int(small.optimizer.iterations.numpy()) == 32
    small.fit(x, np.arange(64) % 4, verbose=0)


@pytest.mark.parametrize("data", [False, True])
def test_a_budget(data):
    model, x = compiled(), images(64)
    callback = FactorizeCallback(Budget(macs=0.6), data=x if data else None, frequency=3, verbose=0)
    model.fit(x, np.arange(64) % 4, epochs=5, verbose=0, callbacks=[callback])
    small = callback.factorized()
    cost, whole = (tfprune.cost.CostModel(tfprune.graph.trace(one)).whole for one in (small, model))
    assert cost.macs <= 0.6 * whole.macs
    np.testing.assert_allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-4)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length_and_other_optimizers():
    import tensorflow as tf

    model, x = residual(), images(64)
    model.compile("adam", "sparse_categorical_crossentropy")

    def batches():
        for start in range(0, 64, 16):
            yield x[start : start + 16], np.arange(16) % 4

    signature = (tf.TensorSpec((None, 12, 12, 3), "float32"), tf.TensorSpec((None,), "int64"))
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    callback = FactorizeCallback(energy=0.8, frequency=1, verbose=0)
    model.fit(data, epochs=4, shuffle=False, verbose=0, callbacks=[callback])
    np.testing.assert_allclose(
        callback.factorized().predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-4
    )  # fmt: skip


def test_it_learns_more_than_factorising_at_the_end():
    data = tfprune.datasets.fashion_mnist_small()
    x, y = data.x_train[:1500], data.y_train[:1500]
    losses = {}
    for name in ("while training", "at the end"):
        keras.utils.set_random_seed(3)
        model = tfprune.models.small_cnn()
        model.compile(keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=False))
        callback = FactorizeCallback(rank=0.15, frequency=5, verbose=0)
        model.fit(x, y, epochs=4, verbose=0, callbacks=[callback] if name == "while training" else [])
        small = callback.factorized() if name == "while training" else tfprune.factorize(model, rank=0.15, verbose=0)
        small.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=False))
        losses[name] = small.evaluate(x, y, verbose=0)
    assert losses["while training"] < 0.9 * losses["at the end"]


class CrashError(Exception):
    """A crash."""


def test_a_training_that_crashed_goes_on_with_the_forms_and_ranks_that_were_chosen(tmp_path):
    x = images(64)

    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise CrashError

    def train(*more):
        keras.utils.set_random_seed(0)
        model = compiled()
        backup = tfprune.BackupAndRestore(tmp_path / "backup")
        callback = FactorizeCallback(energy=0.8, data=x, frequency=3, state=tmp_path / "factors.json", verbose=0)
        model.fit(
            x, np.arange(64) % 4, batch_size=16, epochs=5, shuffle=False, verbose=0, callbacks=[backup, callback, *more]
        )
        return callback.factorized()

    whole = train()
    with pytest.raises(CrashError):
        train(Crash())
    again = train()
    assert not (tmp_path / "factors.json").exists()
    for own, other in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)


def test_the_config_comes_back():
    callback = FactorizeCallback(Budget(macs=0.5), form=["spatial", "svd"], begin=0.1, frequency=7, layers=["a0"])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(callback))
    assert again.get_config() == callback.get_config()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Give either rank"),
        ({"budget": Budget(macs=0.5), "rank": 2}, "either a budget"),
        ({"rank": 2, "begin": 0.8, "end": 0.5}, "begin is"),
        ({"rank": 2, "frequency": 0}, "frequency is"),
        ({"rank": 2, "schedule": "constant"}, "schedule is"),
        ({"rank": 2, "form": "spatal"}, "Did you mean"),
        ({"rank": 2, "state": "factors.txt"}, ".json"),
    ],
)
def test_bad_arguments(options, said):
    with pytest.raises(InputError, match=said):
        FactorizeCallback(**options)


def test_what_can_not_be_done_is_said_before_training():
    model = compiled()
    before = model.get_weights()
    for options, said in (({"rank": 1.0}, "No layer pays"), ({"rank": 2, "layers": ["nothing"]}, "no layer 'nothing'")):
        with pytest.raises(InputError, match=said):
            model.fit(images(8), np.zeros(8), verbose=0, callbacks=[FactorizeCallback(**options)])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(InputError, match="Nothing is factorised yet"):
        FactorizeCallback(rank=2).factorized()
