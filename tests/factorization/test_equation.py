"""Factors of a kernel: the same kernel from factors of equal size, wherever sizes can be shifted between them."""

import keras
import numpy as np
import pytest

import tfprune
from tfprune.factorization.equation import Equation


@pytest.mark.parametrize(
    ("text", "shapes", "shared"),
    [
        ("cr,ro->co", [(6, 3), (3, 5)], "r"),
        ("pct,cto->pco", [(9, 4, 2), (4, 2, 5)], "ct"),  # depthwise windows, then 1 × 1
        ("ar,br,cr,ro->abco", [(3, 4), (3, 4), (5, 4), (4, 6)], "r"),
    ],
)
def test_balanced_factors_make_the_same_kernel_and_have_equal_norms(text, shapes, shared):
    rng, equation = np.random.default_rng(0), Equation(text)
    factors = [rng.normal(size=shape) for shape in shapes]
    names = text.partition("->")[0].split(",")
    scale = 10.0 ** rng.uniform(-4, 4, [dict(zip(names[0], shapes[0], strict=True))[letter] for letter in shared])
    factors[0] = np.einsum(f"{names[0]},{shared}->{names[0]}", factors[0], scale)
    factors[-1] = np.einsum(f"{names[-1]},{shared}->{names[-1]}", factors[-1], 1 / scale)
    found = equation.balance(factors)
    np.testing.assert_allclose(equation.compose(found), equation.compose(factors), rtol=1e-9, atol=1e-9)
    norms = [np.einsum(f"{own}->{shared}", factor**2) for own, factor in zip(names, found, strict=True)]
    for one in norms[1:]:
        np.testing.assert_allclose(one, norms[0], rtol=1e-9)


def test_a_position_where_a_factor_is_zero_stays():
    factors = [np.ones((2, 3)), np.ones((3, 4))]
    factors[1][1] = 0.0
    found = Equation("cr,ro->co").balance(factors)
    assert (found[0][:, 1] == 1).all()
    assert (found[1][1] == 0).all()


@pytest.mark.parametrize("form", ["spatial", "channel_in", "depthwise"])
def test_factors_of_data_are_of_one_size(form):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((12, 12, 6)), keras.layers.Conv2D(8, 3, name="conv")])
    images = 100 * np.random.default_rng(0).normal(size=(256, 12, 12, 6)).astype("float32")
    small = tfprune.plan_factorization(model, tfprune.Budget(macs=0.7), form=form, data=images).apply()
    norms = [np.linalg.norm(w.numpy()) for w in small.trainable_weights if w.path.endswith("kernel")]
    assert len(norms) > 1
    assert max(norms) < 10 * min(norms)
