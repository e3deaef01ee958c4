"""Networks that fit into a device: every number is checked on the file that comes out."""

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune import Budget, InputError
from tfprune.micro import fit_device, measure

pytest.importorskip("tflite_micro")


def net() -> keras.Model:
    keras.utils.set_random_seed(0)
    x = image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(24, 3, padding="same", activation="relu", name="stem")(x)
    x = layers.DepthwiseConv2D(3, strides=2, activation="relu")(x)
    x = layers.Conv2D(48, 1, activation="relu", name="pointwise")(x)
    x = layers.Dense(40, activation="relu", name="hidden")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(5, activation="softmax", name="scores")(x), name="net")


def test_a_budget_that_is_met_already_changes_nothing(images, tmp_path, capsys):
    model = net()
    fitted = fit_device(model, Budget(flash="1MB", ram="1MB"), data=images, path=tmp_path / "m.tflite")
    assert fitted.model is model
    assert fitted.path.read_bytes() == fitted.tflite
    assert [probe.fits for probe in fitted.probes] == [True]
    assert "fits net into 1.00 MB of flash and 1.00 MB of RAM" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("bounds", [{"ram": "9kB"}, {"flash": 10_000, "ram": "10 KiB"}])
def test_the_budget_is_met_by_the_file_itself(bounds, images, tmp_path, capsys):
    model, budget = net(), Budget(**bounds)
    before = [weight.numpy() for weight in model.weights]
    fitted = fit_device(model, budget, data=images, probes=4, path=tmp_path / "m.tflite")
    limits = budget.device()
    size = (tmp_path / "m.tflite").stat().st_size
    assert size == len(fitted.tflite) == fitted.footprint.flash_bytes <= limits.get("flash", size)
    again = measure(tmp_path / "m.tflite")
    assert again.arena_bytes == fitted.footprint.arena_bytes <= limits.get("ram", again.arena_bytes)
    assert again.inputs[0].dtype == again.outputs[0].dtype == "int8"

    assert not fitted.probes[0].fits, "the whole network is measured first"
    assert fitted.probes[0].flash == fitted.whole.flash_bytes
    assert fitted.probes[1].fits, "then the smallest"
    largest = max((probe for probe in fitted.probes if probe.fits), key=lambda probe: probe.macs)
    assert fitted.model.count_params() < model.count_params()
    assert largest.macs > fitted.probes[1].macs, "the result is not just the smallest"
    kept = {layer.name: layer for layer in fitted.model.layers}
    for name, units in (("stem", "filters"), ("pointwise", "filters"), ("hidden", "units")):
        assert getattr(kept[name], units) % 4 == 0
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    keras_says = fitted.model.predict(images, verbose=0)
    lite_says = tfprune.benchmark.predict(tmp_path / "m.tflite", images)[0]
    assert np.abs(keras_says - lite_says).max() < 0.05
    told = capsys.readouterr().out
    assert told.count("of flash, ") == len(fitted.probes) + (2 if "ram" in bounds else 1) + 1
    assert "refitted: outputs differ by" in told
    assert fitted.to_dict()["probes"][0]["over"] == dict(fitted.probes[0].over)


@pytest.mark.slow
def test_a_budget_that_nothing_meets_is_refused_with_what_holds_it_up(images):
    with pytest.raises(InputError) as ram:
        fit_device(net(), Budget(ram="4kB"), data=images, verbose=0)
    for part in (r"RAM ≤ 4,000 bytes", "multiples of 4", "is alive at", "16 × 16 × 4 int8, 1,024 bytes", "a stride"):
        assert part in str(ram.value)
    with pytest.raises(InputError) as flash:
        fit_device(net(), Budget(flash="2kB"), data=images, verbose=0)
    for part in ("flash ≤ 2,000 bytes", "Flash is held by", "kernel"):
        assert part in str(flash.value)


def test_what_can_not_be_fitted(images, tmp_path):
    model = net()
    for budget, message in (
        (Budget(macs=0.5), "give one of flash or RAM"),
        (0.5, "give one of flash or RAM"),
        (Budget(macs=0.5, ram="9kB"), "also bounds macs"),
    ):
        with pytest.raises(InputError, match=message):
            fit_device(model, budget, data=images)
    good = Budget(flash="9kB")
    for options, message in (
        ({"scope": "global"}, "scope is 'global'"),
        ({"probes": 0}, "probes is 0"),
        ({"round_to": 1.5}, r"round_to is 1\.5"),
        ({"path": "m.bin"}, r"does not end in \.tflite"),
        ({"path": "none/m.tflite"}, "no folder"),
        ({"probe": 3}, "no argument 'probe'. Did you mean 'probes'"),
    ):
        with pytest.raises(InputError, match=message):
            fit_device(model, good, data=images, **options)
    (tmp_path / "m.tflite").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"m\.tflite exists"):
        fit_device(model, good, data=images, path=tmp_path / "m.tflite")
    assert (tmp_path / "m.tflite").read_bytes() == b"mine"


def test_a_model_with_an_operation_that_it_has_not(images):
    image = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(image))
    with pytest.raises(InputError, match="TOPK_V2, which TensorFlow Lite Micro has not"):
        fit_device(keras.Model(image, keras.ops.top_k(x, 2)[0]), Budget(flash="9kB"), data=images, verbose=0)
