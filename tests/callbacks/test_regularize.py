"""`RegularizeCallback` inside `fit`: the penalty works, and nothing of it is left."""

import copy
import itertools
import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks, layers
from support import small_model, sparsity_of

import tfprune
from tfprune import PruneCallback, RegularizeCallback
from tfprune.errors import InputError
from tfprune.penalties import Growing
from tfprune.pruning.regularizer import PenaltyRegularizer

RATE, STRENGTH = 0.1, 0.5
SHRINKS = 1 - 2 * RATE * STRENGTH  # what one step of gradient descent on STRENGTH · w² multiplies a weight with


def quiet(*args, **options):
    return RegularizeCallback(*args, verbose=0, **options)


def dense_model(cls=keras.Model, **compile_options):
    """A network whose own loss has no gradient where its inputs are zero."""
    x = inputs = keras.Input((6,))
    x = layers.Dense(5, use_bias=False, name="first")(x)
    x = layers.Dense(4, use_bias=False, name="hidden")(x)
    model = cls(inputs, layers.Dense(2, use_bias=False, name="last")(x), name="dense")
    model.compile(**{"optimizer": keras.optimizers.SGD(RATE), "loss": "mse", **compile_options})
    return model


def fit(model, *others, steps=1, epochs=1, **options):
    x, y = np.zeros((8 * steps, 6), "float32"), np.zeros((8 * steps, 2), "float32")
    return model.fit(x, y, batch_size=8, epochs=epochs, verbose=0, callbacks=list(others), **options)


def penalised(model):
    return [v.path for v in model.weights if isinstance(v.regularizer, PenaltyRegularizer)]


def learnable(seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 96)
    x = rng.normal(size=(96, 8, 8, 2)).astype("float32")
    x[..., 0] += y[:, None, None]
    return x, y


def trained(*others, epochs=20, **options):
    keras.utils.set_random_seed(3)
    model = small_model(optimizer=keras.optimizers.Adam(0.01))
    x, y = learnable()
    model.history = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0, callbacks=list(others), **options)
    return model


def filter_norms(layer):
    kernel = layer.kernel.numpy()
    return np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), axis=0)


@pytest.fixture(scope="module")
def plain():
    return trained()


class CustomLoss(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.square(y - y_pred))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = keras.Sequential([layers.Dense(5, use_bias=False), layers.Dense(4, use_bias=False, name="hidden")])
        self.last = layers.Dense(2, use_bias=False)

    def call(self, x):
        return self.last(self.inner(x))


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 6), "float32"))
    model.compile(keras.optimizers.SGD(RATE), "mse")
    return model


def distilled():
    student = dense_model()
    distiller = keras.distillation.Distiller(dense_model(), student, keras.distillation.LogitsDistillation())
    distiller.compile(keras.optimizers.SGD(RATE), "mse")
    return distiller


def in_half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return dense_model()
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "make",
    [
        dense_model,
        lambda: dense_model(jit_compile=True),
        lambda: dense_model(run_eagerly=True),
        lambda: dense_model(CustomLoss),
        subclassed,
        distilled,
        in_half_precision,
    ],
    ids=["functional", "jit", "eager", "own loss", "subclassed and nested", "distiller", "mixed precision"],
)
def test_a_step_takes_exactly_the_penalty_s_gradient(make):
    model = make()
    inner = getattr(model, "student", getattr(model, "inner", model))
    hidden = inner.get_layer("hidden")
    before, others = hidden.kernel.numpy(), [w.numpy() for w in model.weights if w is not hidden.kernel]
    history = fit(model, quiet("l2", strength=STRENGTH)).history
    np.testing.assert_allclose(hidden.kernel.numpy(), SHRINKS * before, rtol=1e-5)
    rest = [w.numpy() for w in model.weights if w is not hidden.kernel]
    assert all(np.array_equal(a, b) for a, b in zip(others, rest, strict=True))
    assert history["loss"][0] == pytest.approx(STRENGTH * np.square(before).sum(), rel=1e-3)
    assert history["penalty"][0] == pytest.approx(STRENGTH * np.square(hidden.kernel.numpy()).sum(), rel=1e-5)
    assert penalised(model) == []
    assert "compute_loss" not in vars(model)
    assert np.sum(model.evaluate(np.zeros((8, 6)), np.zeros((8, 2)), verbose=0)) == 0


def test_the_users_own_regulariser_is_kept_and_restored():
    model = dense_model()
    kernel = model.get_layer("hidden").kernel
    own = kernel.regularizer = keras.regularizers.L2(0.25)
    before = kernel.numpy()
    fit(model, quiet("l2", strength=STRENGTH), quiet("l2", strength=STRENGTH, begin=1))
    np.testing.assert_allclose(kernel.numpy(), before * (SHRINKS - 2 * RATE * 0.25), rtol=1e-5)
    assert kernel.regularizer is own


def test_strength_begins_ramps_and_ends_without_tracing_anew():
    traces, kernels = [], []
    model = dense_model()
    original = model.train_step
    model.train_step = lambda batch: (traces.append(1), original(batch))[1]

    class Look(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kernels.append(model.get_layer("hidden").kernel.numpy())

    kernels.append(model.get_layer("hidden").kernel.numpy())
    ramp = quiet("l2", strength=lambda progress: 2 * progress, begin=2, end=0.75)
    fit(model, ramp, Look(), steps=4, epochs=2)
    ratios = [float(np.mean(after / before)) for before, after in itertools.pairwise(kernels)]
    expected = [1 - 2 * RATE * strength for strength in (0, 0, 0, 0.5, 1, 1.5, 2, 0)]
    assert ratios == pytest.approx(expected, abs=1e-5)
    assert len(traces) <= 2, "Keras traces the first step twice"


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length_learns_it_in_the_first_epoch():
    def batches():
        for _ in range(4):
            yield np.zeros((8, 6), "float32"), np.zeros((8, 2), "float32")

    model = dense_model()
    kernel = model.get_layer("hidden").kernel
    after = []

    class Look(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            after.append(kernel.numpy())

    spec = (tf.TensorSpec((8, 6)), tf.TensorSpec((8, 2)))
    data = tf.data.Dataset.from_generator(batches, output_signature=spec)
    before = kernel.numpy()
    model.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[quiet("l2", strength=STRENGTH, end=0.5), Look()])
    assert float(np.mean(after[0] / before)) == pytest.approx(SHRINKS**4, rel=1e-4)
    ended = float(np.mean(after[-1] / before))  # Keras may count the step that found no more data
    assert ended == pytest.approx(SHRINKS**7, rel=1e-4) or ended == pytest.approx(SHRINKS**6, rel=1e-4)


def test_frozen_layers_and_layers_skipped_are_left_alone(capsys):
    model = dense_model()
    model.get_layer("hidden").trainable = False
    model.compile(keras.optimizers.SGD(RATE), "mse")
    before = [w.numpy() for w in model.weights]
    fit(model, RegularizeCallback("l2", strength=STRENGTH, layers=["first", "hidden"]))
    after = [w.numpy() for w in model.weights]
    np.testing.assert_allclose(after[0], SHRINKS * before[0], rtol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(after[1:], before[1:], strict=True))
    printed = capsys.readouterr().out
    assert "penalises first/kernel (30)" in printed
    assert "skips  hidden/kernel: frozen" in printed
    assert "the penalty went from" in printed
    with pytest.raises(InputError, match="frozen"):
        fit(model, quiet("group_lasso"))


def test_strength_zero_is_plain_training_to_the_bit(plain):
    model = trained(quiet("hybrid", strength=0.0))
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(plain.weights, model.weights, strict=True))


def test_the_group_lasso_empties_channels_and_leaves_nothing_behind(plain, tmp_path, run_python):
    during = tmp_path / "during.keras"
    x, y = learnable()
    own = keras.regularizers.L1(1e-9)
    regularize = quiet("group_lasso", strength=3e-3)
    keras.utils.set_random_seed(3)
    model = small_model(optimizer=keras.optimizers.Adam(0.01))
    model.get_layer("hidden").kernel.regularizer = own
    options = {"validation_data": (x, y), "verbose": 0, "callbacks": [regularize, callbacks.ModelCheckpoint(during)]}
    history = model.fit(x, y, batch_size=16, epochs=20, **options).history

    for name in ("pointwise", "hidden"):
        with_it, without = filter_norms(model.get_layer(name)), filter_norms(plain.get_layer(name))
        assert np.sum(with_it < 0.1) >= len(with_it) / 2
        assert np.sum(without < 0.1) == 0
    assert np.mean(np.argmax(model.predict(x, verbose=0), axis=1) == y) > 0.9

    assert history["penalty"] == sorted(history["penalty"], reverse=True)
    assert history["loss"][-1] > history["penalty"][-1] > 0
    assert penalised(model) == []
    assert model.get_layer("hidden").kernel.regularizer is own
    assert model.evaluate(x, y, verbose=0) == pytest.approx(history["val_loss"][-1], rel=1e-4)
    for file in (during, tmp_path / "after.keras"):
        model.save(tmp_path / "after.keras")
        config = zipfile.ZipFile(file).read("config.json").decode()
        assert "tfprune" not in config
        assert "PenaltyRegularizer" not in config
    np.save(tmp_path / "y.npy", model.predict(x[:4], verbose=0))
    np.save(tmp_path / "x.npy", x[:4])
    code = """
import sys
sys.modules["tfprune"] = None  # importing it would raise
import keras, numpy as np
model = keras.models.load_model("during.keras")
np.testing.assert_allclose(model.predict(np.load("x.npy"), verbose=0), np.load("y.npy"), atol=1e-6)
print("LOADED", model.losses)
"""
    assert run_python(code, cwd=tmp_path, warm="bare").stdout.strip() == "LOADED []"


def test_growing_makes_room_for_the_cut(plain):
    regularize = quiet("growing")
    model = trained(regularize)
    leaving = regularize.leaving
    assert {name: len(gone) for name, gone in leaving.items()} == {"stem": 3, "pointwise": 6, "hidden": 10}
    for name, gone in leaving.items():
        norms = filter_norms(model.get_layer(name))
        stay = np.setdiff1d(np.arange(len(norms)), gone)
        assert norms[gone].max() < 0.02 < 0.3 < norms[stay].min()
    x, _ = learnable(1)

    def change(one):
        small = tfprune.shrink(one, leaving)
        return float(np.abs(small.predict(x, verbose=0) - one.predict(x, verbose=0)).max())

    assert change(model) < 0.01 < 0.2 < change(plain)
    pruned = {name: sorted(gone) for name, gone in tfprune.plan_filters(model, 0.5).remove.items()}
    assert pruned == leaving, "the least channels now"


def test_slimming_tells_scales_apart(plain):
    model = trained(quiet("slimming", strength=0.02))
    gamma, before = (np.sort(np.abs(m.get_layer("norm").gamma.numpy())) for m in (model, plain))
    assert before[0] / before[-1] > 0.7
    assert gamma[0] / gamma[-1] < 0.2


def test_together_with_pruning(tmp_path):
    model = trained(quiet("group_lasso", strength=1e-3), PruneCallback(0.5, granularity="filter", verbose=0))
    assert set(model.history.history) == {"loss", "penalty", "sparsity"}
    assert penalised(model) == []
    small = tfprune.shrink(model)
    assert (small.get_layer("pointwise").filters, small.get_layer("hidden").units) == (6, 10)
    x, _ = learnable()
    np.testing.assert_allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)


def test_a_train_step_that_leaves_losses_out_is_refused():
    class Own(keras.Model):
        def train_step(self, data):
            return {"loss": keras.ops.mean(self(data[0]))}

    model = dense_model(Own)
    with pytest.raises(InputError, match=r"add sum\(self\.losses\)"):
        fit(model, quiet("l2"))
    assert penalised(model) == []


@pytest.mark.parametrize("make", [dense_model, lambda: dense_model(CustomLoss)])
def test_interrupted_training_can_be_stripped_or_begun_again(make):
    class Interrupt(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model = make()
    own = model.get_layer("hidden").kernel.regularizer = keras.regularizers.L2(0.0)
    for clean in (lambda: tfprune.strip(model), lambda: fit(model, quiet("group_lasso"))):
        with pytest.raises(KeyboardInterrupt):
            fit(model, quiet("l2"), Interrupt())
        assert penalised(model)
        clean()
        assert penalised(model) == []
        assert model.get_layer("hidden").kernel.regularizer is own
        assert "compute_loss" not in vars(model)
        before = model.get_layer("hidden").kernel.numpy()
        fit(model)
        np.testing.assert_array_equal(model.get_layer("hidden").kernel.numpy(), before)


@keras.saving.register_keras_serializable(package="tests")
def ramp(progress):
    return 0.1 * progress


def test_callbacks_can_be_copied_saved_and_made_again():
    callback = quiet(Growing(0.25, every=2), strength=ramp, layers=["hidden"], begin=0.1, end=0.9, seed=3)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(callback)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == callback.get_config()
    assert again.setting.penalty == callback.setting.penalty
    assert again.setting.at(0.5) == 0.05
    model = dense_model()
    fit(model, copy.deepcopy(callback), steps=3)
    assert callback.leaving == {}
    copied = copy.deepcopy(again)
    fit(model, copied)
    assert {name: len(gone) for name, gone in copied.leaving.items()} == {"hidden": 1}
    assert sparsity_of(model.get_layer("hidden")) == 0
