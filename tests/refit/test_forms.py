"""Linear layers as matrices: rows times matrix plus bias is what the layer computes."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from support import examples

from tfprune.refit.forms import Form, find_form, register_form
from tfprune.refit.windows import window_index

RNG = np.random.default_rng(0)

CASES = {
    "dense": (lambda: layers.Dense(3), (5,)),
    "dense over steps": (lambda: layers.Dense(3, use_bias=False), (4, 5)),
    "conv 1d causal": (lambda: layers.Conv1D(4, 3, padding="causal", dilation_rate=2), (9, 2)),
    "conv 2d": (lambda: layers.Conv2D(4, (3, 2), strides=2), (8, 7, 2)),
    "conv 2d same": (lambda: layers.Conv2D(4, 4, strides=3, padding="same"), (8, 7, 2)),
    "conv 2d dilated": (lambda: layers.Conv2D(4, 3, dilation_rate=(2, 1), padding="same"), (8, 7, 2)),
    "conv 2d grouped": (lambda: layers.Conv2D(6, 3, groups=2, padding="same"), (5, 5, 4)),
    "conv 2d by channel": (lambda: layers.Conv2D(8, 3, groups=4), (5, 5, 4)),
    "conv 3d": (lambda: layers.Conv3D(2, 2, padding="same"), (3, 4, 5, 2)),
    "depthwise 1d": (lambda: layers.DepthwiseConv1D(3, depth_multiplier=2, padding="same"), (7, 3)),
    "depthwise 2d": (lambda: layers.DepthwiseConv2D(3, strides=2, padding="same"), (7, 6, 3)),
    "separable 1d": (lambda: layers.SeparableConv1D(4, 3, padding="same"), (7, 3)),
    "separable 2d": (lambda: layers.SeparableConv2D(4, 3, strides=2, depth_multiplier=2), (7, 8, 3)),
    "transposed 1d": (lambda: layers.Conv1DTranspose(4, 3, strides=2, padding="same"), (5, 2)),
    "transposed 2d": (lambda: layers.Conv2DTranspose(4, 3, strides=2), (5, 4, 2)),
    "transposed 2d same": (lambda: layers.Conv2DTranspose(3, 4, strides=2, padding="same"), (5, 4, 2)),
    "transposed 2d output padding": (
        lambda: layers.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1),
        (4, 4, 2),
    ),
    "transposed 3d": (lambda: layers.Conv3DTranspose(2, 2, strides=2), (2, 3, 2, 2)),
    "einsum to heads": (lambda: layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de"), (4, 5)),
    "einsum from heads": (
        lambda: layers.EinsumDense("abcd,cde->abe", output_shape=(None, 5), bias_axes="e"),
        (4, 2, 3),
    ),
    "einsum by head": (lambda: layers.EinsumDense("abhd,hde->abhe", output_shape=(None, 2, 6)), (4, 2, 3)),
    "einsum with an ellipsis": (lambda: layers.EinsumDense("...x,xy->...y", output_shape=3, bias_axes="y"), (4, 2, 5)),
    "einsum turned": (lambda: layers.EinsumDense("abc,cd->adb", output_shape=(3, None), bias_axes=None), (4, 5)),
    "einsum that adds up": (lambda: layers.EinsumDense("abc,cd->ad", output_shape=(3,)), (4, 5)),
}


def built(make, shape):
    """Return a layer with random weights and its outputs on random inputs."""
    layer = make()
    x = RNG.normal(size=(3, *shape)).astype("float32")
    layer(x)
    for weight in layer.weights:
        weight.assign(RNG.normal(size=weight.shape))
    return layer, x, np.asarray(layer(x))


@pytest.mark.parametrize("name", CASES)
def test_rows_times_matrix_plus_bias_is_the_layer(name):
    layer, x, y = built(*CASES[name])
    form = find_form(layer)
    count = form.count((None, *x.shape[1:]), (None, *y.shape[1:]))
    places = np.sort(RNG.permutation(count)[: max(count // 2, 1)])
    found = form.rows(x, y.shape, places) @ form.weights + form.offsets[:, None]
    np.testing.assert_allclose(found, form.targets(y, places), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_a_matrix_goes_back_into_the_kernel(name):
    layer, _, _ = built(*CASES[name])
    form = find_form(layer)
    kernel = form.kernel.numpy()
    np.testing.assert_array_equal(form.kernel_of(form.matrix(kernel)), kernel)
    form.write(form.weights * 2, form.offsets + 1)
    np.testing.assert_allclose(form.kernel.numpy(), kernel * 2)


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_numbered_along_the_kernel(name):
    layer = built(*CASES[name])[0]
    form = find_form(layer)
    numbers = form.matrix(form.numbers())
    blocks, _, outputs = form.size
    assert (numbers == np.arange(blocks * outputs).reshape(blocks, 1, outputs)).all()


def test_channels_first_is_turned():
    layer = layers.Conv2D(3, 2, data_format="channels_first")
    layer.build((None, 2, 5, 4))
    x = RNG.normal(size=(2, 2, 5, 4)).astype("float32")
    last = layers.Conv2D(3, 2)
    last.build((None, 5, 4, 2))
    last.set_weights(layer.get_weights())
    y = np.moveaxis(np.asarray(last(np.moveaxis(x, 1, -1))), -1, 1)
    form = find_form(layer)
    places = np.arange(form.count(x.shape, y.shape))
    np.testing.assert_allclose(
        form.rows(x, y.shape, places) @ form.weights, form.targets(y, places), rtol=1e-4, atol=1e-5
    )


@settings(max_examples=examples(60), deadline=None)
@given(
    size=st.integers(1, 12), window=st.integers(1, 5), stride=st.integers(1, 3), dilation=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same", "causal"]),
)  # fmt: skip
def test_windows_of_any_convolution(size, window, stride, dilation, padding):
    if (stride > 1 and dilation > 1) or (padding == "valid" and (window - 1) * dilation + 1 > size):
        return
    layer = layers.Conv1D(1, window, strides=stride, dilation_rate=dilation, padding=padding, use_bias=False)
    x = np.arange(1.0, size + 1).reshape(1, size, 1).astype("float32")
    kernel = RNG.integers(1, 5, (window, 1, 1)).astype("float32")
    layer.build(x.shape)
    layer.kernel.assign(kernel)
    y = np.asarray(layer(x)).ravel()
    table = window_index(size, len(y), window, stride, dilation, padding)
    np.testing.assert_allclose(np.append(x.ravel(), 0)[table] @ kernel.ravel(), y, rtol=1e-5)


@settings(max_examples=examples(60), deadline=None)
@given(
    size=st.integers(1, 8), window=st.integers(1, 5), stride=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same"]),
)  # fmt: skip
def test_windows_of_any_transposed_convolution(size, window, stride, padding):
    layer = layers.Conv1DTranspose(1, window, strides=stride, padding=padding, use_bias=False)
    x = np.arange(1.0, size + 1).reshape(1, size, 1).astype("float32")
    kernel = RNG.integers(1, 5, (window, 1, 1)).astype("float32")
    layer.build(x.shape)
    layer.kernel.assign(kernel)
    y = np.asarray(layer(x)).ravel()
    table = window_index(size, len(y), window, stride, 1, padding, transposed=True)
    np.testing.assert_allclose(np.append(x.ravel(), 0)[table] @ kernel.ravel(), y, rtol=1e-5)


def test_layers_that_are_not_linear_have_no_form():
    class Own(layers.Dense):
        def call(self, x):
            return super().call(x) ** 2

    adapted = layers.Dense(4)
    adapted.build((None, 4))
    adapted.enable_lora(2)
    assert find_form(layers.ReLU()) is None
    assert find_form(Own(3)) is None
    assert find_form(adapted) is None


def test_a_layer_of_ones_own_can_be_registered():
    @keras.saving.register_keras_serializable("tests")
    class Doubled(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")
            self.use_bias = False

        def call(self, x):
            return 2 * (x @ self.kernel)

    @register_form(Doubled)
    class DoubledForm(Form):
        def matrix(self, kernel):
            return 2 * kernel[None]

        def kernel_of(self, matrix):
            return matrix[0] / 2

        def count(self, x, y):
            return 1

        def rows(self, x, y, places):
            return x[None]

        def targets(self, y, places):
            return y[None]

    layer, x, y = built(Doubled, (4,))
    form = find_form(layer)
    np.testing.assert_allclose(form.rows(x, y.shape, [0]) @ form.weights, y[None], rtol=1e-5)
