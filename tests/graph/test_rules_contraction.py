"""Products of tensors and kernels by operations: what is summed over goes on both sides, or stays."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import check_cut, made_by
from keras import layers, ops

from tfprune.graph import trace

BATCH = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")


def pair(left="relu", right="relu"):
    """Two sequences of 5 × 8 features."""
    inputs = keras.Input((5, 6))
    one = layers.Dense(8, activation=left, name="a")(inputs)
    return inputs, one, layers.Dense(8, activation=right, name="b")(inputs)


def finish(inputs, x):
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.Flatten()(layers.Dense(7, name="z")(x))))


OVER_CHANNELS = {
    "einsum": lambda x, y: ops.einsum("btd,bsd->bts", x, y),
    "einsum ellipsis": lambda x, y: ops.einsum("...td,...sd->...ts", x, y),
    "matmul": lambda x, y: ops.matmul(x, ops.transpose(y, (0, 2, 1))),
    "dot": lambda x, y: layers.Dot(axes=(2, 2))([x, y]),
    "dot of one number": lambda x, y: layers.Dot(axes=2)([x, y]),
    "dot normalised": lambda x, y: layers.Dot(axes=2, normalize=True)([x, y]),
}


@pytest.mark.parametrize("name", OVER_CHANNELS)
def test_channels_that_are_multiplied_and_added_up_go_together(name):
    inputs, x, y = pair()
    _, _, small = check_cut(finish(inputs, OVER_CHANNELS[name](x, y)), "a", "z")
    assert small.get_layer("a").units == small.get_layer("b").units < 8


@pytest.mark.parametrize("name", OVER_CHANNELS)
@pytest.mark.parametrize(("left", "right"), [("sigmoid", "relu"), ("relu", "sigmoid"), ("sigmoid", "sigmoid")])
def test_one_side_has_to_be_zero_where_channels_go(name, left, right):
    inputs, x, y = pair(left, right)
    held = left == right or name == "dot normalised"
    model = finish(inputs, OVER_CHANNELS[name](x, y))
    check_cut(model, "z", *([] if held else ["a"]), held=["a", "b"] if held else [])


OVER_POSITIONS = {
    "einsum": lambda x, y: ops.einsum("btd,bte->bde", x, y),
    "matmul": lambda x, y: ops.matmul(ops.transpose(x, (0, 2, 1)), y),
    "dot": lambda x, y: layers.Dot(axes=1)([x, y]),
    "outer": lambda x, y: ops.einsum("btd,bte->btde", x, y),
    "stacks": lambda x, y: ops.matmul(ops.expand_dims(x, -1), ops.expand_dims(y, -2)),
}


@pytest.mark.parametrize("name", OVER_POSITIONS)
def test_channels_on_either_side_go_alone(name):
    inputs, x, y = pair("relu", "sigmoid")
    z = OVER_POSITIONS[name](x, y)
    check_cut(finish(inputs, z), "a", "b", "z")
    check_cut(keras.Model(inputs, ops.sum(z, axis=-1)), held=["b", "a"])  # the other axis is the output
    check_cut(keras.Model(inputs, ops.sum(z, axis=(-1, -2))), held=["b"])


def test_a_stack_of_one_is_broadcast():
    inputs, x, y = pair("sigmoid", "sigmoid")
    x = ops.sum(x, axis=1, keepdims=True)  # 1 × 8
    z = ops.matmul(ops.expand_dims(x, -1), ops.expand_dims(y, -2))  # stacks of 1 and of 5
    check_cut(finish(inputs, z), "a", "b", "z")


@pytest.mark.parametrize("name", ["a constant", "vectors", "a repeated letter"])
def test_products_that_are_not_followed(name):
    inputs, x, y = pair()
    z = {
        "a constant": lambda: ops.matmul(x, np.ones((8, 4), "float32")),
        "vectors": lambda: ops.expand_dims(ops.matmul(x, np.ones((8,), "float32")), -1),
        "a repeated letter": lambda: ops.einsum("btt->bt", ops.matmul(x, ops.transpose(y, (0, 2, 1))))[..., None],
    }[name]()
    graph, _, _ = check_cut(finish(inputs, z), "z", held=["a"] if name != "a repeated letter" else [], inputs=BATCH)
    assert graph.opaque


class Projection(keras.Layer):
    """A product with a kernel of its own, in one of several ways."""

    def __init__(self, how, units=7, **kwargs):
        super().__init__(**kwargs)
        self.how, self.units = how, units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), name="bias")

    def call(self, x):
        if self.how == "einsum":
            y = ops.einsum("btd,de->bte", x, self.kernel)
        elif self.how == "tensordot":
            y = ops.tensordot(x, self.kernel, axes=1)
        elif self.how == "tensordot of axes":
            y = ops.tensordot(x, self.kernel, axes=[[2], [0]])
        elif self.how == "dot":
            y = ops.dot(x, self.kernel)
        else:
            y = ops.matmul(x, self.kernel)
        return ops.relu(y + self.bias)


@pytest.mark.parametrize("how", ["matmul", "einsum", "tensordot", "tensordot of axes", "dot"])
def test_products_with_a_kernel_of_a_layers_own(how):
    inputs, x, _ = pair()
    graph, _, small = check_cut(finish(inputs, Projection(how, name="p")(x)), "a", "z")
    kernels = [e for g in graph.prunable for e in g.slices if e.path.endswith("p/kernel")]
    assert sorted(entry.axis for entry in kernels) == [0, 1]
    assert small.get_layer("z").kernel.shape[0] < 7


class Kernels(keras.Layer):
    """Convolutions by operations, with kernels of their own."""

    def __init__(self, how, **kwargs):
        super().__init__(**kwargs)
        self.how = how

    def build(self, shape):
        channels = shape[-1]
        sizes = {"conv": (3, 3, channels, 6), "grouped": (3, 3, channels // 2, 6), "depthwise": (3, 3, channels, 2),
                 "transposed": (3, 3, 6, channels), "separable": (3, 3, channels, 2)}  # fmt: skip
        self.kernel = self.add_weight(shape=sizes[self.how], name="kernel")
        if self.how == "separable":
            self.pointwise = self.add_weight(shape=(1, 1, 2 * channels, 6), name="pointwise")

    def call(self, x):
        if self.how == "depthwise":
            return ops.depthwise_conv(x, self.kernel, padding="same")
        if self.how == "transposed":
            return ops.conv_transpose(x, self.kernel, strides=2, data_format="channels_last")
        if self.how == "separable":
            return ops.separable_conv(x, self.kernel, self.pointwise, padding="same")
        return ops.conv(x, self.kernel, strides=2, padding="same")


@pytest.mark.parametrize(
    ("how", "free"),
    [("conv", True), ("depthwise", True), ("grouped", False), ("separable", False)],
)
def test_convolutions_with_a_kernel_of_a_layers_own(how, free):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, name="a")(inputs)
    x = layers.Conv2D(5, 1, name="z")(Kernels(how, name="k")(x))
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    graph, _, small = check_cut(model, "z", *(["a"] if free else []), held=[] if free else ["a"])
    assert small.get_layer("z").kernel.shape[2] < (16 if how == "depthwise" else 6) or not free
    assert not free or not graph.opaque


def test_a_transposed_convolution_by_an_operation_is_traced():
    """Keras 3.15 can't run the operation in a functional model, so only shapes are looked at."""
    inputs = keras.Input((8, 8, 3))
    x = Kernels("transposed", name="k")(layers.Conv2D(8, 3, name="a")(inputs))
    graph = trace(keras.Model(inputs, layers.Conv2D(5, 1, name="z")(x)))
    (group,) = made_by(graph, "a")
    assert group.prunable
    assert [entry.axis for entry in group.slices if entry.path == "k/kernel"] == [3]


def test_kernels_shared_by_an_operation_and_a_layer():
    class Again(keras.Layer):
        """The same kernel as another layer's, transposed by the equation."""

        def __init__(self, dense, **kwargs):
            super().__init__(**kwargs)
            self.dense = dense

        def call(self, x):
            return ops.einsum("bte,de->btd", x, self.dense._kernel)

    inputs = keras.Input((5, 6))
    x = layers.Dense(8, name="a")(inputs)
    dense = layers.Dense(7, name="b")
    x = Again(dense, name="again")(dense(x))  # an autoencoder with tied weights
    model = keras.Model(inputs, layers.Dense(3, name="head")(layers.Dense(4, name="c")(x)))
    _, _, small = check_cut(model, "a", "b", "c", copied=True, inputs=BATCH)
    assert small.get_layer("c").kernel.shape[0] == small.get_layer("a").units < 8


def test_a_layer_called_on_tensors_of_different_origins_makes_them_one():
    inputs, x, y = pair()
    shared = layers.Dense(7, name="shared")
    z = layers.Concatenate()([shared(x), shared(y)])
    _, _, small = check_cut(finish(inputs, z), "a", "shared", "z")
    assert small.get_layer("a").units == small.get_layer("b").units < 8


def test_a_layer_called_on_the_networks_input_too_keeps_its_inputs():
    inputs = keras.Input((5, 6))
    shared = layers.Dense(7, name="shared")
    x = layers.Dense(6, name="a")(inputs)
    z = layers.Add()([shared(x), shared(inputs)])
    check_cut(finish(inputs, z), "shared", "z", held=["a"])


def test_a_layer_called_on_its_own_output():
    inputs = keras.Input((5, 6))
    shared = layers.Dense(8, activation="relu", name="shared")
    x = shared(shared(layers.Dense(8, name="a")(inputs)))
    graph, _, small = check_cut(finish(inputs, x), "a", "z")
    assert small.get_layer("shared").kernel.shape[0] == small.get_layer("shared").units < 8
    assert made_by(graph, "shared") == made_by(graph, "a")


def test_one_normalisation_for_two_convolutions():
    inputs = keras.Input((8, 8, 3))
    norm = layers.BatchNormalization(name="norm")
    one, two = (norm(layers.Conv2D(8, 3, name=name)(inputs)) for name in "ab")
    x = layers.Concatenate()([one, two])
    _, _, small = check_cut(finish(inputs, x), "a", "z")
    assert small.get_layer("a").filters == small.get_layer("b").filters == small.get_layer("norm").gamma.shape[0]
