"""Element by element: sums, products, constants, broadcasting, and which of them leave zero where channels go."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from graph.oracle import check_cut
from keras import layers, ops

from tfprune.graph import trace

VECTOR = np.linspace(0.5, 2.0, 8).astype("float32")


def body(name="a", channels=8, **options):
    inputs = keras.Input((6, 6, 3))
    return inputs, layers.Conv2D(channels, 3, name=name, **options)(inputs)


def finish(inputs, x):
    x = layers.Conv2D(5, 1, name="z")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])
def test_what_meets_goes_together(name):
    inputs, x = body()
    y = layers.Conv2D(8, 3, name="b")(inputs)
    graph, chosen, small = check_cut(finish(inputs, getattr(layers, name)()([x, y])), "a", "z")
    assert set(graph.group("a").layers) == {"a", "b"}
    assert small.get_layer("b").filters == 8 - len(chosen["a"])


BINARY = ["add", "subtract", "multiply", "maximum", "minimum", "divide", "power", "logaddexp", "arctan2", "hypot",
          "greater", "where"]  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_operations_on_two_tensors(name):
    inputs, x = body(activation="relu")
    y = layers.Conv2D(8, 3, name="b", activation="sigmoid")(inputs)
    z = ops.where(y > 0.5, x, y) if name == "where" else getattr(ops, name)(x, y)
    if name == "divide":  # a quotient of zeros is no number in the zeroed model, so the divisor is lifted
        z = ops.divide(x, y + 1.0)
    _, _, small = check_cut(finish(inputs, ops.cast(z, "float32")), "a", "z")
    assert small.get_layer("b").filters == small.get_layer("a").filters < 8


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "subtract", "divide", "power"])
@pytest.mark.parametrize("shape", [(8,), (1, 1, 1, 8), (4, 4, 8), (1,), ()], ids=str)
def test_a_constant_of_the_channels_size_is_sliced(name, shape):
    inputs, x = body(activation="relu")
    constant = np.broadcast_to(VECTOR if 8 in shape else VECTOR[:1] if shape else VECTOR[0], shape)
    check_cut(finish(inputs, getattr(ops, name)(x, np.array(constant))), "a", "z")


def test_one_constant_in_two_places_is_sliced_in_both():
    inputs, x = body()
    y = layers.Conv2D(8, 3, name="b")(inputs)
    x, y = ops.multiply(x, VECTOR), ops.add(y, VECTOR)
    _, _, small = check_cut(finish(inputs, layers.Concatenate()([x, y])), "a", "b", "z")
    assert small.get_layer("b").filters == small.get_layer("a").filters < 8


def test_one_constant_for_channels_and_for_an_input_holds_the_channels():
    inputs = keras.Input((6, 6, 8))
    x = layers.Conv2D(8, 3, padding="same", name="a")(ops.multiply(inputs, VECTOR))
    check_cut(finish(inputs, ops.multiply(x, VECTOR)), "z", held=["a"])


UNARY = [
    "relu", "relu6", "sigmoid", "tanh", "silu", "gelu", "elu", "selu", "celu", "leaky_relu", "softplus",
    "softsign", "hard_sigmoid", "hard_silu", "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink",
    "log_sigmoid", "squareplus", "sparse_plus", "sparse_sigmoid", "exp", "expm1", "square", "absolute",
    "negative", "sign", "sin", "cos", "sinh", "cosh", "arctan", "arcsinh", "floor", "ceil", "round", "erf",
    "stop_gradient", "zeros_like", "ones_like", "nan_to_num", "exp2", "trunc", "isfinite", "threshold", "clip",
    "cast", "identity",
]  # fmt: skip


def unary(name, x):
    """Apply an operation of one argument."""
    more = {"clip": (-0.5, 0.7), "cast": ("float32",), "threshold": (0.1, 0.3)}.get(name, ())
    return x if name == "identity" else ops.cast(getattr(ops, name)(x, *more), "float32")


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("summed", [False, True], ids=["read", "summed"])
def test_functions_of_each_element(name, summed):
    """Channels may be added up without weights only where the function leaves zero in the removed ones."""
    inputs, x = body()
    y = unary(name, x)
    at_zero = np.asarray(unary(name, ops.zeros((1, 1))))
    if not summed:
        check_cut(finish(inputs, y), "a", "z")
    elif (at_zero == 0).all():
        check_cut(keras.Model(inputs, ops.sum(y, axis=-1)), "a")
    else:
        check_cut(keras.Model(inputs, ops.sum(y, axis=-1)), held=["a"])


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0, 6), (0.5, 2.0)])
def test_a_clip_keeps_zero_if_it_lies_between_the_bounds(bounds):
    inputs, x = body()
    model = keras.Model(inputs, ops.sum(ops.clip(x, *bounds), axis=-1))
    check_cut(model, *(["a"] if bounds[0] <= 0 else []), held=[] if bounds[0] <= 0 else ["a"])


@pytest.mark.parametrize("other", ["position", "number", "zero", "vector"])
def test_a_sum_with_what_has_no_channels_is_not_zero(other):
    """What is broadcast along the channels is still there when a channel has gone."""
    inputs, x = body()
    y = {
        "position": layers.Conv2D(1, 3, name="one")(inputs), "number": 1.5, "zero": 0.0, "vector": VECTOR,
    }[other]  # fmt: skip
    x = ops.add(x, y)
    check_cut(finish(inputs, x), "a", "z")
    silent = other == "zero"
    check_cut(keras.Model(inputs, ops.sum(x, axis=-1)), *(["a"] if silent else []), held=[] if silent else ["a"])


def test_a_product_with_what_has_no_channels_is_zero_only_if_the_other_is():
    inputs, _ = body()
    gate = layers.Conv2D(1, 3, name="gate")(inputs)
    loud = layers.Conv2D(8, 3, name="loud", activation="sigmoid")(inputs)
    quiet = layers.Conv2D(8, 3, name="quiet")(inputs)
    outputs = [ops.sum(layers.Multiply()([tensor, gate]), axis=-1) for tensor in (loud, quiet)]
    check_cut(keras.Model(inputs, outputs), "quiet", held=["loud"])


def test_a_gate_of_the_channels_silences_what_it_multiplies():
    inputs, x = body(activation="sigmoid")
    gate = layers.Conv2D(8, 3, name="gate")(inputs)
    check_cut(keras.Model(inputs, ops.sum(x * gate, axis=-1)), "a")


def test_a_power_of_silence_is_silent():
    inputs, x = body()
    check_cut(keras.Model(inputs, ops.mean(x**2, axis=-1)), "a")
    check_cut(keras.Model(inputs, ops.mean(ops.exp(x) ** 0.5, axis=-1)), held=["a"])


@pytest.mark.parametrize("axes", [None, [1, 2], [1], [3]], ids=str)
def test_slopes_of_a_prelu_go_with_their_channels(axes):
    inputs, x = body()
    x = layers.PReLU(shared_axes=axes, name="prelu", alpha_initializer="uniform")(x)
    _, chosen, small = check_cut(finish(inputs, x), "a", "z")
    if axes != [3]:
        assert small.get_layer("prelu").alpha.shape[-1] == 8 - len(chosen["a"])


LAYERS = {
    "relu": layers.ReLU(6.0, 0.1, 0.0), "leaky": layers.LeakyReLU(0.2), "elu": layers.ELU(),
    "raised": layers.ReLU(threshold=0.5), "activation": layers.Activation("swish"), "dropout": layers.Dropout(0.3),
    "spatial": layers.SpatialDropout2D(0.3), "alpha": layers.AlphaDropout(0.3), "noise": layers.GaussianNoise(0.3),
    "gaussian": layers.GaussianDropout(0.3), "identity": layers.Identity(), "scaled": layers.Rescaling(2.0, 0.5),
    "regularised": layers.ActivityRegularization(0.1),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_each_element(name):
    inputs, x = body()
    layer = LAYERS[name].__class__.from_config(LAYERS[name].get_config())
    check_cut(finish(inputs, layer(x)), "a", "z")


def test_a_rescaling_with_a_scale_for_each_channel_keeps_them():
    inputs, x = body()
    check_cut(finish(inputs, layers.Rescaling(VECTOR.tolist())(x)), "z", held=["a"])


@pytest.mark.parametrize(("axis", "held"), [(-1, ["a"]), (1, []), ([1, 2], []), ([2, 3], ["a"])], ids=str)
def test_a_softmax_holds_what_it_is_taken_over(axis, held):
    inputs, x = body()
    x = layers.Softmax(axis=axis)(x)
    check_cut(finish(inputs, x), "z", *([] if held else ["a"]), held=held)


def test_a_variable_of_the_channels_size_is_sliced():
    class Affine(keras.Layer):
        """A scale and an offset, by plain operations."""

        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), name="scale")
            self.offset = self.add_weight(shape=(1, 1, 1, shape[-1]), name="offset")

        def call(self, x):
            return x * self.scale + self.offset

    inputs, x = body()
    graph, _, small = check_cut(finish(inputs, Affine(name="affine")(x)), "a", "z")
    assert {entry.path.split("/")[-1] for entry in graph.group("a").slices} >= {"scale", "offset"}
    assert not any(isinstance(layer, Affine) for layer in small.layers)


HOLDING = {
    "convolution": lambda: layers.Conv2D(8, 3, activation="softmax", name="s"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, activation="softmax"),
    "separable": lambda: layers.SeparableConv2D(8, 3, activation="log_softmax", name="s"),
    "transposed": lambda: layers.Conv2DTranspose(8, 3, activation="softmax", name="s"),
    "dense": lambda: layers.Dense(8, activation="softmax", name="s"),
    "activation": lambda: layers.Activation("softmax"),
    "own": lambda: layers.Activation(lambda x: x / (1 + ops.sum(ops.abs(x), axis=-1, keepdims=True))),
    "own in a convolution": lambda: layers.Conv2D(8, 3, activation=lambda x: x - ops.max(x, axis=-1, keepdims=True)),
    "layer": lambda: layers.Conv2D(8, 3, activation=layers.PReLU(shared_axes=[1, 2])),
    "layer softmax": lambda: layers.Conv2D(8, 3, activation=layers.Softmax()),
}


@pytest.mark.parametrize("name", HOLDING)
def test_activations_that_mix_channels_hold_them(name):
    inputs, x = body()
    model = finish(inputs, HOLDING[name]()(x))
    made = ["s"] if any(layer.name == "s" for layer in model.layers) else []
    if "own" in name or "layer" in name:  # such a function can't be copied, so that only the graph is looked at
        groups = trace(model).prunable
        assert [group.name for group in groups] == ["z"]
    else:
        free = ["a"] if made else []
        check_cut(model, "z", *free, held=made or ["a"])


def test_an_activation_of_ones_own_that_looks_at_each_element_is_followed():
    def swish(x):
        return x * ops.sigmoid(1.702 * x)

    inputs, x = body(activation=swish)
    model = finish(inputs, layers.Activation(swish)(x))
    with keras.utils.custom_object_scope({"swish": swish}):
        check_cut(model, "a", "z")
