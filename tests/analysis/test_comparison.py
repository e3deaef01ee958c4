"""Networks side by side, and the class that pays."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from analysis import planted
from scipy.stats import binom

import tfprune
from tfprune.analysis import class_changes, compare
from tfprune.analysis.contestant import named_models
from tfprune.analysis.intervals import holm, mcnemar, wilson
from tfprune.errors import InputError

FILES = Path(__file__).parents[2] / "tflite_models"


def copy_of(model):
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    return other


def test_wilson_holds_as_often_as_it_says():
    """The mean over true shares: it is Wilson's interval's that is right; near single shares it wobbles about it."""
    count, hits = 40, np.arange(41)
    intervals = np.array([wilson(int(each), count) for each in hits])
    shares = np.linspace(0.02, 0.98, 97)
    held = [binom.pmf(hits, count, p)[(intervals[:, 0] <= p) & (p <= intervals[:, 1])].sum() for p in shares]
    assert np.mean(held) == pytest.approx(0.95, abs=0.01)
    assert min(held) > 0.85
    assert wilson(0, 20)[0] == 0
    assert wilson(20, 20)[1] == pytest.approx(1)


def test_of_many_families_without_a_change_few_raise_an_alarm():
    values = [mcnemar(lost, 20 - lost) for lost in range(21)]
    families = np.random.default_rng(0).binomial(20, 0.5, (400, 10))
    alarms = sum(min(holm([values[lost] for lost in family])) < 0.05 for family in families)
    assert alarms / 400 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_the_class_that_pays_is_found():
    before, x, y = planted.detectors()
    x, y = np.tile(x, (3, 1)), np.tile(y, 3)
    after = copy_of(before)
    kernel = after.get_layer("head").kernel.numpy()
    kernel[2] = 0
    after.get_layer("head").set_weights([kernel, np.array([0.1, 0, 0, 0], "float32")])
    found = class_changes(before, after, (x, y), names=["a", "b", "c", "d"])
    assert found.pay == (2,)
    assert found.classes[0].label == 2
    assert (found.classes[0].before, found.classes[0].after) == (1.0, 0.0)
    assert (found.classes[0].lost, found.classes[0].gained) == (24, 0)
    assert not any(each.changed for each in found.classes[1:])
    assert (found.before, found.after) == (1.0, 0.75)
    assert "pays" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["pay"] == [2]
    reverse = class_changes(after, before, (x, y))
    assert reverse.pay == ()
    assert reverse.classes[-1].changed  # it gains


def test_a_loss_of_few_samples_is_not_called_one():
    before, x, y = planted.detectors()
    after = copy_of(before)
    x = x.copy()
    x[16:19] = np.eye(4)[2] * 0.6  # three of class 2 only just
    kernel, bias = after.get_layer("hidden").get_weights()
    bias[2] = -0.7
    after.get_layer("hidden").set_weights([kernel, bias])
    found = class_changes(before, after, (x, y))
    assert found.classes[0].label == 2
    assert found.classes[0].lost == 3
    assert found.pay == ()


def test_labels_are_needed_to_say_who_pays():
    model, x, y = planted.detectors()
    with pytest.raises(InputError, match="labels"):
        class_changes(model, model, x)
    with pytest.raises(InputError, match="confidence"):
        class_changes(model, model, (x, y), confidence=95)


def test_models_are_compared_with_the_first():
    model, x, y = planted.detectors()
    small = tfprune.shrink(model, {"hidden": [1]})
    worse = copy_of(model)
    worse.get_layer("head").kernel.assign(np.roll(np.eye(4), 1, axis=0))
    assert list(named_models([model, model, FILES / "dense.tflite"])) == [
        model.name, f"{model.name} #2", "dense.tflite",
    ]  # fmt: skip
    found = compare({"whole": model, "small": small, "worse": worse}, (x, y), convert=False)
    assert [each.accuracy for each in found.models] == [1.0, 0.75, 0.0]
    assert found["whole"].interval == wilson(32, 32)
    assert [each.agreement for each in found.models] == [1.0, 0.75, 0.0]
    assert found["whole"].error == 0
    assert found["small"].facts.parameters == 4 * 3 + 3 + 3 * 4 + 4
    assert found["small"].facts.macs == 24
    assert found["small"].facts.bytes == 4 * 31
    assert found["whole"].facts.zeros == 24 / 32
    assert all(each.latency_ms is None for each in found.models)
    assert "latency" not in str(found)


def test_keras_models_and_files_are_compared_side_by_side(tmp_path):
    model, x, y = planted.detectors()
    file = tmp_path / "file.tflite"
    model.get_layer("head").set_weights([3 * np.eye(4), np.full(4, 0.5)])  # a file holds equal weights once
    tfprune.to_tflite(model, file, quantize="float32", verify=False)
    found = compare([model, file], (x, y), runs=5, min_seconds=0.02)
    assert [each.kind for each in found.models] == ["keras", "tflite"]
    keras_model, tflite = found.models
    assert keras_model.facts == tflite.facts
    assert tflite.accuracy == 1
    assert tflite.error == pytest.approx(0, abs=1e-9)
    assert all(each.latency_ms > 0 for each in found.models)
    assert keras_model.speedup is None
    assert tflite.speedup > 0
    assert tflite.speedup_range[0] <= tflite.speedup <= tflite.speedup_range[1]
    assert json.dumps(found.to_dict())
    assert "speed-up" in str(found)


def test_quantised_and_sparse_files_are_counted_as_what_they_stand_for():
    data = tfprune.datasets.fashion_mnist_small()
    names = ["pruned.tflite", "pruned_sparse.tflite", "pruned_int8.tflite"]
    found = compare([FILES / name for name in names], (data.x_test[:32], data.y_test[:32]), latency=False)
    dense, sparse, int8 = found.models
    assert dense.facts.macs == sparse.facts.macs == int8.facts.macs
    assert dense.facts.zeros == pytest.approx(sparse.facts.zeros, abs=0.01)
    assert dense.facts.parameters == pytest.approx(sparse.facts.parameters, rel=0.01)
    assert dense.facts.parameters == pytest.approx(int8.facts.parameters, rel=0.01)
    assert sparse.facts.bytes < dense.facts.bytes
    assert int8.agreement > 0.8


def test_wrong_models_are_refused(tmp_path):
    with pytest.raises(InputError, match="No model"):
        compare([])
    with pytest.raises(InputError, match="int"):
        compare([3])
    (tmp_path / "x.tflite").write_bytes(b"no model at all")
    with pytest.raises(InputError, match=r"not a \.tflite file"):
        compare(tmp_path / "x.tflite")
