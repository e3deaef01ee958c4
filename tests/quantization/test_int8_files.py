"""The fake-quantised network beside the int8 file of it, run by the interpreter."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

import tfprune
from tfprune.benchmark import predict
from tfprune.quantization import FakeQuantized, quantize_kernel


def normalised(x, after=None):
    x = layers.BatchNormalization()(x)
    return x if after is None else after(x)


def plain(x):
    x = layers.Rescaling(0.5)(x)
    x = normalised(layers.Conv2D(8, 3, padding="same", use_bias=False)(x), layers.ReLU())
    x = layers.MaxPooling2D()(x)
    x = normalised(layers.Conv2D(12, 3)(x), layers.Activation("relu"))
    return layers.Dense(5)(layers.Dense(16, activation="relu")(layers.Flatten()(x)))


def separable(x):
    x = normalised(layers.Conv2D(8, 3, strides=2, padding="same")(x), layers.ReLU(6.0))
    for width in (12, 16):
        x = normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x), layers.ReLU(6.0))
        x = normalised(layers.Conv2D(width, 1, use_bias=False)(x), layers.ReLU(6.0))
    return layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def residual(x):
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = normalised(layers.Conv2D(8, 3, padding="same")(x), layers.ReLU())
    y = normalised(layers.Conv2D(8, 3, padding="same")(y))
    x = layers.ReLU()(layers.Add()([x, y]))
    x = keras.ops.relu(x + layers.Conv2D(8, 1)(x))
    return layers.Dense(5)(layers.GlobalAveragePooling2D()(x))


def concatenated(x):
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.Concatenate()([layers.Conv2D(4, 1)(x), layers.Conv2D(4, 3, padding="same", activation="relu")(x)])
    x = layers.Conv2D(4, 1)(layers.ZeroPadding2D(1)(layers.AveragePooling2D(2)(x)))
    return layers.GlobalAveragePooling2D()(x)


def dense(x):
    x = normalised(layers.Dense(16)(layers.Flatten()(x)), layers.ReLU())
    x = layers.Dense(12, activation="tanh")(x)
    return layers.Dense(5)(layers.LeakyReLU()(layers.Dense(8)(x)))


def excited(x):
    x = layers.Conv2D(8, 3, activation="relu")(x)
    s = layers.Conv2D(8, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Conv2DTranspose(6, 3, strides=2, activation="relu")(layers.Multiply()([x, s]))
    return layers.Conv2D(3, 1)(x)


def network(make):
    """The network with normalisations and biases that do something, some of their factors negative."""
    inputs = keras.Input((8, 8, 3), name="x")
    model = keras.Model(inputs, make(inputs))
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if "gamma" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape) * rng.choice([-1, 1, 1], weight.shape))
        elif "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif "kernel" not in weight.path:
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


def file_of(model, x, path):
    result = tfprune.to_tflite(model, path, quantize="int8", representative_data=x, verify=False)
    steps = Interpreter(str(path))
    scale = steps.get_tensor_details()[steps.get_output_details()[0]["index"]]["quantization_parameters"]["scales"]
    return predict(path, x)[0], result.outputs[0].scale or (scale[0] if len(scale) else None), steps


def samples():
    return np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize("make", [plain, separable, residual, concatenated, dense, excited], ids=lambda f: f.__name__)
def test_the_network_computes_what_the_file_does(make, tmp_path):
    """Within a step of the integers that come out, and much nearer than the network as it is.

    Two steps in some of them: the interpreter looks tanh up in a table, and rounds means and sums on the way.
    """
    x, model = samples(), network(make)
    in_file, step, _ = file_of(model, x, tmp_path / "model.tflite")
    exact = model.predict(x, verbose=0)
    step = step or max(1 / 256 if make is separable else np.ptp(np.append(exact, 0)) / 255, 1e-9)
    quantized = FakeQuantized(model)
    quantized.calibrate(x)
    with quantized.attached():
        fake = np.asarray(model(x, training=False))
    off, before = np.abs(fake - in_file) / step, np.abs(exact - in_file) / step
    assert off.max() <= {dense: 2.01, excited: 2.01, residual: 2.01}.get(make, 1.01)
    if make is not separable:  # its probabilities are rounded in the file only
        assert off.mean() < 0.75 * before.mean()
    assert np.array_equal(model.predict(x, verbose=0), exact)


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(6), layers.Conv2D(6, 3, padding="same"), layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.Conv2DTranspose(6, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_a_layer_alone(layer, tmp_path):
    """What the file holds is the fake-quantised kernel; what comes out is the same integer, or its neighbour."""
    x = samples()
    inputs = keras.Input((8, 8, 3), name="x")
    model = keras.Model(inputs, layer(inputs))
    in_file, _, interpreter = file_of(model, x, tmp_path / "model.tflite")
    quantized = FakeQuantized(model)
    (kernel,) = quantized.kernels
    wanted = quantize_kernel(kernel.variable, kernel.axes).numpy()
    stored = []
    for tensor in interpreter.get_tensor_details():
        parameters = tensor["quantization_parameters"]
        if tensor["dtype"] is np.int8 and len(parameters["scales"]) > 1:
            shape = [1] * len(tensor["shape"])
            shape[parameters["quantized_dimension"]] = -1
            stored.append(interpreter.get_tensor(tensor["index"]) * parameters["scales"].reshape(shape))
    assert any(np.allclose(np.sort(one, axis=None), np.sort(wanted, axis=None), rtol=1e-5, atol=1e-9) for one in stored)
    quantized.calibrate(x)
    with quantized.attached():
        fake = np.asarray(model(x, training=False))
    step = np.ptp(np.append(model.predict(x, verbose=0), 0)) / 255
    assert np.abs(fake - in_file).max() < 1.01 * step
    assert np.mean(np.abs(fake - in_file) < 0.01 * step) > 0.98


def test_a_folded_normalisation_changes_no_integer():
    """The scale of a channel is that of its largest weight, with whatever factor all of the channel have."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 6)).astype("float32")
    factor = np.array([0.3, -2.0, 1.0, 7.0, -0.01, 1e-5], np.float32)
    folded = quantize_kernel(kernel * factor, [0, 1, 2]).numpy()
    np.testing.assert_allclose(folded, quantize_kernel(kernel, [0, 1, 2]) * factor, rtol=1e-5, atol=1e-9)
