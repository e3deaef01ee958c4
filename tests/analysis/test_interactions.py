"""Interactions of parts of which it is known whether they stand in for each other."""

import json

import keras
import numpy as np
import pytest
from analysis import planted
from keras import layers

import tfprune
from tfprune.analysis import interactions
from tfprune.errors import InputError


def redundant():
    """Of four pairs of units, 0 and 1 carry the same and the larger is taken; 2 and 3 go to outputs of their own."""
    inputs = keras.Input((3,))
    hidden = layers.Dense(4, activation="relu", name="hidden")(inputs)
    left = layers.Dense(1, use_bias=False, name="left")(hidden)
    right = layers.Dense(1, use_bias=False, name="right")(hidden)
    rest = layers.Dense(2, use_bias=False, name="rest")(hidden)
    model = keras.Model(inputs, layers.Concatenate()([layers.Maximum()([left, right]), rest]))
    kernel = np.eye(3, dtype="float32")[:, [0, 0, 1, 2]]
    model.get_layer("hidden").set_weights([kernel, np.zeros(4, "float32")])
    model.get_layer("left").kernel.assign([[1.0], [0], [0], [0]])
    model.get_layer("right").kernel.assign([[0.0], [1], [0], [0]])
    model.get_layer("rest").kernel.assign([[0.0, 0], [0, 0], [1, 0], [0, 1]])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    return model, x


UNITS = {"a": {"hidden": [0]}, "b": {"hidden": [1]}, "c": {"hidden": [2]}, "d": {"hidden": [3]}}


@pytest.mark.parametrize("labels", [True, False])
def test_parts_that_stand_in_for_each_other_are_told_from_independent_ones(labels):
    model, x = redundant()
    y = model.predict(x, verbose=0)
    found = interactions(model, (x, y) if labels else x, of=UNITS)
    assert found.measure == ("loss" if labels else "output error")
    assert found.alone[:2] == pytest.approx([0, 0], abs=1e-9)
    assert (found.alone[2:] > 0.05).all()
    assert found.pair("a", "b") > 0.05  # either may go, not both
    for pair in (("a", "c"), ("b", "d"), ("c", "d")):
        assert found.pair(*pair) == pytest.approx(0, abs=1e-6)
    assert found.pairs[0][:2] == ("a", "b")
    np.testing.assert_array_equal(found.matrix, found.matrix.T)


def test_the_rise_is_what_a_cut_does():
    model, x = redundant()
    y = np.random.default_rng(1).normal(size=(64, 3))
    found = interactions(model, (x, y), of=UNITS)
    for number in range(4):
        cut = tfprune.shrink(model, {"hidden": [number]})
        rise = np.square(cut.predict(x, verbose=0) - y).mean() - np.square(model.predict(x, verbose=0) - y).mean()
        assert found.alone[number] == pytest.approx(rise, abs=1e-6)
    both = tfprune.shrink(model, {"hidden": [0, 2]})
    rise = np.square(both.predict(x, verbose=0) - y).mean() - found.whole
    assert found.together[0, 2] == pytest.approx(rise, abs=1e-6)


def test_parts_that_work_together_interact_negatively():
    """A product is zero without either factor: without both nothing more is lost."""
    inputs = keras.Input((2,))
    factors = [layers.Dense(2, name=name)(inputs) for name in ("one", "two")]
    model = keras.Model(inputs, layers.Multiply()(factors))
    found = interactions(model, planted.images(64, (2,)), of="layers")
    assert found.pair("one", "two") == pytest.approx(-found.alone[0])
    assert found.alone[0] == pytest.approx(found.alone[1])


def blocks():
    x = inputs = keras.Input((4,))
    for number in range(3):
        y = layers.Dense(4, activation="relu", name=f"in_{number}")(x)
        x = layers.Add(name=f"block_{number}")([x, layers.Dense(4, name=f"out_{number}")(y)])
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def test_blocks_are_left_out_as_shrink_does():
    model, x = blocks(), planted.images(32, (4,))
    found = interactions(model, x, of="blocks")
    assert found.units == ("block_0", "block_1", "block_2")
    whole = model.predict(x, verbose=0)
    without = tfprune.shrink(model, drop=["block_0", "block_2"]).predict(x, verbose=0)
    error = np.square(whole - without).sum() / np.square(whole - whole.mean(axis=0)).sum()
    assert found.together[0, 2] == pytest.approx(error, rel=1e-4)


def test_groups_are_zero_where_they_are_read():
    model, x = planted.channels(), planted.images(32)
    found = interactions(model, x, of="groups")
    assert found.units == ("first", "second")
    kernel = model.get_layer("second").kernel
    kept, whole = kernel.numpy(), model.predict(x, verbose=0)
    kernel.assign(kept * 0)
    without = model.predict(x, verbose=0)
    kernel.assign(kept)
    error = np.square(whole - without).sum() / np.square(whole - whole.mean(axis=0)).sum()
    assert found.alone[0] == pytest.approx(error, rel=1e-4)
    assert found.pair("first", "second") < 0  # without the first the second carries nothing


def test_few_pairs_are_drawn_and_the_seed_tells_which():
    model, x = redundant()
    found = [interactions(model, x, of=UNITS, pairs=3, seed=seed) for seed in (0, 0, 1)]
    assert [len(each.pairs) for each in found] == [3, 3, 3]
    assert found[0].pairs == found[1].pairs
    assert {each[:2] for each in found[0].pairs} != {each[:2] for each in found[2].pairs}
    assert np.isfinite(found[0].alone).all()


def test_the_model_is_not_touched_and_results_are_tables_and_json():
    model, x = redundant()
    before = model.get_weights()
    found = interactions(model, x, of=UNITS, only=["a", "b"])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert json.loads(json.dumps(found.to_dict()))["matrix"][0][0] is None
    assert "Δ(AB)" in str(found)


def test_wrong_arguments_are_refused():
    model, x = redundant()
    for options, message in [
        ({"of": "neurons"}, "of is 'neurons'"),
        ({"of": "blocks"}, "no blocks"),
        ({"of": UNITS, "only": ["a"]}, "two at least"),
        ({"of": UNITS, "only": ["z"]}, "no part 'z'"),
        ({"of": {"a": {"hidden": [7]}}}, "channels 0 to 3"),
        ({"of": UNITS, "measure": "loss"}, "needs labels"),
        ({"of": UNITS, "pairs": 0}, "pairs"),
    ]:
        with pytest.raises(InputError, match=message):
            interactions(model, x, **options)
