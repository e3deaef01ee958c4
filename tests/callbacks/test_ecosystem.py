"""With what trains models around Keras: distribution strategies, keras-tuner, training loops of one's own."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import small_model, sparsity_of

import tfprune
from tfprune.errors import InputError

TWO_DEVICES = """
import os
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import keras, numpy as np, tensorflow as tf
from keras import layers
import tfprune

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
keras.utils.set_random_seed(1)
"""

PRUNE = """
with strategy.scope():
    dense = [layers.Dense(width, name=name) for width, name in ((16, "a"), (20, "b"), (3, "c"))]
    model = keras.Sequential([keras.Input((8,)), *dense])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, use_ema=True), loss)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(128, 8)).astype("float32"), rng.integers(0, 3, 128)
prune = tfprune.PruneCallback(0.75, verbose=0)
history = model.fit(x, y, batch_size=16, epochs=4, verbose=0, callbacks=[prune]).history
kernel = model.get_layer("b").kernel
copies = [np.asarray(copy) for copy in kernel.value.values]
assert len(copies) == 2
assert np.array_equal(*copies)
assert np.mean(copies[0] == 0) == 0.75, np.mean(copies[0] == 0)
assert 0 < history["sparsity"][0] < 0.75 == history["sparsity"][-1]
with strategy.scope():
    model.compile(keras.optimizers.SGD(0.1), lambda y, scores: 0.0 * scores)
before = kernel.numpy()
model.fit(x, y, batch_size=64, verbose=0, callbacks=[tfprune.RegularizeCallback("l2", strength=0.5, verbose=0)])
np.testing.assert_allclose(kernel.numpy(), 0.9**2 * before, rtol=1e-5)  # two steps of both devices, the penalty once
assert model.losses == []
print("HELD")
"""


GATES_AND_FEATURES = """
def network(width):
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(width, 3, padding="same", activation="relu", name="conv")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Dense(width, activation="relu")(x)))

with strategy.scope():
    distiller = tfprune.Distiller(network(4), network(8), ["dist", "hint", "attention"])
    distiller.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
x, y = np.random.default_rng(0).normal(size=(64, 8, 8, 2)), np.random.default_rng(1).integers(0, 3, 64)
gate = tfprune.GateCallback(0.5, verbose=0)
history = distiller.fit(x, y, batch_size=16, epochs=3, verbose=0, callbacks=[gate]).history
assert np.isfinite(history["loss"]).all()
assert np.count_nonzero(~gate.training.kept) == 4
assert np.ptp(gate.training.logits) > 0.01  # the loss of both devices moved them apart
kernel = distiller.student.get_layer("conv").kernel
assert np.array_equal(*(np.asarray(copy) for copy in kernel.value.values))
print("HELD")
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [PRUNE, GATES_AND_FEATURES], ids=["prune", "gates and features"])
def test_mirrored_strategy_on_two_devices(code, run_python):
    assert "HELD" in run_python(TWO_DEVICES + code, warm="ours").stdout


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("keras_tuner") is None, reason="keras-tuner is not installed")
@pytest.mark.filterwarnings("ignore")
def test_keras_tuner_returns_a_model_with_the_promised_sparsity(data, tmp_path):
    import keras_tuner

    def build(hp):
        return small_model(optimizer=keras.optimizers.Adam(hp.Float("rate", 1e-3, 1e-2)))

    tuner = keras_tuner.RandomSearch(
        build, "val_loss", max_trials=2, seed=1, directory=tmp_path, project_name="search", overwrite=True
    )
    tuner.search(*data, validation_data=data, epochs=5, verbose=0, callbacks=[tfprune.PruneCallback(0.5, verbose=0)])
    for model in tuner.get_best_models(2):
        assert sparsity_of(model.get_layer("hidden")) == 0.5


def test_a_training_loop_of_ones_own(data):
    model = small_model()
    x, y = tf.constant(data[0]), tf.constant(data[1])
    optimizer = keras.optimizers.Adam(0.01)
    pruner = tfprune.Pruner(model, 0.8)
    pruner.start(total_steps=30)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, model(x, training=True)))
        optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
        return loss

    losses, sparsities = [], []
    for number in range(30):
        pruner.update(number)
        losses.append(float(step()))
        assert pruner.measure() >= pruner.sparsity - 1e-9
        sparsities.append(pruner.sparsity)
    assert pruner.finish() == pytest.approx(0.8, abs=1e-3)
    assert sparsities == sorted(sparsities)
    assert losses[-1] < losses[0]
    assert sparsity_of(model.get_layer("hidden")) == 0.8


def test_changing_masks_traces_nothing(data):
    counts = []
    for others in ([], [tfprune.PruneCallback(0.8, frequency=1, verbose=0)]):
        model = small_model()
        traces = []
        original = model.train_step
        model.train_step = lambda batch, traces=traces, original=original: (traces.append(1), original(batch))[1]
        model.fit(*data, batch_size=16, epochs=4, verbose=0, callbacks=others)
        counts.append(len(traces))
    assert counts[0] == counts[1]


def test_finish_notices_that_something_writes_over_the_zeros(data, monkeypatch):
    pruner = tfprune.Pruner(small_model(), 0.8)
    pruner.start(total_steps=10)
    hidden = pruner.targets[1].variable
    original = pruner.detach
    monkeypatch.setattr(pruner, "detach", lambda: (original(), hidden.assign(np.ones(hidden.shape))))
    with pytest.raises(tfprune.SparsityError, match="Something else writes to them"):
        pruner.finish()


def test_finish_needs_a_start():
    with pytest.raises(InputError, match="call start"):
        tfprune.Pruner(small_model()).finish()
