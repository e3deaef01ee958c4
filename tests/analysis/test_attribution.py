"""Attributions of networks of which it is known where they look."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from analysis import planted
from keras import layers

import tfprune
from tfprune.analysis import compare_attributions, grad_cam, integrated_gradients, occlusion
from tfprune.analysis.attribution import map_of
from tfprune.analysis.faithfulness import deletion_auc, localisation, rank_agreement
from tfprune.analysis.scores import Scorer
from tfprune.errors import InputError


def image_network():
    x = inputs = keras.Input((12, 12, 2))
    x = layers.Conv2D(6, 3, padding="same", activation="gelu")(x)
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same")(x))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def test_integrated_gradients_add_up_to_the_change_of_the_score():
    """The completeness axiom, also from another baseline."""
    model, x = image_network(), planted.images(4, (12, 12, 2))
    classes = np.array([0, 1, 2, 1])
    for baseline in (0.0, np.full((12, 12, 2), 0.5)):
        start = np.broadcast_to(np.asarray(baseline, "float32"), x.shape)
        change = (model.predict(x, verbose=0) - model.predict(start, verbose=0))[np.arange(4), classes]
        found = integrated_gradients(model, x, classes, baseline=baseline, steps=100)
        np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), change, atol=5e-4)


def test_what_a_network_does_not_read_has_no_attribution():
    """The sensitivity and dummy axioms, for all three methods."""
    model, x, y = planted.corner()
    outside = ~planted.mask()
    assert not integrated_gradients(model, x, y)[:, outside].any()
    assert not occlusion(model, x, y, window=1)[:, outside].any()
    found = integrated_gradients(model, x, y)[..., 0]
    np.testing.assert_allclose(found[:, :3, :3], occlusion(model, x, y, window=1)[:, :3, :3], rtol=1e-4)  # linear there


@pytest.mark.parametrize(("method", "least"), [("integrated_gradients", 1.0), ("occlusion", 0.999), ("grad_cam", 0.0)])
def test_the_corner_is_found_and_deleting_it_ends_the_answer(method, least):
    model, x, y = planted.corner()
    found = compare_attributions(model, model, (x, y), methods=[method], inside=planted.mask()).method(method)
    assert found.localisation[0] >= least - 1e-6
    assert found.agreement == pytest.approx(1)
    if method != "grad_cam":
        assert found.deletion[0] < 0.1
        assert found.random_deletion[0] == pytest.approx(0.5, abs=0.1)


def test_grad_cam_finds_the_object_that_a_global_mean_cannot_place():
    """The last maps show where bright pixels are; the head's mean forgets it, Grad-CAM does not."""
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, padding="same", activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="head")(layers.GlobalAveragePooling2D()(x)))
    kernel = np.zeros((3, 3, 1, 2), "float32")
    kernel[1, 1, 0] = [1, -1]
    model.get_layer("conv").set_weights([kernel, np.zeros(2, "float32")])
    model.get_layer("head").set_weights([np.array([[-1, 1], [1, -1]], "float32"), np.zeros(2, "float32")])
    x = np.zeros((2, 8, 8, 1), "float32")
    x[0, 1:3, 5:7], x[1, 5:8, 0:2] = 1, -1  # bright: class 1, dark: class 0
    boxes = np.zeros((2, 8, 8), bool)
    boxes[0, 1:3, 5:7], boxes[1, 5:8, 0:2] = True, True
    found = compare_attributions(model, model, (x, np.array([1, 0])), inside=boxes)
    assert [each.method for each in found.methods] == ["grad_cam", "integrated_gradients", "occlusion"]
    for each in found.methods:
        assert each.localisation[0] == pytest.approx(1, abs=1e-6)
    assert found.inside == pytest.approx(10 / 128)
    assert grad_cam(model, x, [1, 0], layer="conv").max() > 0


def test_a_network_that_looks_elsewhere_is_found_out():
    before, x, y = planted.corner()
    after = keras.models.clone_model(before)
    kernel, bias = before.get_layer("head").get_weights()
    turned = kernel.reshape(8, 8, 2, 2)[::-1, ::-1].reshape(-1, 2)
    after.set_weights([*before.get_layer("conv").get_weights(), turned.copy(), bias])
    found = compare_attributions(before, after, (x, y), methods=["integrated_gradients"], inside=[(0, 3), (0, 3)])
    each = found.method("integrated_gradients")
    assert each.agreement < 0.5
    assert each.localisation[0] == pytest.approx(1)
    assert each.localisation[1] == pytest.approx(0)
    assert "inside (14% of the area)" in str(found)
    assert json.dumps(found.to_dict())


def test_a_cut_that_changes_nothing_changes_no_attribution():
    model = planted.channels()
    x = planted.images(8)
    small = tfprune.shrink(model, {"first": [1, 2, 4]})
    found = compare_attributions(model, small, x)
    assert [each.method for each in found.methods] == ["grad_cam", "integrated_gradients", "occlusion"]
    for each in found.methods:
        assert each.agreement > 0.999
        assert each.deletion[0] == pytest.approx(each.deletion[1], abs=1e-3)


def convolves_channels_first():
    """Whether this CPU does: by oneDNN, which TensorFlow uses only where it finds AVX-512."""
    try:
        layers.Conv2D(1, 1, data_format="channels_first")(np.zeros((1, 1, 1, 1), "float32"))
    except tf.errors.UnimplementedError:
        return False
    return True


@pytest.mark.skipif(not convolves_channels_first(), reason="TensorFlow has no such convolutions on this CPU")
def test_maps_with_channels_first_are_as_large_as_the_image():
    shape, found = (2, 9, 7), []
    x = planted.images(3, (9, 7, 2))
    for order in ("channels_last", "channels_first"):
        first = order == "channels_first"
        keras.utils.set_random_seed(0)
        inputs = keras.Input(shape if first else (9, 7, 2))
        y = layers.Conv2D(4, 3, activation="relu", data_format=order)(inputs)
        y = layers.GlobalAveragePooling2D(data_format=order)(y)
        model = keras.Model(inputs, layers.Dense(2)(y))
        found.append(grad_cam(model, np.moveaxis(x, -1, 1) if first else x))
    assert found[1].shape == (3, 9, 7)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_sequences_and_tables_have_attributions_too():
    inputs = keras.Input((16, 3))
    x = layers.Conv1D(4, 3, padding="same", activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    x = planted.images(3, (16, 3))
    assert grad_cam(model, x).shape == (3, 16)
    assert integrated_gradients(model, x).shape == (3, 16, 3)
    assert occlusion(model, x, window=4).shape == (3, 16)
    recurrent = keras.Sequential([keras.Input((6, 2)), layers.LSTM(3), layers.Dense(2)])
    found = compare_attributions(recurrent, recurrent, planted.images(4, (6, 2)))
    assert [each.method for each in found.methods] == ["integrated_gradients", "occlusion"]
    table, x, y = planted.detectors()
    found = compare_attributions(table, table, (x, y), inside=np.eye(4, dtype=bool)[y])
    assert found.method("occlusion").localisation[0] == pytest.approx(1)


def test_windows_cover_everything_and_overlaps_are_means():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign(np.arange(1.0, 6)[:, None])
    found = occlusion(model, np.ones((1, 5)), window=2, stride=2)
    # windows at 0, 2 and 3 (the last one at the end): sums 3, 7, 9
    np.testing.assert_allclose(found, [[3, 3, 7, 8, 9]])


def test_ranks_areas_and_shares_are_what_they_are_called():
    assert rank_agreement(np.array([[1.0, 2, 3], [1, 1, 1]]), np.array([[3.0, 2, 1], [1, 2, 3]]))[0] == -1
    assert np.isnan(rank_agreement(np.ones((1, 3)), np.arange(3.0)[None])[0])
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[1.0], [0], [0], [0]])
    x, classes = np.ones((1, 4), "float32"), np.zeros(1, int)
    best, worst = (
        deletion_auc(Scorer(model), x, classes, maps, steps=4)[0] for maps in (x * [4, 3, 2, 1], x * [1, 2, 3, 4])
    )
    assert (best, worst) == (0.125, 0.875)
    assert np.isnan(localisation(-np.ones((1, 4)), np.ones(4, bool))[0])
    assert map_of(np.ones((2, 3, 3, 5)), (2, 3, 3, 5)).tolist() == np.full((2, 3, 3), 5.0).tolist()


def test_what_is_not_defined_is_said():
    table, x, _ = planted.detectors()
    with pytest.raises(InputError, match="no convolution"):
        grad_cam(table, x)
    with pytest.raises(InputError, match="needs convolutions"):
        compare_attributions(table, table, x, methods=["grad_cam"])
    with pytest.raises(InputError, match="Did you mean 'occlusion'"):
        compare_attributions(table, table, x, methods=["oclusion"])
    with pytest.raises(InputError, match="window"):
        occlusion(table, x, window=9)
    with pytest.raises(InputError, match="takes samples of the shape"):
        integrated_gradients(table, x[:, :3])
    with pytest.raises(InputError, match="classes"):
        integrated_gradients(table, x, classes=7)
    with pytest.raises(InputError, match="inside has the shape"):
        compare_attributions(table, table, x, inside=np.ones(3, bool))
    words = keras.Sequential(
        [keras.Input((5,), dtype="int32"), layers.Embedding(9, 2), layers.Flatten(), layers.Dense(2)]
    )
    with pytest.raises(InputError, match="after its embedding"):
        integrated_gradients(words, np.zeros((2, 5), "int32"))
