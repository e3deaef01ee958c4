"""What layers lost: CKA, signal-to-noise ratios and injected noise, on networks with one layer known to be hurt."""

import json

import keras
import numpy as np
import pytest
from analysis import planted
from keras import layers, ops

import tfprune
from tfprune.analysis import compare_layers, error_injection
from tfprune.analysis.likeness import Noise, cka, unbiased_hsic
from tfprune.errors import InputError

RNG = np.random.default_rng(0)


def turn(size, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def chain(depth=4, width=12):
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((8, 8, 2))
    for number in range(depth):
        x = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv_{number}")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="chain")


def test_cka_of_the_same_is_one_whatever_the_rotation_and_scale():
    x = RNG.normal(size=(40, 6))
    assert cka(x, x) == pytest.approx(1, abs=1e-12)
    assert cka(x, -3 * x @ turn(6, 1)) == pytest.approx(1, abs=1e-12)
    assert cka(x, x + 100) == pytest.approx(1, abs=1e-9)
    assert cka(x, x * [1, 1, 1, 10, 10, 10]) < 0.9  # any linear map it does not forgive


def test_cka_is_symmetric_and_has_no_bias():
    """Of unrelated features the mean is zero, also where there are more features than samples."""
    x, y = RNG.normal(size=(30, 200)), RNG.normal(size=(30, 100))
    assert cka(x, y) == pytest.approx(cka(y, x), abs=1e-12)
    values = [cka(np.random.default_rng(s).normal(size=(20, 50)), np.random.default_rng(99 + s).normal(size=(20, 50)))
              for s in range(60)]  # fmt: skip
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)


def test_the_estimator_is_the_mean_over_all_fours_of_samples():
    """Song et al.: HSIC₁ is the U-statistic; n = 5 is small enough to count it out."""
    from itertools import permutations

    k, m = (lambda z: z @ z.T)(RNG.normal(size=(5, 2))), (lambda z: z @ z.T)(RNG.normal(size=(5, 3)))
    fours = list(permutations(range(5), 4))
    counted = np.mean([k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in fours])
    assert unbiased_hsic(k, m) == pytest.approx(counted)


def test_noise_is_measured_in_decibels():
    signal = RNG.normal(size=(500, 4)) * 3 + 100
    noise = Noise(-1)
    for part in np.split(np.arange(500), 5):
        noise.add(signal[part], signal[part] + 0.3 * RNG.choice([-1, 1], size=(100, 4)))
    assert noise.decibels == pytest.approx(20, abs=0.3)


def test_the_layer_that_was_disturbed_is_found():
    before = chain()
    after = keras.models.clone_model(before)
    after.set_weights(before.get_weights())
    layer = after.get_layer("conv_1")
    layer.kernel.assign(layer.kernel + 0.05 * RNG.normal(size=layer.kernel.shape))
    found = compare_layers(before, after, planted.images(64, (8, 8, 2)))
    assert found.lost_most == "conv_1"
    assert found.layer("conv_0").snr == np.inf
    assert found.layer("conv_0").cka == pytest.approx(1, abs=1e-9)
    assert found.layer("conv_1").cka < 1 - 1e-5
    assert found.layer("conv_1").own_snr == pytest.approx(found.layer("conv_1").snr, abs=1e-3)
    for name in ("conv_2", "conv_3", "head"):  # hurt by what comes in, not by themselves
        assert found.layer(name).own_snr > 80
        assert found.layer(name).snr < 40
    assert found.error > 0


def test_channels_are_matched_after_a_cut():
    before = chain()
    after = tfprune.shrink(before, {"conv_0": [0, 5], "conv_2": [1, 2, 3]})
    found = compare_layers(before, after, planted.images(64, (8, 8, 2)))
    assert found.layer("conv_0").channels == (12, 10)
    assert found.layer("conv_0").snr == pytest.approx(np.inf)  # what is left is unchanged
    assert found.layer("conv_2").channels == (12, 9)
    assert found.layer("conv_1").own_snr < 40  # it has lost two of its inputs
    assert found.layer("conv_2").own_snr > 80
    assert found.lost_most in ("conv_1", "conv_3")


def test_without_a_record_only_cka_is_known_of_layers_of_other_widths():
    before, after = chain(), chain(width=10)
    found = compare_layers(before, after, planted.images(64, (8, 8, 2)))
    assert found.layer("conv_1").snr is None
    assert np.isfinite(found.layer("conv_1").cka)
    assert found.layer("head").snr is not None


def test_residual_networks_with_functions_are_compared():
    def network():
        x = inputs = keras.Input((6, 6, 4))
        y = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, padding="same", name="conv")(x))
        x = ops.relu(layers.Add(name="add")([x, y]))
        return keras.Model(inputs, layers.Dense(2, name="head")(layers.Flatten(name="flat")(x)))

    before, after = network(), network()
    after.set_weights(before.get_weights())
    after.get_layer("norm").gamma.assign([1, 1, 1, 0])
    found = compare_layers(before, after, planted.images(32, (6, 6, 4)))
    assert found.lost_most == "norm"


def test_results_are_tables_and_json():
    model = chain(2)
    found = compare_layers(model, tfprune.shrink(model, {"conv_0": [1]}), planted.images(32, (8, 8, 2)))
    assert json.loads(json.dumps(found.to_dict()))["layers"][0]["snr"] is None  # infinite
    assert "own SNR" in str(found)
    assert "lost most: conv_1" in str(found)
    with pytest.raises(InputError, match="at least 4"):
        compare_layers(model, model, planted.images(3, (8, 8, 2)))


def sensitive():
    """Three branches that are added; what the second makes counts a hundredfold, the third not at all."""
    inputs = keras.Input((6,))
    branches = [layers.Dense(6, name=name)(inputs) for name in ("weak", "strong", "none")]
    added = layers.Add()([branch * scale for branch, scale in zip(branches, (0.1, 10.0, 0.0), strict=True)])
    model = keras.Model(inputs, layers.Dense(2, name="head")(added))
    for name in ("weak", "strong", "none"):
        model.get_layer(name).kernel.assign(turn(6, 4))
    return model


def test_noise_in_the_sensitive_layer_does_most():
    x = planted.images(128, (6,))
    model = sensitive()
    found = error_injection(model, x, snr=20, layers=["weak", "strong", "none"])
    assert [each.layer for each in found.layers] == ["strong", "weak", "none"]
    assert found.layers[0].error == pytest.approx(0.01, rel=0.15)  # the noise passes a linear network as it is
    assert found.layers[2].error == 0
    again, other = (error_injection(model, x, snr=20, layers=["weak", "strong", "none"], seed=s) for s in (0, 1))
    assert again == found
    assert other != found
    assert error_injection(model, x, snr=20, layers=["weak"], seed=1_000_000).layers[0].error > 0  # any int will do


def test_noise_of_ten_decibels_more_does_a_tenth():
    x = planted.images(128, (6,))
    model = sensitive()
    errors = [error_injection(model, x, snr=snr, layers=["strong"]).layers[0].error for snr in (20, 30)]
    assert errors[0] / errors[1] == pytest.approx(10, rel=1e-3)


def test_the_loss_is_measured_where_there_are_labels():
    model = chain(2)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = planted.images(64, (8, 8, 2))
    y = model.predict(x, verbose=0).argmax(axis=1)
    found = error_injection(model, (x, y), snr=0)
    assert {each.layer for each in found.layers} == {"conv_0", "conv_1", "head"}
    assert found.layers[0].loss > 0
    assert found.layers[0].agreement <= 1
    assert "conv_0" in str(found)
    assert json.dumps(found.to_dict())
    with pytest.raises(InputError, match="snr"):
        error_injection(model, x, snr="loud")
