"""Heat: which layers of a student are furthest from their teacher's, and channels that are known to be kept."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from support import examples

import tfprune
from tfprune.distillation import heat
from tfprune.distillation.heat import distance
from tfprune.errors import InputError
from tfprune.surgery import kept_channels


def chain(widths=(8, 8, 8, 8)):
    x = inputs = keras.Input((6, 6, 2))
    for number, width in enumerate(widths):
        x = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv_{number}")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D(name="mean")(x)))


def test_a_planted_damage_is_the_hottest_place(data):
    x = data[0][:, :6, :6]
    teacher = chain()
    student = keras.models.clone_model(teacher)
    student.set_weights(teacher.get_weights())
    assert max(heat(student, teacher, x, progress=False).values) == pytest.approx(0.0, abs=1e-6)
    kernel = student.get_layer("conv_2").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    found = heat(student, teacher, x, layers=["conv_0", "conv_1", "conv_2"], progress=False)
    assert found.hottest(1) == {"conv_2": "conv_2"}
    assert found.values[0] == pytest.approx(0.0, abs=1e-6)
    assert str(found).splitlines()[2].startswith("conv_2")
    assert "conv_1" not in heat(student, teacher, x, progress=False).hottest(3)


@settings(max_examples=examples(20), deadline=None)
@given(st.integers(0, 999), st.floats(0.01, 100))
def test_rotations_scales_and_shifts_are_no_distance(seed, scale):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20, 6))
    turn = np.linalg.qr(rng.normal(size=(9, 6)))[0]
    assert distance(x, scale * x @ turn.T + rng.normal(size=9)) == pytest.approx(0.0, abs=1e-9)
    assert 0.05 < distance(x, rng.normal(size=(20, 6))) <= 1.0


def test_heat_of_a_student_that_was_cut(data):
    x = data[0][:, :6, :6]
    teacher = chain()
    student = tfprune.prune_filters(teacher, 0.5)
    found = heat(student, teacher, x, samples=32, progress=False)
    assert found.layers == found.teacher == ("conv_0", "conv_1", "conv_2", "conv_3", "mean")
    assert found.values[0] < found.values[-1]


@settings(max_examples=examples(10), deadline=None)
@given(st.sets(st.integers(0, 7), min_size=1, max_size=6), st.integers(0, 99))
def test_what_a_cut_network_keeps_is_what_the_record_says(removed, seed):
    keras.utils.set_random_seed(seed)
    whole = chain((8, 4))
    small = tfprune.shrink(whole, {"conv_0": sorted(removed)})
    x = np.random.default_rng(seed).normal(size=(2, 6, 6, 2)).astype("float32")
    kept = kept_channels(small)["conv_0"]
    assert kept.size == 8
    first = [keras.Model(m.inputs, m.get_layer("conv_0").output).predict(x, verbose=0) for m in (whole, small)]
    np.testing.assert_allclose(first[0][..., kept.channels], first[1], atol=1e-6)
    assert kept_channels(small)["head"].channels.tolist() == [0, 1, 2]
    assert not kept_channels(whole)


def test_factors_make_all_channels_that_their_layer_did(data):
    whole = chain((8, 4))
    small = tfprune.shrink(whole, {"conv_0": [1, 2]})
    factors = tfprune.factorize(small, rank=0.5)
    assert kept_channels(factors)["conv_0"].channels.tolist() == [0, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("options", "text"),
    [({"layers": ["conv_9"]}, "conv_9"), ({"data": np.ones((1, 6, 6, 2))}, "one sample"), ({"samples": 0}, ".")],
)
def test_bad_heat(options, text):
    given = {"data": np.ones((4, 6, 6, 2)), "progress": False, **options}
    with pytest.raises((InputError, ValueError), match=text):
        heat(chain(), chain(), **given)
    with pytest.raises(InputError, match="count is 0"):
        heat(chain(), chain(), np.random.default_rng(0).normal(size=(4, 6, 6, 2)), progress=False).hottest(0)
