"""`GateCallback`: gates in `fit`, whatever else the training does."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfprune
from tfprune import Budget, GateCallback
from tfprune.cost import CostModel
from tfprune.errors import InputError
from tfprune.graph import trace


def network():
    inputs = keras.Input((8, 8, 2))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", name="one")(inputs)))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(12, 3, padding="same", name="two")(x)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def compiled(model, **options):
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def macs(model):
    return CostModel(trace(model)).whole.macs


@pytest.mark.parametrize("gate", ["hard_concrete", "sigmoid", "gumbel", "group_lasso", "slimming", "hybrid"])
def test_a_model_ends_within_its_budget(gate, data, capsys):
    x, y = data
    model = compiled(network())
    before, kind = macs(model), type(model)
    names = [w.path for w in model.weights]
    history = model.fit(
        x, y, epochs=6, verbose=0, validation_split=0.25, callbacks=[GateCallback(Budget(macs=0.4), gate=gate)]
    ).history
    assert type(model) is kind
    assert [w.path for w in model.weights] == names
    assert history["expected_macs"][-1] <= 0.4
    assert history["expected_macs"][0] > history["expected_macs"][-1]
    small = tfprune.shrink(model)
    assert 0.3 * before < macs(small) <= 0.4 * before
    np.testing.assert_allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
    told = capsys.readouterr().out
    assert "20 gates before channels of 2 groups" in told
    assert "% of macs left" in told
    assert not any("call" in vars(layer) for layer in model._flatten_layers())
    assert all(w.constraint is None for w in model.trainable_weights)


def test_gates_learn_what_matters():
    """Of eight channels four carry the answer, and four what has nothing to do with it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(512, 8)).astype("float32")
    y = x[:, [0, 2, 5, 6]] @ np.array([2.0, -1.5, 1.0, 2.5])
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(1)(layers.Dense(8, use_bias=False, name="copy")(inputs)))
    model.layers[1].kernel.assign(np.eye(8))
    model.layers[2].kernel.assign(np.full((8, 1), 0.5))
    model.layers[1].trainable = False
    model.compile(keras.optimizers.Adam(0.02), "mse")
    model.fit(x, y, epochs=2, batch_size=32, verbose=0)
    model.layers[1].trainable = True
    model.compile(keras.optimizers.Adam(0.005), "mse")
    callback = GateCallback(0.5, verbose=0)
    model.fit(x, y, epochs=12, batch_size=32, verbose=0, callbacks=[callback])
    assert np.flatnonzero(callback.training.kept).tolist() == [0, 2, 5, 6]
    assert model.evaluate(x, y, verbose=0) < 0.05 * y.var()


@pytest.mark.parametrize(
    ("penalty", "granularity"), [("group_lasso", "filter"), ("slimming", "filter"), ("l1", "weight")]
)
def test_a_budget_drives_a_penalty_until_enough_is_small(penalty, granularity, data):
    x, y = data
    model = compiled(network())
    callback = GateCallback(0.5, gate=penalty, granularity=granularity, ramp=0.05, verbose=0)
    strengths, smallest = [], []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if callback.training.kept is None:
                strengths.append(callback.training._regularization.strength)
                smallest.append(np.quantile(callback.training.sizes(), 0.4))

    model.fit(x, y, batch_size=16, epochs=25, verbose=0, callbacks=[callback, Look()])
    assert strengths[0] == 0.0
    assert max(strengths) > 0
    assert smallest[-1] < 0.6 * smallest[0]
    assert model.losses == []
    assert callback.training.kept.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "options", [{"jit_compile": True}, {"run_eagerly": True}, {"steps_per_execution": 3}], ids=lambda o: next(iter(o))
)
def test_however_steps_are_run(data, options):
    x, y = data
    model = compiled(network(), **options)
    callback = GateCallback(0.5, verbose=0)
    model.fit(x, y, batch_size=16, epochs=3, verbose=0, callbacks=[callback])
    assert np.count_nonzero(~callback.training.kept) == 10
    assert np.ptp(callback.training.logits) > 0.01  # the loss moved them apart


def test_mixed_precision(data):
    x, y = data
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = network()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01)), "sparse_categorical_crossentropy")
    callback = GateCallback(0.5, verbose=0)
    model.fit(x, y, batch_size=16, epochs=3, verbose=0, callbacks=[callback])
    assert np.isfinite(callback.training.logits).all()
    assert tfprune.shrink(model).count_params() < model.count_params()


def test_a_student_with_gates_learns_from_its_dense_self(data):
    x, y = data
    student = network()
    before = student.predict(x, verbose=0)
    distiller = tfprune.Distiller(student, losses=["dist", "hint"])
    compiled(distiller)
    history = distiller.fit(x, y, epochs=4, verbose=0, callbacks=[GateCallback(Budget(params=0.5), verbose=0)]).history
    assert history["expected_params"][-1] <= 0.5
    np.testing.assert_allclose(distiller.teacher.predict(x, verbose=0), before, atol=1e-6)
    assert tfprune.shrink(student).count_params() <= 0.55 * student.count_params()


@pytest.mark.parametrize(("granularity", "part"), [("weight", 0.7), ("filter", 0.25)])
def test_fractions(data, granularity, part):
    x, y = data
    model = compiled(network())
    callback = GateCallback(part, granularity=granularity, verbose=0)
    model.fit(x, y, epochs=3, verbose=0, callbacks=[callback])
    closed = callback.training.kept.size - callback.training.kept.sum()
    assert closed == round(part * callback.training.kept.size)


def test_the_refit_makes_up_for_what_is_gone(data, capsys):
    x, y = data
    model = compiled(network())
    model.fit(x, y, epochs=1, verbose=0, callbacks=[GateCallback(Budget(macs=0.5), refit=x)])
    assert "refit of 3 layers" in capsys.readouterr().out


def test_a_checkpoint_in_the_middle_is_that_of_the_plain_model(data, tmp_path):
    x, y = data
    model = compiled(network())
    save = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[GateCallback(0.5, end=1.0, verbose=0), save])
    network().load_weights(tmp_path / "1.weights.h5")


class KilledError(Exception):
    """A crash."""


class Kill(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KilledError


@pytest.mark.parametrize("epoch", [2, 4])
def test_a_training_that_crashed_goes_on_with_what_gates_have_learned(epoch, data, tmp_path):
    """Before and after they are decided."""
    x, y = data

    def run(kill):
        keras.utils.set_random_seed(0)
        model = compiled(network())
        gate = GateCallback(Budget(macs=0.5), end=0.6, state=tmp_path / "gates.npz", verbose=0)
        callbacks = [tfprune.BackupAndRestore(tmp_path / "backup"), gate, *([Kill(epoch)] if kill else [])]
        model.fit(x, y, epochs=6, shuffle=False, verbose=0, callbacks=callbacks)
        return model, gate

    whole, uninterrupted = run(kill=False)
    with pytest.raises(KilledError):
        run(kill=True)
    with np.load(tmp_path / "gates.npz") as arrays:
        logits = arrays["logits"]
        steps = int(arrays["adam_steps"])
    model, gate = run(kill=False)
    np.testing.assert_array_equal(gate.training.logits, uninterrupted.training.logits)
    for own, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    assert steps == min(3 * epoch, 11)
    if epoch == 4:  # decided already
        assert np.array_equal(gate.training.logits, logits)
    assert np.abs(gate.training.logits - logits).max() < 0.1 * 3 * 6
    assert gate.training._adam._steps == 11
    assert not (tmp_path / "gates.npz").exists()
    assert macs(tfprune.shrink(model)) <= 0.5 * macs(model)


def test_early_stopping_waits_for_the_decision(data):
    x, y = data
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9, start_from_epoch=0)
    model = compiled(network())
    history = model.fit(x, y, epochs=8, verbose=0, callbacks=[GateCallback(0.5, end=0.5, verbose=0), stop]).history
    assert len(history["loss"]) > 4


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length(data):
    x, y = data

    def batches():
        for start in range(0, 96, 32):
            yield x[start : start + 32], y[start : start + 32]

    model = compiled(network())
    callback = GateCallback(0.5, verbose=0)
    dataset = tf.data.Dataset.from_generator(
        batches, output_signature=(tf.TensorSpec((None, 8, 8, 2)), tf.TensorSpec((None,), tf.int64))
    )
    model.fit(dataset, epochs=4, shuffle=False, verbose=0, callbacks=[callback])
    assert np.count_nonzero(~callback.training.kept) == 10


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length_when_training_crashed(data, tmp_path):
    x, y = data
    found = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            found.append((gate._clock.step(), gate.training._adam._steps))

    def run(*more):
        model = compiled(network())
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(32).filter(lambda *_: True)
        backup = tfprune.BackupAndRestore(tmp_path / "backup")
        model.fit(dataset, epochs=4, shuffle=False, verbose=0, callbacks=[backup, gate, Look(), *more])

    gate = GateCallback(0.5, end=1.0, state=tmp_path / "gates.npz", verbose=0)
    with pytest.raises(KilledError):
        run(Kill(2))
    before = len(found)
    gate = GateCallback(0.5, end=1.0, state=tmp_path / "gates.npz", verbose=0)
    run()
    assert [step for step, _ in found] == list(range(2 * before))
    assert found[before][1] == found[before - 1][1] > 0  # what gates have learned is there again


def test_configs_make_the_same_callback():
    for gate in ("gumbel", "slimming"):
        callback = GateCallback(Budget(macs=0.4), gate=gate, granularity="head", skip=["one"], end=0.5, seed=3)
        again = GateCallback.from_config(callback.get_config())
        assert again.get_config() == callback.get_config()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"budget": 1.0}, "fraction that closes"),
        ({"gate": "soft"}, "Unknown gate"),
        ({"gate": "group_laso"}, "Did you mean 'group_lasso'"),
        ({"ramp": 0.8, "end": 0.5}, "ramp is 0.8"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"state": "gates.txt"}, "npz"),
    ],
)
def test_bad_arguments(options, text):
    with pytest.raises(InputError, match=text):
        GateCallback(**options)


@pytest.mark.parametrize(("gate", "granularity"), [("l2", "filter"), ("group_lasso", "weight")])
def test_a_penalty_that_would_do_nothing_is_refused(gate, granularity, data):
    with pytest.raises(InputError, match=r"has no say in .*give granularity="):
        compiled(network()).fit(*data, verbose=0, callbacks=[GateCallback(0.5, gate=gate, granularity=granularity)])


class Stop(keras.callbacks.Callback):
    def __init__(self, moment):
        super().__init__()
        setattr(self, moment, self.stop)

    def stop(self, *_, **__):
        raise KeyboardInterrupt


def as_it_was(model):
    """Whether nothing replaces a call, holds a weight or adds to the loss."""
    calls = any("call" in vars(layer) for layer in model._flatten_layers())
    return not calls and all(w.constraint is None for w in model.trainable_weights) and model.losses == []


@pytest.mark.parametrize("moment", ["on_train_batch_end", "on_test_batch_end"])
@pytest.mark.parametrize("gate", ["hard_concrete", "group_lasso"])
def test_an_interrupted_training_leaves_no_gates(gate, moment, data):
    x, y = data
    model = compiled(network())
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            x, y, verbose=0, validation_data=(x, y), callbacks=[GateCallback(0.5, gate=gate, verbose=0), Stop(moment)]
        )
    assert as_it_was(model)
    plain = network()
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(x, verbose=0), plain.predict(x, verbose=0), atol=1e-6)


def test_gates_that_a_loop_has_left_are_stripped(data):
    x, _ = data
    model = compiled(network())
    before = model.predict(x, verbose=0)
    training = tfprune.gates.GateTraining(model, 0.5)
    training.start()
    training.draw()
    model.train_function = model.predict_function = None
    assert np.abs(model.predict(x, verbose=0) - before).max() > 1e-3
    assert as_it_was(tfprune.strip(model))
    np.testing.assert_allclose(model.predict(x, verbose=0), before, atol=1e-6)


def test_what_can_not_be_met_is_said_before_any_step(data):
    x, y = data
    model = compiled(network())
    before = model.get_weights()
    for callback, text in [
        (GateCallback(Budget(macs=0.001), verbose=0), "can't be met"),
        (GateCallback(0.5, granularity="head", verbose=0), "no channels to gate"),
        (GateCallback(0.5, refit=np.ones((4, 3)), verbose=0), "."),
        (GateCallback(0.5, gate="growing", verbose=0), "RegularizeCallback"),
        (GateCallback(0.2, gate="l1", granularity="layer", verbose=0), "."),
    ]:
        with pytest.raises(InputError, match=text):
            model.fit(x, y, verbose=0, callbacks=[callback])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
