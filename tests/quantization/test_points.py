"""Where activations are quantised: which operations are one in a .tflite file, and which share a scale."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tfprune.errors import InputError
from tfprune.quantization import FakeQuantized, find_points


def points_of(model):
    """What is quantised, as {name: (inputs, before, outputs) for each call}, and the number of scales."""
    found = find_points(model)
    sites = {operation.name: sites for operation, sites in found.sites.values()}
    return sites, len({tuple(group) for group in found.shared})


def functional(make, shape=(8, 8, 3)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, make(inputs))


def test_a_normalisation_and_a_relu_are_one_with_the_convolution():
    def make(x):
        x = layers.Conv2D(4, 3, name="conv")(x)
        x = layers.ReLU(name="relu")(layers.Dropout(0.1)(layers.BatchNormalization(name="norm")(x)))
        return layers.Dense(2, name="dense")(layers.Flatten()(layers.MaxPooling2D()(x)))

    sites, scales = points_of(functional(make))
    assert set(sites) == {"conv", "relu", "dense"}
    assert (list(sites["conv"][0].inputs), list(sites["conv"][0].outputs)) == ([0], [])
    assert list(sites["relu"][0].outputs) == list(sites["dense"][0].outputs) == [0]
    assert scales == 3


def test_what_others_read_too_is_held():
    def make(x):
        x = layers.Conv2D(4, 3, name="conv")(x)
        return layers.Add(name="add")([x, layers.ReLU(name="relu")(x)])

    assert set(points_of(functional(make))[0]) == {"conv", "relu", "add"}


@pytest.mark.parametrize("bias", [True, False])
def test_a_transposed_convolution_without_a_bias_is_not_one_with_a_relu(bias):
    model = functional(lambda x: layers.Conv2DTranspose(4, 3, activation="relu", use_bias=bias, name="conv")(x))
    (site,) = points_of(model)[0]["conv"]
    assert (site.before is None) == bias


def test_what_is_put_side_by_side_has_one_scale():
    def make(x):
        x = layers.Concatenate(name="both")([layers.Conv2D(2, 1, name="one")(x), layers.Conv2D(2, 1, name="two")(x)])
        return layers.Conv2D(2, 1, name="end")(layers.AveragePooling2D(2, name="mean")(x))

    model = functional(make)
    sites, scales = points_of(model)
    assert set(sites) == {"one", "two", "both", "mean", "end"}
    assert scales == 3
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    model.get_layer("two").bias.assign([9.0, 9.0])
    quantized = FakeQuantized(model)
    quantized.calibrate(x)
    limits = {name: quantized.ranges[sites[name][0].outputs[0]].limits() for name in ("one", "two", "both", "mean")}
    assert len({tuple(float(v) for v in pair) for pair in limits.values()}) == 1
    assert float(limits["one"][1]) > 9


def test_what_is_combined_in_place_has_a_scale_that_holds_the_result():
    """As in files of TensorFlow 2.21; of two operands that nobody else reads it is the first."""

    def make(x):
        x = layers.Add(name="sum")([layers.Conv2D(4, 1, name="one")(x), layers.Conv2D(4, 1, name="two")(x)])
        return layers.Multiply(name="product")([x, layers.Conv2D(4, 1, name="three")(x)])

    found = find_points(functional(make))
    point = {operation.name: sites[0].outputs[0] for operation, sites in found.sites.values()}
    assert set(found.shared[point["one"]]) == {point["one"], point["sum"]}
    assert found.shared[point["two"]] == [point["two"]]
    assert found.shared[point["sum"]] == [point["sum"]]
    assert set(found.shared[point["three"]]) == {point["three"], point["product"]}


def test_activations_with_a_scale_of_their_own():
    def make(x):
        x = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(x)
        x = layers.Activation("tanh", name="tanh")(layers.Dense(4, name="dense")(x))
        return layers.Dense(3, activation="softmax", name="end")(layers.GlobalAveragePooling2D(name="mean")(x))

    sites, _ = points_of(functional(make))
    assert isinstance(sites["gate"][0].before, int)
    assert sites["gate"][0].outputs == {0: (0.0, 255 / 256)}
    assert sites["tanh"][0].outputs == {0: (-1.0, 127 / 128)}
    assert isinstance(sites["end"][0].before, int)
    assert sites["end"][0].outputs == {}  # the loss takes the logarithm of it


class Residual(keras.Model):
    """Code of its own: an addition between layers, and one ReLU for everything."""

    def __init__(self):
        super().__init__(name="residual")
        self.one, self.two = layers.Conv2D(4, 3, padding="same", name="one"), layers.Conv2D(4, 3, padding="same")
        self.norm, self.relu = layers.BatchNormalization(name="norm"), layers.ReLU(name="relu")
        self.three, self.head = layers.Conv2D(4, 1, name="three"), layers.Dense(3, name="head")

    def call(self, x):
        x = self.relu(self.one(x))
        x = self.relu(x + self.norm(self.two(x)))
        x = x * ops.sigmoid(self.three(x))
        return self.head(ops.mean(x, axis=(1, 2)))


def test_code_of_ones_own():
    model = Residual()
    model(np.zeros((2, 8, 8, 3), np.float32))
    sites, _ = points_of(model)
    assert [list(site.outputs) for site in sites["relu"]] == [[0], [0]]
    assert sites["relu"][0].outputs[0] != sites["relu"][1].outputs[0]
    assert list(sites["norm"][0].outputs) == list(sites["three"][0].outputs) == [0]
    assert list(sites["head"][0].inputs) == [0]  # made by no layer


def test_calls_of_which_nobody_knows_the_order_share_a_scale():
    shared = layers.Conv2D(4, 3, name="shared")
    one, two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    model = keras.Model([one, two], layers.Concatenate()([layers.ReLU()(shared(one)), shared(two)]))
    found = find_points(model)
    sites = next(sites for operation, sites in found.sites.values() if operation is shared)
    first, second = (site.inputs[0] for site in sites)
    assert second in found.shared[first]


def test_a_nested_model_is_looked_into():
    inner = functional(lambda x: layers.ReLU(name="relu")(layers.Conv2D(4, 3, name="conv")(x)))
    sites, _ = points_of(functional(lambda x: layers.Dense(2, name="head")(layers.Flatten()(inner(x)))))
    assert {"conv", "relu", "head"} == set(sites)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: keras.Sequential([layers.Dense(2)]), "no layer whose weights"),
        (lambda: functional(lambda x: layers.LayerNormalization()(x)), "needs a convolution or a Dense layer"),
        (lambda: functional(lambda x: layers.Dense(2, dtype="float16")(x)), "are float16"),
    ],
)
def test_models_that_nothing_is_quantised_of(make, text):
    with pytest.raises(InputError, match=text):
        FakeQuantized(make())


def test_what_is_called_is_put_back_after_an_error():
    model = functional(lambda x: layers.Conv2D(4, 3)(x))
    quantized = FakeQuantized(model)
    with pytest.raises(ZeroDivisionError), quantized.attached():
        1 / 0  # noqa: B018
    assert not any("call" in vars(layer) for layer in model.layers)
