"""Networks in half precision, whole or mixed, are cut, factorised, repaired, searched and taught as others are."""

import keras
import numpy as np
import pytest
from keras import layers

import tfprune

POLICIES = ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 4)) @ rng.normal(size=(4, 12 * 12 * 3)) / 2  # what few channels can tell
    return x.reshape(-1, 12, 12, 3).astype("float32"), rng.integers(0, 4, 256)


@pytest.fixture(params=POLICIES)
def trained(request, data):
    """A small residual network under the policy, its normalisations having seen the data, and its answers."""
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(request.param)
    try:
        inputs = keras.Input((12, 12, 3))
        first = layers.ReLU()(layers.BatchNormalization(momentum=0.5)(layers.Conv2D(24, 3, padding="same")(inputs)))
        second = layers.BatchNormalization(momentum=0.5)(layers.Conv2D(24, 3, padding="same")(first))
        pooled = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.Add()([first, second])))
        model = keras.Model(inputs, layers.Dense(4)(layers.Dense(32, activation="relu")(pooled)))
    finally:
        keras.config.set_dtype_policy("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=["accuracy"])
    model.fit(*data, epochs=3, verbose=0)
    return model, answers(model, data[0]), request.param


def answers(model, x):
    return np.asarray(model.predict(x, verbose=0), dtype=np.float64)


def error(model, x, wanted):
    """The part of the variance of the answers that is wrong."""
    return np.square(answers(model, x) - wanted).mean() / wanted.var(axis=0).mean()


def policies(model):
    return {layer.dtype_policy.name for layer in model.layers if layer.weights}


@pytest.mark.parametrize("way", ["prune_filters", "factorize"])
def test_what_is_left_is_repaired_and_keeps_its_policy(way, trained, data):
    model, wanted, policy = trained
    half = {"budget": tfprune.Budget(macs=0.5), "data": data[0], "verbose": 0}
    small = getattr(tfprune, way)(model, **half)
    cut_only = getattr(tfprune, way)(model, **half, refit=False)
    assert error(small, data[0], wanted) < min(0.1, error(cut_only, data[0], wanted) / 2)
    assert small.count_params() < 0.8 * model.count_params()
    assert policies(small) == {policy}


def test_searched_and_taught(trained, data):
    model, wanted, policy = trained
    found = tfprune.search.run(model, data[0], tfprune.Budget(macs=0.6), levels=3, trials=20, climb=(2,), verbose=0)
    assert error(found.model, data[0], wanted) < 0.1
    student = tfprune.Distiller(found.model, model)
    student.compile(keras.optimizers.SGD(1e-3), model.loss)
    before = answers(found.model, data[0])
    student.fit(*data, epochs=1, verbose=0)
    after = answers(found.model, data[0])
    assert np.isfinite(after).all()
    assert (after != before).any()
    assert policies(found.model) == {policy}
