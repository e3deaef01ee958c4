"""Heads behind early stages, by which samples leave."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from warm import tfprune_command

from tfprune.errors import InputError
from tfprune.partition import (
    Device,
    Devices,
    Link,
    add_exits,
    load_exits,
    load_stages,
    partition,
    plan_partition,
    run_stages,
)
from tfprune.partition.exits import fit_head

ROW = Devices([Device("camera", 0.5), Device("hub"), Device("server", 4)], Link("1MB/s", "5 ms"))


def images(count, seed):
    """Bright, dark and striped ones, some of them hard to tell."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    x = rng.normal(size=(count, 8, 8, 3)) * rng.choice([0.3, 3.0], count)[:, None, None, None]
    x[y == 0] += 0.7
    x[y == 1] -= 0.7
    x[y == 2, ::2] += 1.5
    return x.astype("float32"), y


@pytest.fixture(scope="module")
def stages():
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((8, 8, 3), name="image")
    for filters in (8, 12, 16):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3, name="scores")(x))
    features = keras.Model(inputs, x)
    samples, y = images(400, 0)
    kernel, bias = fit_head(np.asarray(features(samples), dtype=np.float64), y, 3, 1e-4)
    model.get_layer("scores").kernel.assign(kernel)
    model.get_layer("scores").bias.assign(bias)
    return partition(model, plan_partition(model, ROW, stages=3, latency=[1.0, 2, 2, 1, 1]))


def test_sure_samples_leave_and_the_rest_goes_on(stages):
    exits = add_exits(stages, images(300, 1), confidence=0.8)
    assert [one.stage for one in exits.exits] == [1, 2]
    x, y = images(200, 2)
    report = exits.evaluate(x, y)
    assert sum(report.left.values()) == pytest.approx(1)
    assert report.left[1] > 0.2
    assert report.latency < report.latency_without == stages.plan.latency
    assert report.accuracy > report.accuracy_without - 0.05 > 0.6
    assert "behind stage 1" in str(report)
    assert json.dumps(report.to_dict())
    classes, left = exits(x)
    known = stages.run(stages.named(x))
    sure = np.asarray(exits.exits[0].model({name: known[name] for name in exits.exits[0].model.input})).max(axis=1)
    np.testing.assert_array_equal(left == 1, sure >= 0.8)
    assert classes.min() >= 0


def test_who_is_sure_is_right_as_often(stages):
    exits = add_exits(stages, images(600, 1), at=[1], confidence=0.5)
    x, y = images(500, 3)
    known = stages.run(stages.named(x))
    scores = np.asarray(exits.exits[0].model({name: known[name] for name in exits.exits[0].model.input}))
    assert abs(scores.max(axis=1).mean() - (scores.argmax(axis=1) == y).mean()) < 0.1


def test_nobody_leaves_who_is_not_sure_enough(stages):
    x, y = images(100, 4)
    report = add_exits(stages, x, at=[2], confidence=1.0).evaluate(x, np.eye(3)[y])
    assert report.accuracy >= report.accuracy_without - 0.02
    assert report.left[2] < 0.5


def test_they_are_saved_beside_the_stages(stages, tmp_path):
    exits = add_exits(stages, images(200, 1), at=[1])
    exits.save(tmp_path / "stages")
    assert (tmp_path / "stages" / "exit_1.tflite").exists()
    loaded = load_exits(tmp_path / "stages")
    x, _ = images(40, 5)
    for left, right in zip(exits(x), loaded(x), strict=True):
        np.testing.assert_array_equal(left, right)
    assert len(load_stages(tmp_path / "stages")) == 3


def test_damaged_exits_are_said_to_be(stages, tmp_path):
    folder = tmp_path / "stages"
    add_exits(stages, images(200, 1), at=[1]).save(folder, tflite=False)
    whole = (folder / "manifest.json").read_text()
    for key in ("keras", "stage", "confidence"):
        told = json.loads(whole)
        del told["exits"][0][key]
        (folder / "manifest.json").write_text(json.dumps(told))
        with pytest.raises(InputError, match=r"manifest\.json is damaged"):
            load_exits(folder)
    (folder / "manifest.json").write_text(whole)
    (folder / "exit_1.keras").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"exit_1\.keras can't be loaded"):
        load_exits(folder)


def test_in_processes_the_same_samples_leave_and_the_rest_of_the_row_rests(stages, tmp_path):
    exits = add_exits(stages, images(300, 1), confidence=0.8)
    exits.save(tmp_path / "stages")
    x, _ = images(60, 6)
    classes, left = exits(x)
    assert len(set(left)) == 3
    for options in ({}, {"pipelined": False}):
        result = run_stages(tmp_path / "stages", x, **options)
        np.testing.assert_array_equal(result.left, np.where(left == 3, 0, left))
        np.testing.assert_array_equal(result.outputs.argmax(axis=1), classes)
        gone = left < 3
        np.testing.assert_allclose(result.outputs[gone].sum(axis=1), 1, atol=1e-5)
        assert [one.left for one in result.stages[:2]] == [np.mean(left == 1), np.mean(left == 2)]
        assert [one.reached for one in result.stages] == [1, np.mean(left > 1), np.mean(left > 2)]
        assert [one.reached for one in result.links] == [np.mean(left > 1), np.mean(left > 2)]
        assert 0 < result.stages[0].exit < 50
        assert "samples left by exits" in str(result)
    without = run_stages(tmp_path / "stages", x[:5], exits=False)
    assert without.left == (0,) * 5
    assert without.stages[0].left is None
    # Two links of 5 ms each: who leaves at once waits for neither.
    assert result.expected_latency < without.expected_latency - 2
    assert result.latency < without.latency - 2
    (tmp_path / "bare").mkdir()
    exits.save(tmp_path / "bare", overwrite=True, tflite=False)
    with pytest.raises(InputError, match=r"has no \.tflite file"):
        run_stages(tmp_path / "bare", x)


def test_the_command_line_adds_them(stages, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(8, 3), layers.GlobalAveragePooling2D(),
                              layers.Dense(3)])  # fmt: skip
    model.save(tmp_path / "model.keras")
    x, y = images(80, 7)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    (tmp_path / "devices.yaml").write_text(
        "devices:\n- {name: a}\n- {name: b}\nlink: {bandwidth: 1MB/s, delay: 1 ms}\n"
    )
    command = [
        "partition",
        "model.keras",
        "--devices",
        "devices.yaml",
        "--stages",
        "2",
        "--latency",
        "macs",
        "--exits",
        "0.4",
    ]
    cache = {"TFPRUNE_CACHE": str(tmp_path)}
    done = tfprune_command(tmp_path, *command, "--out", "out", "--run", "--data", "data.npz", "--json", **cache)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)["run"]
    assert len(told["left"]) == 20
    assert any("samples left by exits" in note for note in told["notes"])
    assert (tmp_path / "out" / "exit_1.tflite").exists()
    for arguments, said in (([], "give --data"), (["--data", "data.npz", "--exits", "2"], "probability in")):
        done = tfprune_command(tmp_path, *command, "--dry-run", *arguments, **cache)
        assert done.returncode == 2
        assert said in done.stderr.splitlines()[-1]


def test_what_can_not_be_used_is_said(stages):
    x, y = images(40, 0)
    for wrong, said in (
        ({"at": [3]}, "from 1 to 2"),
        ({"at": [0]}, "from 1 to 2"),
        ({"confidence": 0}, "probability"),
        ({"ridge": -1}, "from 0"),
    ):
        with pytest.raises(InputError, match=said):
            add_exits(stages, (x, y), **wrong)
    for labels, said in ((y[:5], "5 labels"), (y + 9, "3 classes"), (y + 0.5, "class numbers")):
        with pytest.raises(InputError, match=said):
            add_exits(stages, (x, labels))
