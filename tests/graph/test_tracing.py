"""Tracing reads a model and leaves it as it was; it names everything, and says what it can't do."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph.oracle import check_oracle, scramble
from keras import layers, ops

import tfprune
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.surgery import cut_graph, shrink


class Counting(layers.Layer):
    """A layer that counts its calls."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x):
        self.count.assign_add(1.0)
        return ops.negative(x)


class Costly(layers.Layer):
    """A layer that adds a loss."""

    def call(self, x):
        self.add_loss(ops.mean(ops.square(x)))
        return x


class Own(layers.Layer):
    """A layer of layers and of a weight, with a training argument."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(6, name="dense")
        self.dropout = layers.Dropout(0.5, seed=1)

    def build(self, shape):
        self.scale = self.add_weight(shape=(6,), name="scale")
        self.dense.build(shape)

    def call(self, x, training=False):
        return ops.relu(self.dropout(self.dense(x), training=training) * self.scale)


class Inside(keras.Model):
    """A nested model that is called twice, and layers of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        x = keras.Input((4,))
        self.nested = keras.Model(x, layers.Dense(4, activation="relu", name="dense")(x), name="nested")
        self.counting, self.costly, self.own = Counting(name="counting"), Costly(name="costly"), Own(name="own")
        self.last = layers.Dense(2, name="last")

    def call(self, x, training=False):
        x = self.costly(self.counting(self.nested(self.nested(x))))
        return self.last(self.own(x, training=training))


def functional():
    x = keras.Input((4,))
    nested = keras.Model(x, layers.Dense(4, activation="relu", name="dense")(x), name="nested")
    y = Costly(name="costly")(Counting(name="counting")(nested(nested(x))))
    return keras.Model(x, layers.Dense(2, name="last")(Own(name="own")(y)))


def subclassed():
    model = Inside()
    model(np.zeros((1, 4), "float32"))
    return model


def calls(model):
    """Return how many calls Keras has noted on each layer and operation of a model."""
    operations = {id(x): x for layer in model._flatten_layers() for x in (layer, *getattr(layer, "_operations", []))}
    return {key: (len(x._inbound_nodes), len(x._outbound_nodes)) for key, x in operations.items()}


@pytest.mark.parametrize("build", [functional, subclassed])
def test_the_model_is_left_as_it_was(build, tmp_path):
    """Weights bit by bit, noted calls, losses and attributes are the same; it trains with its old train function."""
    model = build()
    model.compile("sgd", "mse")
    x, y = np.ones((8, 4), "float32"), np.zeros((8, 2), "float32")
    model.fit(x, y, epochs=1, verbose=0)
    own = model.get_layer("own") if build is functional else model.own
    function, attributes = model.train_function, dict(vars(own))
    before = [np.array(v.numpy()) for v in model.variables]
    noted, losses = calls(model), len(model.losses)
    graph = trace(model)
    assert [group.name for group in graph.prunable] == ["own/dense"]
    shrink(model, {"own/dense": [0]})
    shrink(model)
    assert all((old == v.numpy()).all() for old, v in zip(before, model.variables, strict=True))
    assert calls(model) == noted
    assert len(model.losses) == losses
    assert not any(isinstance(loss, keras.KerasTensor) for loss in model.losses)
    assert vars(own).keys() == attributes.keys()
    assert all(vars(own)[key] is value for key, value in attributes.items())
    assert model.train_function is function
    model.fit(x, y, epochs=1, verbose=0)
    assert any((old != v.numpy()).any() for old, v in zip(before, model.variables, strict=True))
    if build is functional:
        model.save(tmp_path / "model.keras")


def test_layer_names_are_kept():
    """The smaller model's layers have the names that they had."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="first")(image)
    x = layers.BatchNormalization(name="norm")(x)
    model = keras.Model(image, layers.Conv2D(2, 1, name="second")(x), name="whole")
    small = shrink(model, {"first": [1]})
    assert [layer.name for layer in small.layers] == ["image", "first", "norm", "second"]
    assert small.name == "whole"


def test_layers_of_the_same_name_get_their_path():
    """Two nested models have a layer of the same name each: the second gets its path."""

    def part(name):
        x = keras.Input((6,))
        return keras.Model(x, layers.Dense(6, name="dense")(x), name=name)

    x = keras.Input((6,))
    model = keras.Model(x, layers.Dense(1, name="head")(part("right")(part("left")(x))))
    graph, _, small = check_oracle(model)
    assert {group.name for group in graph.prunable} == {"left/dense", "right/dense"}
    assert [layer.name for layer in small.layers][1:] == ["dense", "right_dense", "head"]


def test_a_nested_model_called_twice_is_one_set_of_weights():
    """Both calls are recorded, both with the layer's weights, which the smaller model has once."""
    model = functional()
    graph = trace(model)
    assert [node.path for node in graph.nodes if node.kind == "Dense"][:2] == ["nested/dense"] * 2
    small = cut_graph(graph, {})
    assert small.count_params() == model.count_params()
    assert len([layer for layer in small.layers if layer.name == "dense"]) == 1


def test_structures_of_inputs_and_outputs_are_kept():
    """Dicts, lists and names in, dicts out, in any mixture."""
    given = {"a": keras.Input((4,), name="a"), "rest": [keras.Input((5,), name="b"), keras.Input((3,), name="c")]}
    x = layers.Concatenate()([given["a"], *given["rest"]])
    x = layers.Dense(8, activation="relu", name="hidden")(x)
    model = keras.Model(given, {"one": layers.Dense(1)(x), "two": [layers.Dense(2)(x), layers.Dense(3)(x)]})
    _, chosen, small = check_oracle(model)
    assert chosen.keys() == {"hidden"}
    shapes = [
        keras.tree.map_structure(lambda t: t.shape, (m._inputs_struct, m._outputs_struct)) for m in (model, small)
    ]
    assert shapes[0] == shapes[1]
    assert [x.name for x in small.inputs] == ["a", "b", "c"]


class Raw(keras.Model):
    """A model whose own call is raw TensorFlow."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(3)

    def call(self, x):
        return tf.nn.relu(self.dense(x))


def test_raw_tensorflow_in_a_models_call_is_refused_with_what_to_do():
    model = Raw()
    model(np.zeros((1, 4), "float32"))
    with pytest.raises(InputError, match=r"can't be traced.*into a layer of its own"):
        trace(model)


@pytest.mark.parametrize("build", [functional, subclassed])
def test_what_a_layer_does_besides_its_outputs_is_kept(build):
    """A layer that assigns to a weight or adds a loss is opaque with that reason, and still does so when copied."""
    graph = trace(build())
    reasons = {node.path: node.opaque for node in graph.opaque}
    assert reasons.keys() == {"counting", "costly"}
    assert "assigns to" in reasons["counting"]
    assert "add_loss" in reasons["costly"]
    small = cut_graph(graph, {"own/dense": [1]})
    before = float(small.get_layer("counting").count.numpy())
    small(np.ones((1, 4), "float32"))
    assert float(small.get_layer("counting").count.numpy()) == before + 1
    assert len(small.losses) == 1


@pytest.mark.parametrize("thing", [None, 3, layers.Dense(2), "model.keras", np.zeros(3)], ids=str)
def test_what_is_not_a_model_is_refused(thing):
    with pytest.raises(InputError, match="not a Keras model"):
        trace(thing)


@pytest.mark.parametrize("model", [keras.Sequential([layers.Dense(2)]), Inside()], ids=["sequential", "subclassed"])
def test_an_unbuilt_model_is_refused_with_what_to_do(model):
    with pytest.raises(InputError, match="calling it on a batch"):
        trace(model)


class Closed(layers.Layer):
    """Raw TensorFlow, and an argument that no config can describe."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, x):
        return self.function(x)


def test_a_layer_without_get_config_is_refused_with_what_to_do():
    """Tracing works; copying does not, and says which layer it is."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6), Closed(tf.nn.relu, name="closed"), layers.Dense(1)])
    graph = trace(model)
    assert [node.path for node in graph.opaque] == ["closed"]
    with pytest.raises(InputError, match=r"closed.*get_config"):
        shrink(model, {})


def chain(depth):
    """Return a residual chain."""
    x = inputs = keras.Input((4, 4, 4))
    x = layers.Conv2D(6, 1)(x)
    for _ in range(depth):
        y = layers.BatchNormalization()(layers.Conv2D(5, 1)(x))
        x = layers.Add()([x, layers.Conv2D(6, 1)(layers.ReLU()(y))])
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def test_work_grows_with_depth_and_no_faster():
    """Nodes, labels and slices of a chain of 40 blocks are those of 20 and as many again."""
    sizes = []
    for depth in (10, 20, 40):
        graph = trace(chain(depth))
        slices = sum(len(group.slices) for group in graph.groups)
        assert len(graph.groups) == depth + 2
        sizes.append(np.array([len(graph.nodes), len(graph.walk.labels), slices]))
    assert (sizes[2] - sizes[1] == 2 * (sizes[1] - sizes[0])).all()


def test_every_weight_has_a_place():
    """No trainable weight of a traced model is missing from its groups or axes."""
    model = scramble(functional())
    graph = trace(model)
    seen = {id(variable) for variable in graph.walk.variables.values()}
    assert {v.path for v in model.trainable_variables if id(v) not in seen} == set()


def test_layers_that_are_called_by_keyword():
    inputs = keras.Input((4, 8))
    a, b = keras.layers.Dense(6, name="a")(inputs), keras.layers.Dense(6, name="b")(inputs)
    x = keras.layers.Concatenate()(inputs=[a, b])
    x = keras.layers.Attention()(inputs=[x, x])
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    small = shrink(model, {"a": [0, 3]})
    assert small.get_layer("a").units == 4


def test_a_convolution_makes_filters_whatever_it_is_called():
    inputs = keras.Input((9, 3))
    x = keras.layers.Conv1D(4, 3, name="keyword")(inputs)
    x = keras.layers.Conv1DTranspose(5, 3, name="value")(x)
    groups = trace(keras.Model(inputs, keras.layers.Conv1D(2, 1)(x))).groups
    assert {group.kind for group in groups if group.prunable} == {"filter"}


def test_layers_of_the_same_name_side_by_side_have_paths_of_their_own():
    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.other = keras.layers.Dense(8, name="twin"), keras.layers.Dense(8, name="twin")

        def call(self, x):
            return self.other(self.one(x))

    model = Twins()
    model(np.ones((2, 8)))
    tfprune.prune(model, 0.5)
    assert [float(np.mean(layer.kernel.numpy() == 0)) for layer in (model.one, model.other)] == [0.5, 0.5]
    tfprune.prune(model, per_layer={"twin#2": 0.75})
    assert float(np.mean(model.other.kernel.numpy() == 0)) == 0.75
