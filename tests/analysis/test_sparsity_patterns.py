"""Patterns of zeros, dead and double channels, and what channels answer to, all of them planted."""

import json

import keras
import numpy as np
import pytest
from analysis import planted
from keras import layers

import tfprune
from tfprune.analysis import sparsity_patterns
from tfprune.analysis.kernel_pattern import look_at
from tfprune.errors import InputError
from tfprune.granularity import NM, Block, KernelAxes

AXES = KernelAxes((-2,), (-1,))


def pruned(granularity, share, shape=(3, 3, 16, 16), seed=0):
    kernel = np.random.default_rng(seed).normal(size=shape)
    units = granularity.units(np.abs(kernel), AXES)
    gone = np.argsort(units.scores, kind="stable")[: round(share * len(units.scores))]
    keep = np.ones(len(units.scores), bool)
    keep[gone] = False
    return kernel * units.mask(keep)


def test_dead_unread_and_double_channels_are_found_from_weights_alone():
    found = sparsity_patterns(planted.channels())
    assert found.kernel("first").zero_filters == (1,)
    assert found.kernel("first").unread_inputs == (2,)
    assert found.kernel("second").unread_inputs == (4,)
    first = found.group("first")
    assert (first.zero, first.unread, first.silent) == ((1,), (4,), None)
    assert [(pair.first, pair.second) for pair in first.duplicates] == [(0, 3)]
    assert first.duplicates[0].scale == pytest.approx(2.5, rel=1e-5)
    assert [(pair.first, pair.second) for pair in found.group("second").duplicates] == [(0, 1)]
    assert found.group("head").unread == ()  # nobody reads outputs, and they are no less needed


def test_channels_that_are_never_active_are_found_on_data():
    found = sparsity_patterns(planted.channels(), planted.images())
    first = found.group("first")
    assert first.silent == (1, 2)
    assert [(pair.first, pair.second) for pair in first.duplicates] == [(0, 3)]
    assert first.duplicates[0].activations == pytest.approx(1, abs=1e-6)
    assert first.duplicates[0].scale == pytest.approx(2.5, rel=1e-5)
    assert first.removable == (1, 2, 3, 4)


def test_what_is_said_to_be_removable_can_go_without_a_change_once_the_copy_is_added():
    model, x = planted.channels(), planted.images()
    gone = sparsity_patterns(model, x).group("first").removable
    kernel = model.get_layer("second").kernel
    values = kernel.numpy()
    values[:, :, 0] += 2.5 * values[:, :, 3]
    before = model.predict(x, verbose=0)
    kernel.assign(values)
    small = tfprune.shrink(model, {"first": gone})
    np.testing.assert_allclose(small.predict(x, verbose=0), before, atol=1e-4)


def test_activations_tell_doubles_that_weights_do_not():
    """Filters that differ on inputs that are always zero are the same; equal filters with biases apart are not."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu", name="hidden"), layers.Dense(1)])
    kernel = np.array([[1.0, 1.0, 1, 1], [0.5, 0.5, -1, -1], [0.0, 3.0, 0, 0]], "float32")
    model.layers[0].set_weights([kernel, np.array([0, 0, 0, -1.5], "float32")])
    x = np.random.default_rng(0).normal(size=(200, 3)).astype("float32")
    x[:, 2] = 0
    by_weights = sparsity_patterns(model).group("hidden").duplicates
    on_data = sparsity_patterns(model, x).group("hidden").duplicates
    assert [(pair.first, pair.second) for pair in by_weights] == [(2, 3)]
    assert [(pair.first, pair.second) for pair in on_data] == [(0, 1)]


@pytest.mark.parametrize(("n", "m"), [(1, 4), (2, 4), (4, 8)])
def test_n_m_kernels_are_recognised(n, m):
    found = look_at("kernel", pruned(NM(n, m), 1.0), AXES)
    assert found.pattern == f"{n}:{m}"
    assert found.fits[f"{n}:{m}"].satisfied == 1
    assert found.fits[f"{n}:{m}"].energy_lost == 0


@pytest.mark.parametrize(("outputs", "inputs"), [(1, 4), (4, 1), (4, 4)])
def test_block_kernels_are_recognised(outputs, inputs):
    found = look_at("kernel", pruned(Block(outputs, inputs), 0.5), AXES)
    assert found.pattern == f"{outputs}×{inputs}"
    assert found.fits[found.pattern].energy_lost == 0
    others = [f"{a}×{b}" for a, b in [(1, 4), (4, 1), (4, 4)] if a > outputs or b > inputs]
    assert all(found.fits[name].satisfied < 1 and found.fits[name].energy_lost > 0 for name in others)


def test_filters_and_inputs_that_went_whole_are_recognised():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 16, 16))
    assert look_at("k", kernel, AXES).pattern == "dense"
    assert look_at("k", kernel * 0, AXES).pattern == "zero"
    less = kernel.copy()
    less[..., ::2] = 0
    found = look_at("k", less, AXES)
    assert found.pattern == "filter"
    assert found.zero_filters == tuple(range(0, 16, 2))
    assert found.rows.tolist() == [1.0, 0.0] * 8
    less = kernel.copy()
    less[:, :, 4:8] = 0
    found = look_at("k", less, AXES)
    assert found.pattern == "input"
    assert found.unread_inputs == (4, 5, 6, 7)
    assert found.columns.sum() == 4


def test_zeros_anywhere_meet_a_pattern_as_often_as_chance_says():
    kernel = np.random.default_rng(3).normal(size=(3, 3, 64, 64))
    kernel[np.random.default_rng(4).random(kernel.shape) < 0.6] = 0
    found = look_at("k", kernel, AXES)
    assert found.pattern == "unstructured"
    for fit in found.fits.values():
        assert fit.satisfied == pytest.approx(fit.by_chance, abs=0.02)
    assert found.fits["2:4"].by_chance == pytest.approx(0.8208, abs=0.01)  # Σ C(4, k) 0.4^k 0.6^(4−k), k ≤ 2


def test_energy_lost_is_what_enforcing_takes():
    kernel = np.random.default_rng(0).normal(size=(8, 6))
    axes = KernelAxes((0,), (1,))
    mask = NM(2, 4).units(np.abs(kernel), axes).mask(np.zeros(12, bool))
    lost = 1 - np.square(kernel * mask).sum() / np.square(kernel).sum()
    assert look_at("k", kernel, axes).fits["2:4"].energy_lost == pytest.approx(lost)


def test_each_channel_answers_to_the_class_that_was_planted():
    model, x, y = planted.detectors()
    order = np.random.default_rng(0).permutation(len(y))
    found = sparsity_patterns(model, (x[order], y[order]))
    responses = found.group("hidden").responses
    assert found.classes == (0, 1, 2, 3)
    assert [each.favourite for each in responses] == [0, 1, 2, 3]
    assert all(each.selectivity == 1 for each in responses)
    assert all(set(y[order][list(each.inputs)]) == {each.favourite} for each in responses)


def test_results_are_tables_and_json():
    found = sparsity_patterns(planted.channels(), (planted.images(), np.arange(64) % 3))
    content = json.loads(json.dumps(found.to_dict()))
    assert content["kernels"][0]["zero_filters"] == [1]
    assert content["channels"][0]["duplicates"][0]["second"] == 3
    assert "0=3" in str(found)
    assert sum(found.distribution.values()) == pytest.approx(1)


def test_depthwise_and_embedding_kernels_and_opaque_models_do_not_disturb():
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(7, 4, name="words")(inputs)
    x = layers.Conv1D(6, 3, name="conv")(layers.DepthwiseConv1D(3, name="depthwise")(x))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    found = sparsity_patterns(model, np.random.default_rng(0).integers(0, 7, (16, 5)))
    assert found.kernel("depthwise").unread_inputs == ()
    assert found.group("conv").silent == ()


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="threshold"):
        sparsity_patterns(planted.channels(), threshold=1.5)
    with pytest.raises(InputError, match="no kernel 'nowhere'"):
        sparsity_patterns(planted.channels()).kernel("nowhere")
