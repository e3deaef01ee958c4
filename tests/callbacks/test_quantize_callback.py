"""`QuantizeCallback`: quantised in `fit`, whatever else the training does, and nothing left of it afterwards."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support import small_model, sparsity_of

import tfprune
from tfprune import PruneCallback, QuantizeCallback
from tfprune.errors import InputError
from tfprune.quantization import FakeQuantized, quantize_kernel

QUIET = {"verbose": 0}


def kernels(model):
    return [w for w in model.trainable_weights if "kernel" in w.path]


def assert_restored(model):
    assert not any("call" in vars(layer) for layer in model._flatten_layers())
    assert all(w.constraint is None for w in model.weights)
    assert model.train_function is model.test_function is model.predict_function is None


def pruned(**options):
    model = small_model(**options)
    tfprune.prune(model, 0.5)
    return model


def test_zeros_stay_and_nothing_else_is_left(data, capsys):
    x, y = data
    model = pruned(metrics=["accuracy"])
    kind, names = type(model), [w.path for w in model.weights]
    before = [np.asarray(w) for w in kernels(model)]
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=[QuantizeCallback()]).history
    assert "5 kernels computed with 8-bit weights, 6 activations with 8 bits" in capsys.readouterr().out
    assert type(model) is kind
    assert [w.path for w in model.weights] == names
    assert_restored(model)
    for old, new in zip(before, kernels(model), strict=True):
        assert np.array_equal(np.asarray(new) == 0, old == 0)
        assert not np.array_equal(new, old)
    loss = model.evaluate(x, y, verbose=0)[0]
    assert loss != history["val_loss"][-1]  # that was of the quantised network
    assert loss == pytest.approx(history["val_loss"][-1], rel=0.1)


def test_a_constraint_of_the_users_own_holds_too(data):
    x, y = data
    model = pruned()
    kernel = model.get_layer("hidden").kernel
    kernel.constraint = own = keras.constraints.MaxNorm(0.1, axis=0)
    for callbacks in ([], [PruneCallback(0.75, **QUIET)]):
        model.fit(x, y, verbose=0, callbacks=[*callbacks, QuantizeCallback(**QUIET)])
        assert kernel.constraint is own
        assert np.linalg.norm(kernel, axis=0).max() < 0.1001
    assert sparsity_of(kernel) == 0.75


def test_zeros_are_free_where_they_are_to_be(data):
    x, y = data
    model = pruned()
    model.fit(x, y, verbose=0, callbacks=[QuantizeCallback(keep_zeros=False, **QUIET)])
    assert sparsity_of(model.get_layer("hidden")) < 0.1


@pytest.mark.parametrize("first", [True, False])
def test_pruned_in_the_same_fit(data, first):
    x, y = data
    model = pruned()
    quantize = QuantizeCallback(**QUIET)
    callbacks = [quantize, PruneCallback(0.75, **QUIET)]
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kernel = model.get_layer("hidden").kernel
            rounded = quantize_kernel(kernel, [0]).numpy()
            assert np.all(rounded[np.asarray(kernel) == 0] == 0)
            seen.append(sparsity_of(kernel))

    model.fit(x, y, batch_size=16, epochs=4, verbose=0, callbacks=[*(callbacks if first else callbacks[::-1]), Look()])
    assert sparsity_of(model.get_layer("hidden")) == 0.75
    assert 0.5 <= seen[0] < 0.55
    assert seen == sorted(seen)
    assert_restored(model)


def test_training_sees_rounded_weights_and_moves_exact_ones(data):
    """A step of gradient descent, by the definition of the straight-through estimator."""
    x, _ = data
    x = x.reshape(96, -1)[:, :6]
    y = np.random.default_rng(0).normal(size=(96, 3)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = np.asarray(model.layers[0].kernel)
    model.fit(x, y, batch_size=96, verbose=0, callbacks=[QuantizeCallback(bits=8, activations=False, **QUIET)])
    rounded = quantize_kernel(before, [0]).numpy()
    gradient = 2 / y.size * x.T @ (x @ rounded - y)
    np.testing.assert_allclose(model.layers[0].kernel, before - 0.1 * gradient, atol=1e-6)


def test_few_bits_are_what_kernels_have_in_the_end(data):
    x, y = data
    model = pruned()
    model.fit(x, y, verbose=0, callbacks=[QuantizeCallback(bits=4, **QUIET)])
    hidden = np.asarray(model.get_layer("hidden").kernel)
    assert max(len(np.unique(np.abs(column.round(6)))) for column in hidden.T) <= 8
    assert sparsity_of(hidden) >= 0.5


def test_validation_is_that_of_the_network_with_the_ranges_that_were_learned(data):
    x, y = data
    model = small_model()
    ranges = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            ranges.append(limits(callback))

        def on_epoch_end(self, epoch, logs=None):
            assert limits(callback) == ranges[-1]  # evaluating moves nothing

    def limits(callback):
        return [tuple(float(v) for v in one.limits()) for one in callback._running[0].ranges._each]

    callback = QuantizeCallback(freeze=0.5, **QUIET)
    model.fit(x, y, batch_size=2, epochs=2, verbose=0, validation_data=(x, y), callbacks=[callback, Look()])
    assert len(ranges) == 96
    assert ranges[46] != ranges[47] == ranges[48] == ranges[-1]
    assert all(high > low for low, high in ranges[0])


class Stop(keras.callbacks.Callback):
    def __init__(self, error, moment):
        super().__init__()
        setattr(self, moment, self.stop)
        self.error = error

    def stop(self, *_, **__):
        assert any("call" in vars(layer) for layer in self.model._flatten_layers())
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("moment", ["on_train_batch_begin", "on_train_batch_end", "on_test_begin", "on_epoch_end"])
def test_an_exception_leaves_nothing(data, error, moment):
    x, y = data
    model = pruned()
    expected = model.predict(x, verbose=0)
    model.optimizer.learning_rate = 0.0
    for layer in model.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    with pytest.raises(error) as kept:  # which holds on to all frames
        model.fit(x, y, verbose=0, validation_data=(x, y), callbacks=[QuantizeCallback(**QUIET), Stop(error, moment)])
    assert kept.traceback
    assert_restored(model)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)


def test_an_exception_in_a_step_or_in_a_later_callback_leaves_nothing(data):
    x, y = data
    model = pruned()

    def broken(*_):
        raise KeyboardInterrupt

    class Break(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                assert model.train_function.guarded_by is callback._guard
                model.train_function = callback._guard._guarded(broken)

    callback = QuantizeCallback(**QUIET)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0, callbacks=[callback, Break()])
    assert_restored(model)
    with pytest.raises(InputError):
        model.fit(x, y, verbose=0, callbacks=[QuantizeCallback(**QUIET), PruneCallback(0.5, layers=["nothing"])])
    assert_restored(model)
    model.fit(x, y, verbose=0, callbacks=[callback])
    assert_restored(model)


@pytest.mark.parametrize(
    "options", [{"jit_compile": True}, {"run_eagerly": True}, {"steps_per_execution": 3}], ids=lambda o: next(iter(o))
)
def test_however_steps_are_run(data, options):
    x, y = data
    model = pruned(**options)
    zeros = np.asarray(model.get_layer("hidden").kernel) == 0
    model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[QuantizeCallback(**QUIET)])
    assert np.array_equal(np.asarray(model.get_layer("hidden").kernel) == 0, zeros)
    assert_restored(model)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(data, policy):
    x, y = data
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = pruned()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    before = np.asarray(model.get_layer("hidden").kernel)
    loss = model.fit(x, y, epochs=2, verbose=0, callbacks=[QuantizeCallback(**QUIET)]).history["loss"]
    assert np.all(np.isfinite(loss))
    after = np.asarray(model.get_layer("hidden").kernel)
    assert np.array_equal(after == 0, before == 0)
    assert not np.array_equal(after, before)


TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
from keras import layers
import tfprune

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
keras.utils.set_random_seed(1)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(16, activation="relu", name="a"), layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
tfprune.prune(model, 0.5, layers=["a"])
rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 8)).astype("float32"), rng.integers(0, 3, 64)
callback, limits = tfprune.QuantizeCallback(verbose=0), []

class Look(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        limits.extend(callback._running[0].ranges[0].limits())

model.fit(x, y, batch_size=64, epochs=1, verbose=0, shuffle=False, callbacks=[callback, Look()])
halves = [x[:32], x[32:]]  # what each device has seen
np.testing.assert_allclose(limits, [np.mean([h.min() for h in halves]), np.mean([h.max() for h in halves])], rtol=1e-5)
copies = [np.asarray(copy) for copy in model.get_layer("a").kernel.value.values]
assert np.array_equal(*copies)
assert np.mean(copies[0] == 0) == 0.5
assert not any("call" in vars(layer) for layer in model.layers)
print("HELD")
"""


@pytest.mark.slow
def test_two_devices(run_python):
    assert "HELD" in run_python(TWO_DEVICES, warm="ours").stdout


def test_a_student_is_quantised_and_its_teacher_is_not(data):
    x, y = data
    student = pruned()
    distiller = tfprune.Distiller(student, losses=["dist", "hint"])
    before = distiller.teacher.predict(x, verbose=0)
    distiller.compile("adam", "sparse_categorical_crossentropy")
    attached = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            attached.extend(
                [any("call" in vars(one) for one in m._flatten_layers()) for m in (student, distiller.teacher)]
            )

    distiller.fit(x, y, epochs=2, verbose=0, callbacks=[QuantizeCallback(**QUIET), Look()])
    assert attached == [True, False] * 6
    np.testing.assert_allclose(distiller.teacher.predict(x, verbose=0), before, atol=1e-6)
    assert_restored(student)
    assert sparsity_of(student.get_layer("hidden")) == 0.5


class Own(keras.Model):
    """A subclassed model with a nested one, and a step of its own without a Keras optimizer."""

    def __init__(self):
        super().__init__()
        self.body = keras.Sequential([layers.Conv2D(8, 3, name="conv"), layers.ReLU(), layers.Flatten()])
        self.head = layers.Dense(3, name="head")

    def call(self, x):
        return self.head(self.body(x))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        for variable, slope in zip(
            self.trainable_variables, tape.gradient(loss, [v.value for v in self.trainable_variables]), strict=True
        ):
            variable.assign_sub(0.01 * slope)
        return {"loss": loss}


def test_a_model_with_code_of_its_own(data):
    x, y = data
    model = Own()
    model(x[:2])
    tfprune.prune(model, 0.5, layers=[model.head, "conv"])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    zeros = [np.asarray(w) == 0 for w in kernels(model)]
    model.fit(x, y, epochs=2, verbose=0, callbacks=[QuantizeCallback(**QUIET)])
    assert_restored(model)
    assert all(np.array_equal(np.asarray(w) == 0, old) for w, old in zip(kernels(model), zeros, strict=True))


def test_checkpoints_are_those_of_the_plain_model(data, tmp_path):
    x, y = data
    model = small_model()
    save = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"))
    model.fit(x, y, epochs=2, verbose=0, callbacks=[QuantizeCallback(**QUIET), save])
    again = keras.models.load_model(tmp_path / "2.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)


def test_files_that_are_written_at_the_end_are_of_the_plain_model(data, tmp_path):
    x, y = data
    model = small_model()
    export = tfprune.TFLiteExportCallback(str(tmp_path / "model.tflite"))
    model.fit(x, y, verbose=0, callbacks=[export, QuantizeCallback(bits=4, **QUIET)])
    made = tfprune.benchmark.predict(tmp_path / "model.tflite", x)[0]
    np.testing.assert_allclose(made, model.predict(x, verbose=0), atol=1e-5)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length(data):
    x, y = data

    def batches():
        for start in range(0, 96, 32):
            yield x[start : start + 32], y[start : start + 32]

    signature = (tf.TensorSpec((None, 8, 8, 2)), tf.TensorSpec((None,), tf.int64))
    model = small_model()
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    model.fit(dataset, epochs=3, shuffle=False, verbose=0, callbacks=[QuantizeCallback(**QUIET)])
    assert_restored(model)


def test_quantised_training_makes_up_for_coarse_weights(data):
    """With 4 bits, what was trained for it is nearer to its data than what was rounded afterwards."""
    x, _ = data
    y = np.random.default_rng(1).normal(size=(96, 4)).astype("float32")
    losses = {}
    for way in ("after", "aware"):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((8, 8, 2)), layers.Flatten(), layers.Dense(32, "relu"), layers.Dense(4)])
        model.compile(keras.optimizers.Adam(0.01), "mse")
        model.fit(x, y, epochs=20, verbose=0)
        model.compile(keras.optimizers.Adam(0.001), "mse")
        callbacks = [QuantizeCallback(bits=4, activations=False, **QUIET)] if way == "aware" else []
        model.fit(x, y, epochs=20, verbose=0, callbacks=callbacks)
        FakeQuantized(model, bits=4).round_kernels()
        losses[way] = model.evaluate(x, y, verbose=0)
    assert losses["aware"] < 0.7 * losses["after"]


def test_configs_and_copies_make_the_same_callback():
    callback = QuantizeCallback(bits=5, activations=False, freeze=0.25, momentum=0.9, keep_zeros=False, verbose=0)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(callback))
    assert type(again) is QuantizeCallback
    assert copy.deepcopy(callback).get_config() == again.get_config() == callback.get_config()
    assert list(callback.get_config().values()) == [5, False, 0.25, 0.9, False, 0]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"bits": 3}, "from 4 to 8"),
        ({"bits": 9}, "from 4 to 8"),
        ({"bits": 8.0}, "from 4 to 8"),
        ({"freeze": 1.5}, "freeze is 1.5"),
        ({"momentum": 1}, "momentum is 1"),
        ({"activations": "int8"}, "activations is 'int8'"),
        ({"keep_zeros": None}, "keep_zeros is None"),
        ({"num_bits": 4}, "bits is the bits of a weight"),
    ],
)
def test_wrong_arguments_are_refused_at_once(options, text):
    with pytest.raises(InputError, match=text):
        QuantizeCallback(**options)


def test_models_that_can_not_be_quantised_are_refused_before_training(data):
    x, y = data
    model = keras.Sequential([keras.Input((8, 8, 2)), layers.GlobalAveragePooling2D(), layers.Softmax()])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(InputError, match="no layer whose weights are quantised"):
        model.fit(x, y, verbose=0, callbacks=[QuantizeCallback()])
    with pytest.raises(InputError, match="call fit once with each"):
        small_model().fit(x, y, verbose=0, callbacks=[QuantizeCallback(), tfprune.GateCallback(0.5)])
    with pytest.raises(RuntimeError, match="outside a training"):
        QuantizeCallback().on_epoch_begin(0)
