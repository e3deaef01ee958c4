"""Numbers rounded to integers of a scale: what they become, and what their gradient is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from support import examples

import tfprune
from tfprune.quantization import FakeQuantized, fake_quantize, quantize_activation, quantize_kernel
from tfprune.quantization.kernels import kernels_of

FINITE = st.floats(-1000, 1000, width=32).filter(lambda value: value == 0 or abs(value) > 1e-3)
KERNELS = arrays(np.float32, array_shapes(min_dims=2, max_dims=4, max_side=5), elements=FINITE)


def step_of(kernel, bits=8):
    """The scale of each output channel, in float64."""
    return np.abs(kernel.astype(np.float64)).max(axis=tuple(range(kernel.ndim - 1))) / (2 ** (bits - 1) - 1)


@settings(max_examples=examples(60), deadline=None)
@given(KERNELS, st.integers(4, 8))
def test_kernels(kernel, bits):
    axes = list(range(kernel.ndim - 1))
    made = quantize_kernel(kernel, axes, bits).numpy()
    step = step_of(kernel, bits)
    assert np.all(np.abs(made - kernel) <= step * 0.50001)
    assert np.all(made[kernel == 0] == 0)
    integers = np.divide(made, step, out=np.zeros(made.shape), where=step > 0)
    assert np.allclose(integers, np.round(integers), atol=1e-3)
    assert np.abs(integers).max(initial=0) <= 2 ** (bits - 1) - 1 + 1e-3
    assert np.allclose(quantize_kernel(made, axes, bits), made, rtol=1e-6)  # once more changes nothing


@settings(max_examples=examples(60), deadline=None)
@given(arrays(np.float32, 20, elements=FINITE), FINITE, FINITE)
def test_activations(values, one, other):
    low, high = np.float32(min(one, other, 0)), np.float32(max(one, other, 0))
    values = np.sort(np.append(values, np.float32(0)))
    made = quantize_activation(tf.constant(values), low, high).numpy()
    if low == high:
        assert np.array_equal(made, values)
        return
    step = (high.astype(np.float64) - low) / 255
    assert np.all(np.diff(made) >= 0)
    assert np.all(made[values == 0] == 0)
    assert made.min() >= low - 0.501 * step
    assert made.max() <= high + 0.501 * step
    inside = (values >= low + step / 2) & (values <= high - step / 2)
    assert np.all(np.abs(made - values)[inside] <= step * 0.51)
    assert np.allclose(quantize_activation(made, low, high), made, atol=1e-4 * step)


def test_the_gradient_is_that_of_the_values_in_range_as_they_are():
    """By definition: the slope of clip(x, lowest, highest), the bounds widened by the half step that rounds to them."""
    x = tf.constant(np.random.default_rng(1).uniform(-3, 5, 1601).astype(np.float32))
    scale, zero, lowest, highest = 0.25, -3.0, -8.0, 7.0
    weights = np.random.default_rng(0).normal(size=1601).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(weights * fake_quantize(x, scale, zero, lowest, highest))
    inside = (x >= (lowest - zero - 0.5) * scale) & (x <= (highest - zero + 0.5) * scale)
    found = tape.gradient(loss, x).numpy()
    assert np.array_equal(found, np.where(inside, weights, 0))
    assert 0 < np.count_nonzero(found) < 1601


def test_the_gradient_of_a_kernel_passes_its_largest_weight_too():
    kernel = tf.Variable(np.random.default_rng(1).normal(size=(3, 3, 4, 6)).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(quantize_kernel(kernel, [0, 1, 2], 4) * 3)
    assert np.array_equal(tape.gradient(loss, kernel), np.full((3, 3, 4, 6), 3, np.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_activations_keep_their_type(dtype):
    made = quantize_activation(tf.cast([-1.0, 0.3, 2.0], dtype), -1.0, 1.55)
    assert made.dtype == dtype
    assert np.allclose(tf.cast(made, "float32"), [-1.0, 0.3, 1.55], atol=0.01)


LAYERS = keras.layers


@pytest.mark.parametrize(
    ("layer", "shape", "scales"),
    [
        (LAYERS.Dense(5), (4,), 5),
        (LAYERS.EinsumDense("abc,cde->abde", (None, 2, 3)), (6, 4), 6),
        (LAYERS.EinsumDense("...c,dc->...d", (6,)), (4,), 6),
        (LAYERS.Conv1D(5, 3), (8, 2), 5),
        (LAYERS.Conv2D(6, 3, groups=2), (8, 8, 4), 6),
        (LAYERS.Conv2DTranspose(5, 3), (8, 8, 4), 5),
        (LAYERS.DepthwiseConv2D(3, depth_multiplier=2), (8, 8, 4), 8),
        (LAYERS.SeparableConv2D(5, 3), (8, 8, 4), 4 + 5),
        (LAYERS.Conv3D(5, 3), (8, 8, 8, 2), 0),
        (LAYERS.LSTM(5), (8, 2), 0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_there_is_a_scale_for_each_output_channel(layer, shape, scales):
    model = keras.Sequential([keras.Input(shape), layer])
    found = kernels_of(model)
    sizes = [np.prod([n for axis, n in enumerate(k.variable.shape) if axis not in k.axes]) for k in found]
    assert sum(sizes) == scales


def test_strip_takes_rounding_off_layers_and_operations():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.ops.relu(keras.layers.Dense(4)(inputs)) * 0.37)
    x = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
    before = model.predict(x, verbose=0)
    quantized = FakeQuantized(model, bits=4)
    quantized.attach()
    model.predict_function = None
    assert not np.allclose(model.predict(x, verbose=0), before, atol=1e-4)
    tfprune.strip(model)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)
