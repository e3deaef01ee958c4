"""Every form at full rank is the layer itself, with whatever options it has; below that it is near and smaller."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune.errors import InputError
from tfprune.factorization import Cp, Grouped, factorizations
from tfprune.factorization.geometry import geometry_of

CONV = ("spatial", "channel_in", "channel_out", "tucker", "cp", "depthwise", Grouped(groups=2))
OPTIONS = [
    {},
    {"strides": 2},
    {"dilation_rate": 2},
    {"padding": "same"},
    {"padding": "same", "strides": 2, "activation": "relu"},
    {"use_bias": False, "activation": "swish"},
    {"groups": 2},
    {"groups": 2, "padding": "same", "strides": 2, "activation": "relu6"},
]


def full_rank(layer, form):
    return factorizations.get(form).full(geometry_of(layer))


def assert_same(layer, chain, x, tolerance=1e-5):
    wanted, found = np.asarray(layer(x)), np.asarray(chain(x))
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance * max(np.abs(wanted).max(), 1.0)


def noisy(layer):
    """Give a layer a bias that is not zero."""
    rng = np.random.default_rng(1)
    if getattr(layer, "bias", None) is not None:
        layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer


@pytest.mark.parametrize("form", CONV, ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_full_rank_is_the_layer(form, options, dims):
    cls = (layers.Conv1D, layers.Conv2D, layers.Conv3D)[dims - 1]
    window = ((3,), (3, 3), (3, 2, 2))[dims - 1]
    layer = cls(6, window, **options)
    x = np.random.default_rng(0).normal(size=(2, *(8, 7, 7)[:dims], 4)).astype("float32")
    layer(x)
    noisy(layer)
    reason = factorizations.get(form).check(geometry_of(layer))
    if reason is not None:
        with pytest.raises(InputError, match="has no form"):
            tfprune.factorize_layer(layer, form, rank=1)
        assert "axes" in reason or "groups of several" in reason
        return
    assert_same(layer, tfprune.factorize_layer(layer, form, rank=full_rank(layer, form)), x)


@pytest.mark.parametrize("form", CONV, ids=str)
def test_full_rank_with_channels_first(form):
    layer = layers.Conv2D(6, 3, data_format="channels_first", padding="same", strides=2)
    x = np.random.default_rng(0).normal(size=(2, 4, 8, 8)).astype("float32")
    try:
        layer(x)
        layers.DepthwiseConv2D(3, data_format="channels_first")(x)
    except Exception:
        pytest.skip("this TensorFlow runs no convolutions with channels first on the CPU")
    assert_same(layer, tfprune.factorize_layer(layer, form, rank=full_rank(layer, form)), x)


def test_full_rank_of_a_causal_convolution():
    layer = layers.Conv1D(6, 3, padding="causal", dilation_rate=2)
    x = np.random.default_rng(0).normal(size=(2, 9, 4)).astype("float32")
    layer(x)
    for form in ("channel_in", "channel_out", "tucker", "grouped"):
        form = Grouped(groups=2) if form == "grouped" else form
        assert_same(layer, tfprune.factorize_layer(layer, form, rank=full_rank(layer, form)), x)
    for form in ("depthwise", "cp"):
        with pytest.raises(InputError, match="no causal depthwise"):
            tfprune.factorize_layer(layer, form, rank=2)


@pytest.mark.parametrize(
    ("equation", "output", "given"),
    [
        ("ab,bc->ac", (5,), (3, 4)),
        ("abc,cd->abd", (7, 5), (3, 7, 4)),
        ("...x,xy->...y", (5,), (3, 7, 4)),
        ("abc,cde->abde", (None, 2, 5), (3, 7, 4)),
        ("abde,dec->abc", (None, 6), (3, 7, 2, 4)),
        ("abc,bcd->abd", (7, 5), (3, 7, 4)),
    ],
)
def test_full_rank_of_einsum(equation, output, given):
    layer = layers.EinsumDense(equation, output, bias_axes=equation[-1], activation="relu")
    x = np.random.default_rng(0).normal(size=given).astype("float32")
    layer(x)
    noisy(layer)
    chain = tfprune.factorize_layer(layer, rank=full_rank(layer, "svd"))
    assert [type(part).__name__ for part in chain.layers] == ["EinsumDense", "EinsumDense"]
    assert_same(layer, chain, x)


def test_full_rank_of_products():
    rng = np.random.default_rng(0)
    for layer, x in (
        (layers.Dense(6, activation="gelu"), rng.normal(size=(3, 5, 4))),
        (layers.Conv2D(6, 1, strides=2, activation="relu"), rng.normal(size=(2, 5, 5, 4))),
        (layers.Conv1D(6, 1, groups=2), rng.normal(size=(2, 5, 4))),
        (layers.Embedding(9, 4), rng.integers(0, 9, (3, 5))),
    ):
        x = x.astype("float32" if x.dtype == float else "int32")
        layer(x)
        assert_same(noisy(layer), tfprune.factorize_layer(layer, rank=full_rank(layer, "svd")), x)


def test_a_mask_of_an_embedding_goes_on():
    x = np.array([[1, 2, 0], [3, 0, 0]])
    layer = layers.Embedding(9, 4, mask_zero=True)
    layer(x)
    reader = layers.LSTM(2)
    inputs = keras.Input((3,), dtype="int32")
    chain = keras.Model(inputs, reader(tfprune.factorize_layer(layer, rank=4)(inputs)))
    whole = keras.Model(inputs, reader(layer(inputs)))
    unmasked = keras.Model(inputs, reader(keras.ops.take(layer.embeddings, inputs, axis=0)))
    wanted = whole.predict(x, verbose=0)
    np.testing.assert_allclose(chain.predict(x, verbose=0), wanted, atol=1e-5)
    assert np.abs(unmasked.predict(x, verbose=0) - wanted).max() > 1e-3


@pytest.mark.parametrize("form", CONV, ids=str)
def test_error_falls_with_the_rank(form):
    layer = layers.Conv2D(8, 3)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 8)).astype("float32")
    wanted, form = np.asarray(layer(x)), factorizations.get(form)
    full = full_rank(layer, form)
    errors, sizes = [], []
    for part in (0.125, 0.5, 1.0):
        chain = tfprune.factorize_layer(layer, form, rank=tuple(max(1, int(part * most)) for most in full))
        errors.append(float(np.square(np.asarray(chain(x)) - wanted).sum()))
        sizes.append(chain.count_params())
    assert errors[0] > errors[1] > errors[2]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[0] < layer.count_params()


def test_cp_falls_back_when_tensorly_fails(monkeypatch):
    import tensorly.decomposition

    def fail(*args, **kwargs):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(tensorly.decomposition, "parafac", fail)
    layer = layers.Conv2D(8, 3)
    layer.build((None, 8, 8, 4))
    with pytest.warns(UserWarning, match="did not converge"):
        chain = tfprune.factorize_layer(layer, Cp(), rank=30)
    x = np.ones((1, 8, 8, 4), "float32")
    assert np.isfinite(np.asarray(chain(x))).all()
    wanted = np.asarray(layer(x))
    assert np.square(np.asarray(chain(x)) - wanted).sum() < np.square(wanted).sum()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": 0}, "an int from 1"),
        ({"rank": 1000}, "whose full rank is"),
        ({"rank": -3}, "an int from 1"),
        ({"rank": 1.5}, "an int from 1"),
        ({"rank": (2, 2)}, "has 1 ranks"),
        ({"rank": 2, "energy": 0.5}, "Give either"),
        ({}, "Nothing says how far to factorise .* rank=.* energy="),
        ({"form": 2, "rank": 2}, "2 is given as the form"),
        ({"form": 1000}, "whose full rank is"),
        ({"form": True, "rank": 2}, "True is not a form of factorisation"),
        ({"energy": 0.0}, "energy is 0.0"),
        ({"energy": 2.0}, "energy is 2.0"),
        ({"form": "sdv", "rank": 2}, "Did you mean 'svd'"),
        ({"form": "svd", "rank": 2}, "more than one position"),
        ({"form": "cp", "energy": 0.5}, "no singular values"),
        ({"form": Grouped(groups=3), "rank": 2}, "groups of several"),
    ],
)
def test_bad_ranks(options, said):
    layer = layers.Conv2D(8, 3)
    layer.build((None, 8, 8, 4))
    with pytest.raises(InputError, match=said):
        tfprune.factorize_layer(layer, **options)


@pytest.mark.parametrize("rank", [3, 0.5, np.int64(3)])
def test_a_number_that_comes_second_is_the_rank(rank):
    layer = layers.Conv2D(8, 3)
    layer.build((None, 8, 8, 4))
    chain, expected = tfprune.factorize_layer(layer, rank), tfprune.factorize_layer(layer, rank=rank)
    assert [w.shape for w in chain.weights] == [w.shape for w in expected.weights]
    for one, other in zip(chain.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_without_a_form():
    for layer, said in (
        (layers.BatchNormalization(), "has no factor form"),
        (layers.DepthwiseConv2D(3), "has no factor form"),
        (layers.Dense(3), "no weights yet"),
    ):
        if said != "no weights yet":
            layer.build((None, 8, 8, 4))
        with pytest.raises(InputError, match=said):
            tfprune.factorize_layer(layer, rank=2)


def test_forms_are_saved_with_keras():
    for name, groups in itertools.product(factorizations.names, (2,)):
        form = factorizations.get(name, **({"groups": groups} if name == "grouped" else {}))
        assert factorizations.deserialize(factorizations.serialize(form)) == form
