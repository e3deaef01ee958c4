"""`PruneCallback` inside `fit`: the promise holds whatever else happens to the weights."""

import copy
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks, layers
from support import small_model, sparsity_of

import tfprune
from tfprune import PruneCallback
from tfprune.errors import InputError, SparsityError
from tfprune.pruning.mask import MaskConstraint
from tfprune.schedules import ConstantSparsity, PolynomialDecay, StepSchedule

PRUNED = ("pointwise", "hidden")


def quiet(*args, **options):
    return PruneCallback(*args, verbose=0, **options)


def fit(model, data, *others, epochs=4, **options):
    return model.fit(*data, batch_size=16, epochs=epochs, verbose=0, callbacks=list(others), **options)


def assert_pruned(model, sparsity, names=PRUNED):
    for name in names:
        layer = model.get_layer(name)
        size = layer.kernel.numpy().size
        assert size - np.count_nonzero(layer.kernel.numpy()) == round(sparsity * size), name


def masked_variables(model):
    return [v.path for v in model.weights if isinstance(v.constraint, MaskConstraint)]


def test_the_bare_callback(data, capsys):
    model = small_model()
    layers_before = [id(layer) for layer in model.layers]
    history = model.fit(*data, batch_size=16, epochs=6, verbose=0, callbacks=[PruneCallback()]).history
    assert_pruned(model, 0.8)
    assert [id(layer) for layer in model.layers] == layers_before
    assert sparsity_of(model.get_layer("stem")) == sparsity_of(model.get_layer("head")) == 0
    ramp = history["sparsity"]
    assert ramp == sorted(ramp)
    assert 0.05 < ramp[0] < 0.79
    assert ramp[-1] == ramp[-2] == pytest.approx(0.8, abs=1e-3), "a hold phase at the end"
    assert masked_variables(model) == []
    printed = capsys.readouterr().out
    assert "prunes pointwise/kernel, hidden/kernel" in printed
    assert "stem/kernel: first layer" in printed
    assert printed.count("skips  stem/kernel") == 1


def test_sparsity_is_in_the_progress_bar(data, capsys):
    small_model().fit(*data, epochs=1, verbose=2, callbacks=[quiet(0.5)])
    assert "sparsity: 0." in capsys.readouterr().out


def test_zeros_hold_after_every_step(data):
    model = small_model()
    seen = []

    class Watch(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((logs["sparsity"], pruner.pruner.measure()))

    pruner = quiet(0.6, frequency=3)
    fit(model, data, pruner, Watch())
    assert len(seen) == 24
    assert all(promised <= measured + 1e-9 for promised, measured in seen)


def test_a_second_fit_prunes_again_and_a_plain_fit_is_plain(data):
    model = small_model()
    fit(model, data, quiet(0.3))
    assert_pruned(model, 0.3)
    fit(model, data, quiet(0.7), epochs=2)
    assert_pruned(model, 0.7)
    fit(model, data, epochs=1)
    assert sparsity_of(model.get_layer("hidden")) < 0.1, "no mask is left in the compiled step"


def test_a_fit_after_a_plain_fit_starts_its_schedule_at_the_beginning(data):
    model = small_model()
    fit(model, data, epochs=5)
    history = fit(model, data, quiet(0.8)).history["sparsity"]
    assert history[0] < 0.7
    assert_pruned(model, 0.8)


def test_zero_sparsity_is_plain_training_to_the_bit(data):
    weights = []
    for others in ([], [quiet(0.0)]):
        keras.utils.set_random_seed(3)
        model = small_model()
        fit(model, data, *others, shuffle=False)
        weights.append([w.numpy() for w in model.weights])
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize("criterion", ["magnitude", "random"])
def test_same_seed_same_masks(data, criterion):
    masks = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(3)
        model = small_model()
        fit(model, data, quiet(0.5, criterion=criterion, seed=seed), shuffle=False)
        masks.append(model.get_layer("hidden").kernel.numpy() == 0)
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], masks[2]) == (criterion == "magnitude")


@pytest.mark.parametrize(
    ("options", "sparsity"),
    [
        ({"steps_per_execution": 4}, 0.8),
        ({"jit_compile": True}, 0.8),
        ({"run_eagerly": True}, 0.8),
        ({"optimizer": keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=1e-3)}, 0.8),
        ({"optimizer": "lion"}, 0.8),
    ],
    ids=["steps_per_execution", "jit", "eager", "sgd", "lion"],
)
def test_compile_options(data, options, sparsity):
    if isinstance(options.get("optimizer"), keras.optimizers.Optimizer):
        options = {**options, "optimizer": type(options["optimizer"]).from_config(options["optimizer"].get_config())}
    model = small_model(**options)
    history = fit(model, data, quiet(sparsity)).history["sparsity"]
    assert_pruned(model, sparsity)
    assert 0 < history[0] < sparsity


def test_gradient_accumulation_counts_updates_not_batches(data):
    model = small_model(optimizer=keras.optimizers.Adam(gradient_accumulation_steps=3))
    pruner = quiet(0.8, schedule=PolynomialDecay(0.1, 0.8, begin=2, end=6, frequency=1))
    steps = []

    class Watch(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(logs["sparsity"])

    fit(model, data, pruner, Watch())  # 24 batches, 8 updates
    assert pruner._clock.total_steps == 8
    assert steps[5] == 0, "update 2 has not come yet"
    assert steps[6] == pytest.approx(0.1, abs=0.01)
    assert_pruned(model, 0.8)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16", "float16"])
def test_half_precision(data, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = small_model()
    finally:
        keras.config.set_dtype_policy("float32")
    fit(model, data, quiet(0.8))
    for name in PRUNED:
        kernel = model.get_layer(name).kernel.numpy()
        assert np.mean(kernel == 0) == pytest.approx(0.8, abs=0.01)
        assert np.isfinite(kernel.astype("float32")).all()


@pytest.mark.parametrize("overwrite", [None, 5])
def test_use_ema(data, overwrite):
    optimizer = keras.optimizers.Adam(use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=overwrite)
    model = small_model(optimizer=optimizer)
    fit(model, data, quiet(0.8))
    assert_pruned(model, 0.8)


@pytest.mark.parametrize("swap_on_epoch", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_swap_ema_weights_evaluates_and_saves_sparse_averages(data, tmp_path, swap_on_epoch, first):
    model = small_model(optimizer=keras.optimizers.Adam(use_ema=True, ema_momentum=0.9))
    seen = []

    class Watch(callbacks.Callback):
        def on_test_batch_begin(self, batch, logs=None):
            seen.append(sparsity_of(model.get_layer("hidden")))

    swap = callbacks.SwapEMAWeights(swap_on_epoch=swap_on_epoch)
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "last.keras")
    pruner = quiet(0.8, schedule=ConstantSparsity(0.8, begin=0))
    order = [pruner, swap, checkpoint, Watch()] if first else [swap, checkpoint, pruner, Watch()]
    fit(model, data, *order, validation_data=data)
    assert min(seen) == pytest.approx(0.8, abs=0.001)
    assert_pruned(model, 0.8)
    assert_pruned(keras.models.load_model(tmp_path / "last.keras"), 0.8)


class Scripted(callbacks.Callback):
    """Makes an early epoch look the best by far."""

    def __init__(self, best):
        super().__init__()
        self.best = best

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = 100.0 if epoch == self.best else 10.0 - epoch


@pytest.mark.parametrize("last", [False, True])
def test_early_stopping_can_not_bring_a_dense_epoch_back(data, last):
    model = small_model()
    stop = callbacks.EarlyStopping("score", mode="max", patience=1, restore_best_weights=True)
    pruner = quiet(0.8)
    order = [Scripted(best=0), *([stop, pruner] if last else [pruner, stop])]
    history = fit(model, data, *order, epochs=8).history
    assert len(history["score"]) >= 7, "it begins to count at the final sparsity"
    assert stop.best_epoch >= 5
    assert_pruned(model, 0.8)


def test_the_best_checkpoint_has_the_promised_sparsity(data, tmp_path):
    model = small_model()
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "best.keras", "score", mode="max", save_best_only=True)
    fit(model, data, Scripted(best=0), checkpoint, quiet(0.8), epochs=8)
    assert_pruned(keras.models.load_model(tmp_path / "best.keras"), 0.8)


def test_a_checkpoint_keeps_its_own_threshold(data, tmp_path):
    checkpoint = callbacks.ModelCheckpoint(
        tmp_path / "best.keras", "score", mode="max", save_best_only=True, initial_value_threshold=50.0
    )
    fit(small_model(), data, Scripted(best=99), checkpoint, quiet(0.8), epochs=6)
    assert not (tmp_path / "best.keras").exists()


def test_training_that_stops_before_the_schedule_ends_says_so(data):
    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    model = small_model()
    with pytest.warns(UserWarning, match="before the end of its schedule"):
        fit(model, data, quiet(0.8), Stop(), epochs=20)
    assert_pruned(model, 0.8)


def test_weights_written_at_the_very_end_are_pruned_too(data):
    class Overwrite(callbacks.Callback):
        def on_train_end(self, logs=None):
            kernel = self.model.get_layer("hidden").kernel
            kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))

    model = small_model()
    with pytest.warns(UserWarning, match="went in one step"):
        fit(model, data, quiet(0.8), Overwrite())
    assert_pruned(model, 0.8)


@pytest.mark.parametrize("order", ["export first", "export last"])
def test_the_exported_file_is_of_the_final_weights(data, tmp_path, order):
    model = small_model()
    stop = callbacks.EarlyStopping("score", mode="max", patience=9, restore_best_weights=True)
    export = tfprune.TFLiteExportCallback(tmp_path / "m.tflite", parity_data=data[0][:4])
    rest = [quiet(0.8), Scripted(best=0), stop]
    fit(model, data, *([export, *rest] if order == "export first" else [*rest, export]), epochs=6)
    assert_pruned(model, 0.8)
    zeros = sum(int(np.sum(w.numpy() == 0)) for w in model.weights if len(w.shape) > 1)
    assert export.result.sparsity == pytest.approx(
        zeros / sum(w.numpy().size for w in model.weights if len(w.shape) > 1), abs=0.02
    )
    (scores,) = tfprune.benchmark.predict(tmp_path / "m.tflite", data[0][:8])
    np.testing.assert_allclose(scores, model.predict(data[0][:8], verbose=0), atol=1e-5)


def test_shared_and_nested_layers_are_pruned_once(data):
    inner = keras.Sequential(
        [keras.Input((12,)), layers.Dense(12, name="d1"), layers.Dense(12, name="d2")], name="inner"
    )
    inputs = keras.Input((8, 8, 2))
    x = layers.Dense(12, name="first")(layers.Flatten()(inputs))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="last")(inner(inner(x))))
    model.compile("adam", "sparse_categorical_crossentropy")
    pruner = quiet(0.75)
    fit(model, data, pruner)
    assert [target.path for target in pruner.pruner.targets] == ["inner/d1/kernel", "inner/d2/kernel"]
    assert [sparsity_of(layer) for layer in inner.layers] == [0.75, 0.75]


def test_the_users_own_constraint_is_kept_and_restored(data):
    model = small_model()
    own = keras.constraints.NonNeg()
    kernel = model.get_layer("hidden").kernel
    kernel.constraint = own
    fit(model, data, quiet(0.8))
    assert kernel.constraint is own
    assert (kernel.numpy() >= 0).all()
    assert np.mean(kernel.numpy() == 0) >= 0.8


def test_frozen_layers_stay_as_they_are(data):
    model = small_model()
    model.get_layer("pointwise").trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.get_layer("pointwise").kernel.numpy()
    fit(model, data, quiet(0.8))
    np.testing.assert_array_equal(model.get_layer("pointwise").kernel.numpy(), before)
    assert_pruned(model, 0.8, ["hidden"])


def test_per_layer_sparsities_follow_the_ramp(data):
    model = small_model()
    seen = []

    class Watch(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(sparsity_of(model.get_layer("stem")))

    fit(model, data, quiet(0.8, per_layer={"stem": 0.5}), Watch(), epochs=6)
    assert_pruned(model, 0.8)
    assert_pruned(model, 0.5, ["stem"])
    assert 0 < seen[0] < seen[-1]


@pytest.mark.parametrize("granularity", ["weight", (1, 4), (2, 2), "2:4"])
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_granularity_and_scope(data, granularity, scope):
    model = small_model()
    fit(model, data, quiet(0.5, granularity=granularity, scope=scope))
    zeros = sum(int(np.sum(model.get_layer(name).kernel.numpy() == 0)) for name in PRUNED)
    possible = 2 * 12 + 3840 / 2 if granularity == "2:4" else 0.5 * (72 + 3840)  # 6 inputs hold one whole group of 4
    assert zeros == pytest.approx(possible, abs=2)


def test_n_m_needs_no_sparsity(data):
    model = small_model()
    fit(model, data, quiet(granularity="1:4"))
    kernel = model.get_layer("hidden").kernel.numpy()  # (192, 20)
    assert (np.count_nonzero(kernel.reshape(48, 4, 20), axis=1) <= 1).all()
    assert np.mean(kernel == 0) == 0.75


@pytest.mark.parametrize(
    "schedule",
    [
        "constant",
        "cosine",
        "exponential",
        "linear",
        StepSchedule([(0.3, 1), (0.6, 2)]),
        [(0.3, 1), (0.6, 2)],
        lambda step: min(step / 20, 0.6),
        lambda step: (step % 3 == 0, min(step / 20, 0.6)),
    ],
    ids=["constant", "cosine", "exponential", "linear", "step", "pairs", "function", "says-when"],
)
def test_schedules(data, schedule):
    model = small_model()
    sparsity = 0.6 if isinstance(schedule, str) else None
    fit(model, data, quiet(sparsity, schedule=schedule))
    assert_pruned(model, 0.6)


def test_a_schedule_longer_than_the_training_is_said_before_it(data, capsys):
    schedule = PolynomialDecay(0, 0.8, begin=0, end=1000)
    with pytest.warns(UserWarning, match="before the end of its schedule"):
        fit(small_model(), data, PruneCallback(schedule=schedule))
    assert "ends at step 1000, but this training has 24 steps" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("schedule", ["polynomial", StepSchedule([(0.8, 0.5)]), lambda step: 0.8])
def test_one_epoch_of_unknown_length(data, schedule):
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([(data[0][:32], data[1][:32])] * 3),
        output_signature=(tf.TensorSpec((None, 8, 8, 2)), tf.TensorSpec((None,), tf.int64)),
    )
    model = small_model()
    with pytest.warns(UserWarning, match="before the end of its schedule"):
        model.fit(dataset, epochs=1, verbose=0, shuffle=False, callbacks=[quiet(schedule=schedule)])
    assert_pruned(model, 0.8)


def test_shorter_than_the_frequency(data):
    model = small_model()
    fit(model, data, quiet(0.8, frequency=1000), epochs=1)
    assert_pruned(model, 0.8)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length(data):
    def batches():
        for start in range(0, 96, 16):
            yield data[0][start : start + 16], data[1][start : start + 16]

    spec = (tf.TensorSpec((None, 8, 8, 2)), tf.TensorSpec((None,), tf.int64))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=spec)
    model = small_model()
    history = model.fit(dataset, epochs=6, verbose=0, shuffle=False, callbacks=[quiet(0.8)]).history["sparsity"]
    assert 0 < history[1] < 0.8
    assert history[-1] == pytest.approx(0.8, abs=1e-3)
    assert_pruned(model, 0.8)


class OwnStep(keras.Model):
    """A subclassed model that updates its weights without any optimizer."""

    def __init__(self):
        super().__init__()
        self.first, self.hidden, self.last = (layers.Dense(n, name=name) for n, name in ((8, "a"), (16, "b"), (3, "c")))
        self.flatten = layers.Flatten()

    def call(self, x):
        return self.last(self.hidden(self.first(self.flatten(x))))

    def train_step(self, batch):
        x, y = batch
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, self(x), from_logits=True))
        for weight, gradient in zip(self.trainable_weights, tape.gradient(loss, self.trainable_weights), strict=True):
            weight.assign_sub(0.01 * gradient)
        return {"loss": loss}


def test_a_train_step_without_an_optimizer(data):
    model = OwnStep()
    model(data[0][:1])
    model.compile()
    seen = []

    class Watch(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((logs["sparsity"], sparsity_of(model.hidden)))

    fit(model, data, quiet(0.8), Watch())
    assert sparsity_of(model.hidden) == pytest.approx(0.8, abs=0.01)
    assert all(measured >= promised - 0.01 for promised, measured in seen)
    assert seen[2][0] < seen[-1][0]


class Gan(keras.Model):
    """Two optimizers, neither of them the compiled one."""

    def __init__(self):
        super().__init__()
        dense = lambda sizes: keras.Sequential([layers.Dense(n) for n in sizes])  # noqa: E731
        self.generator, self.discriminator = dense([8, 16, 4]), dense([8, 16, 1])
        self.build((None, 4))

    def build(self, shape):
        self.generator.build(shape)
        self.discriminator.build(shape)
        self.built = True

    def call(self, x):
        return self.discriminator(self.generator(x))

    def compile(self):
        super().compile()
        self.generator_optimizer, self.discriminator_optimizer = (keras.optimizers.Adam(1e-2) for _ in range(2))

    def train_step(self, x):
        for part, optimizer, sign in (
            (self.generator, self.generator_optimizer, -1.0),
            (self.discriminator, self.discriminator_optimizer, 1.0),
        ):
            with tf.GradientTape() as tape:
                loss = sign * tf.reduce_mean(self(x))
            optimizer.apply(tape.gradient(loss, part.trainable_weights), part.trainable_weights)
        return {"loss": loss}


def test_a_gan_with_two_optimizers():
    model = Gan()
    model.compile()
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    history = model.fit(
        x, batch_size=8, epochs=4, verbose=0, callbacks=[quiet(0.75, layers=[model.generator])]
    ).history["sparsity"]
    assert [sparsity_of(layer) for layer in model.generator.layers] == [0.75, 0.75, 0.75]
    assert sparsity_of(model.discriminator.layers[1]) == 0
    assert 0 < history[0] < 0.75


def test_only_the_student_of_a_distiller(data):
    teacher, student = small_model(), small_model()
    distiller = keras.distillation.Distiller(teacher, student, keras.distillation.LogitsDistillation())
    distiller.compile("adam", "sparse_categorical_crossentropy")
    before = [w.numpy() for w in teacher.weights]
    fit(distiller, data, quiet(0.8))
    assert_pruned(student, 0.8)
    kernels = [w.numpy() for w in teacher.weights]
    assert all(np.array_equal(a, b) for a, b in zip(kernels[-4:], before[-4:], strict=True))


def test_callbacks_can_be_copied_saved_and_made_again(data, tmp_path):
    callback = quiet(
        0.7, schedule="cosine", granularity=(1, 4), scope="global", skip=["stem"], per_layer={"hidden": 0.5}, seed=3
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(callback))
    assert again.get_config() == callback.get_config()
    for one in (copy.deepcopy(callback), again):
        model = small_model()
        fit(model, data, one)
        assert_pruned(model, 0.5, ["hidden"])
        copy.deepcopy(one.get_config())


def test_tensorboard_summaries(data, tmp_path):
    fit(small_model(), data, quiet(0.8, log_dir=tmp_path / "logs"), epochs=3)
    events = [e for file in (tmp_path / "logs").iterdir() for e in tf.compat.v1.train.summary_iterator(str(file))]
    tags = {value.tag for event in events for value in event.summary.value}
    assert tags == {"sparsity", "sparsity/hidden/kernel", "sparsity/pointwise/kernel"}


def test_no_variable_is_added_to_a_checkpoint(data, tmp_path):
    sizes = []
    for others in ([], [quiet(0.5), callbacks.ModelCheckpoint(tmp_path / "during.weights.h5", save_weights_only=True)]):
        model = small_model()
        fit(model, data, *others, epochs=1)
        model.save_weights(tmp_path / "after.weights.h5")
        sizes.append(
            (len(model.variables), len(model.optimizer.variables), (tmp_path / "after.weights.h5").stat().st_size)
        )
    assert sizes[0] == sizes[1]
    assert (tmp_path / "during.weights.h5").stat().st_size == sizes[0][2]


def test_interrupted_training_can_be_stripped(data):
    class Interrupt(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    model = small_model()
    own = keras.constraints.MaxNorm(3.0)
    model.get_layer("hidden").kernel.constraint = own
    with pytest.raises(KeyboardInterrupt):
        fit(model, data, quiet(0.8), Interrupt())
    assert masked_variables(model)
    assert tfprune.strip(model) is model
    assert masked_variables(model) == []
    assert model.get_layer("hidden").kernel.constraint is own
    fit(model, data, quiet(0.8))
    assert_pruned(model, 0.8)


def test_weights_that_become_nan_stop_pruning_and_stay_as_they_are(data):
    class Poison(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                kernel = self.model.get_layer("hidden").kernel
                values = kernel.numpy()
                values[0, :5] = np.nan
                kernel.assign(values)
                self.snapshot = [w.numpy() for w in self.model.weights]

    model = small_model()
    poison = Poison()
    with pytest.raises(SparsityError, match="5 of the 3840 weights in hidden/kernel are not finite"):
        fit(model, data, quiet(0.8, frequency=1), poison)
    now = [w.numpy() for w in model.weights]
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(now, poison.snapshot, strict=True))
    assert masked_variables(model) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PruneCallback(1.0), "sparsity is 1.0"),
        (lambda: PruneCallback(-0.5), "sparsity is -0.5"),
        (lambda: PruneCallback("0.8"), "sparsity is '0.8'"),
        (lambda: PruneCallback(schedule="polynomail"), "Did you mean 'polynomial'"),
        (lambda: PruneCallback(schedule="step"), "StepSchedule needs its milestones"),
        (lambda: PruneCallback(criterion="magnitud"), "Did you mean 'magnitude'"),
        (lambda: PruneCallback(granularity="blok"), "Did you mean 'block'"),
        (lambda: PruneCallback(scope="locally"), "Unknown scope"),
        (lambda: PruneCallback(0.8, granularity="2:4"), "above the 0.5"),
        (lambda: PruneCallback(schedule=PolynomialDecay(0, 0.8), granularity="2:4"), "above the 0.5"),
        (lambda: PruneCallback(0.5, schedule=PolynomialDecay(0, 0.8)), "give only one"),
        (lambda: PruneCallback(per_layer={"hidden": 2}), "sparsity of 'hidden' is 2"),
        (lambda: PruneCallback(frequency=0), "frequency is 0"),
    ],
)
def test_bad_arguments_are_refused_at_once(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"layers": ["hiden"]}, "Did you mean 'hidden'"), ({"layers": [keras.layers.ReLU]}, "no prunable layer")],
)
def test_bad_choices_are_refused_before_training(data, options, message):
    model = small_model()
    before = [w.numpy() for w in model.weights]
    with pytest.raises(InputError, match=message):
        fit(model, data, quiet(0.8, **options))
    assert all(np.array_equal(w.numpy(), old) for w, old in zip(model.weights, before, strict=True))
    assert masked_variables(model) == []


def test_other_warnings_are_not_raised(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(small_model(), data, quiet(0.8))
