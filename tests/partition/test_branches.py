"""Layers in branches: what they compute, what they exchange, and each branch as a model."""

import keras
import numpy as np
import pytest
from keras import layers

from tfprune.errors import InputError
from tfprune.partition import branch
from tfprune.partition.width import cluster

IMAGES = np.random.default_rng(0).normal(size=(160, 8, 8, 3)).astype("float32")


def network():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, padding="same", name="stem")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for number in (1, 2):
        y = layers.Conv2D(24, 3, padding="same", use_bias=False, name=f"inner_{number}")(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(16, 3, padding="same", name=f"outer_{number}")(y)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(8, activation="relu", name="hidden")(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.random.default_rng(1).normal(size=layer.moving_mean.shape) * 0.1)
            layer.gamma.assign(np.random.default_rng(2).uniform(0.5, 1.5, layer.gamma.shape))
    return model


def test_blocks_that_are_there_are_found():
    rng = np.random.default_rng(0)
    orders = {name: rng.permutation(12) for name in "abc"}
    blocks = np.kron(np.eye(3), np.ones((4, 4))) + 0.05 * rng.uniform(size=(12, 12))
    tables = [("a", "b", blocks[orders["a"]][:, orders["b"]]), ("b", "c", blocks[orders["b"]][:, orders["c"]])]
    found = cluster(tables, dict.fromkeys("abc", 12), 3)
    assert all((np.bincount(own) == 4).all() for own in found.values())
    for a, b, own in tables:
        assert own[found[a][:, None] == found[b][None]].min() > 0.9


def test_a_network_of_blocks_stays_what_it_is():
    """Kernels whose channels do fall into two branches, in any order: nothing is lost."""
    model, rng = network(), np.random.default_rng(0)
    sides = {16: rng.permutation(np.arange(16) % 2), 24: rng.permutation(np.arange(24) % 2), 8: np.arange(8) % 2}
    for name in ("inner_1", "outer_1", "inner_2", "outer_2", "hidden"):
        kernel = model.get_layer(name).kernel
        ins, outs = kernel.shape[-2:]
        kernel.assign(kernel.numpy() * (sides[ins][:, None] == sides[outs][None]))
    split = branch(model, 2)
    assert [one.name for one in split.layers] == ["inner_1", "outer_1", "inner_2", "outer_2", "hidden"]
    assert all(one.kept > 0.999 for one in split.layers)
    np.testing.assert_allclose(split.model(IMAGES[:8]), model(IMAGES[:8]), atol=1e-4)
    assert split.model.get_layer("inner_1").groups == 2
    assert split.model.count_params() < 0.6 * model.count_params()
    assert "stem" in split.skipped
    assert "head" in split.skipped
    check_sections(split)


def check_sections(split):
    """Put together, branches make what the section makes."""
    (section,) = split.sections  # residual blocks, pooling and the hidden layer
    models = split.models()
    assert len(models) == 2
    graph = split._dense
    source = next(
        node for node in graph.nodes if node.results[0].index == graph.nodes[section.nodes[0]].inputs[0].index
    )
    before = keras.Model(graph.model.input, graph.model.get_layer(source.path).output)
    after = keras.Model(graph.model.input, graph.model.get_layer(section.outputs[0]).output)
    x, y = np.asarray(before(IMAGES[:4])), np.asarray(after(IMAGES[:4]))
    size = x.shape[-1] // 2
    made = [
        next(iter(one({section.inputs[0]: x[..., n * size : (n + 1) * size]}).values())) for n, one in enumerate(models)
    ]
    np.testing.assert_allclose(np.concatenate(made, axis=-1), y, atol=1e-5)
    assert 2 * split.exchanged == x[0].nbytes + y[0].nbytes
    assert split.exchanged < split.exchanged_dense


def test_a_refit_brings_it_nearer():
    split = branch(network(), 2, layers=["inner_1", "outer_1"], data=IMAGES, samples=160)
    assert [one.name for one in split.layers] == ["inner_1", "outer_1"]
    assert all(0.5 <= one.kept < 0.9 for one in split.layers)
    assert split.after.error < split.before.error
    text = str(split)
    assert "after the refit" in text
    assert split.table().row_count == 2
    assert split.to_dict()["exchanged"] == split.exchanged
    assert [one.macs_after * 2 for one in split.layers] == [one.macs_before for one in split.layers]


def test_the_given_model_is_only_read():
    model = network()
    expected = model(IMAGES[:2]).numpy()
    branch(model, 4, data=IMAGES[:32])
    np.testing.assert_array_equal(model(IMAGES[:2]), expected)


def test_what_can_not_be_split_is_said():
    model = network()
    for wrong in (1, 0, True, 2.5):
        with pytest.raises(InputError, match="from 2"):
            branch(model, wrong)
    with pytest.raises(InputError, match="can be split into 5 branches"):
        branch(model, 5)
    with pytest.raises(InputError, match=r"head: its outputs keep their order|head: its 3 outputs"):
        branch(model, 2, layers=["head"])
    with pytest.raises(InputError, match="There is no layer 'iner_1'"):
        branch(model, 2, layers=["iner_1"])
    with pytest.raises(InputError, match="no section"):
        branch(model, 2).models(9)
