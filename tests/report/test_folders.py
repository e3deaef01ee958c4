"""The folders of real runs of compress and search make reports, by themselves and again from their files."""

import json
import shutil

import keras
import numpy as np
import pytest
from attacks.hostile_keras import ATTACKS
from report.test_make import DATA, network

import tfprune
from tfprune.errors import InputError
from tfprune.report import Report, of_folder

STAGES = [
    {"method": "prune", "granularity": "filter", "budget": "macs=0.6", "epochs": 0},
    {"method": "prune", "amount": 0.5, "epochs": 1},
    {"method": "export", "precision": ["float32", "int8"], "benchmark": False},
]


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "out"
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    result = tfprune.compress(model, DATA, DATA, {"version": 1, "name": "two <b>", "stages": STAGES}, folder, verbose=0)
    return model, result, folder


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "found"
    model = network()
    found = tfprune.search.run(
        model, DATA[0], objectives=("error", "macs"), levels=3, trials=20, climb=(4,), choose_from=("channels",),
        folder=folder, verbose=0,
    )  # fmt: skip
    return model, found, folder


def test_compress_makes_a_report(compressed):
    model, result, folder = compressed
    report = Report.load(folder / "report.json")
    assert (folder / "report.html").read_text() == report.to_html()
    assert "two &lt;b&gt;" in report.to_html()
    assert [stage.name for stage in report.stages] == ["dense", "prune", "prune", "export"]
    assert report.stages[-1].values == result.state["done"][-1]["measured"]
    values = {change.name: change for change in report.headline}
    assert values["accuracy"].before == result.state["whole"]["accuracy"]
    assert values["accuracy"].after_range is not None
    smallest = min(result.state["exported"].values(), key=lambda entry: entry["bytes"])
    assert values["accuracy"].after == smallest["top_class"], "of the file that is told of"
    assert smallest["file"] in values["accuracy"].note
    assert values["parameters"].before == model.count_params()
    smallest = min(entry["bytes"] for entry in result.state["exported"].values())
    assert values["file"].after == smallest
    assert any(group.runs and group.left < group.size for group in report.channels)
    assert sum(row.after for row in report.layers) == result.model.count_params()
    assert of_folder(folder) == report


def test_compress_notes_each_epoch(compressed):
    _, result, folder = compressed
    report = Report.load(folder / "report.json")
    assert report.epochs == ("prune, epoch 1",)
    values = result.state["epochs"][0]["values"]
    assert report.history["val_accuracy"] == (values["val_accuracy"],)
    assert report.history["sparsity"] == (0.5,)
    left = 1 - report.history["weights gone or zero"][0]
    weights = [weight.numpy() for weight in result.model.weights]
    whole = sum(int(np.count_nonzero(weight.numpy())) for weight in compressed[0].weights)
    assert left == pytest.approx(sum(map(np.count_nonzero, weights)) / whole)
    assert "Over training" in report.to_html()


def test_a_search_says_how_to_make_it_again(searched):
    _, found, folder = searched
    expected = (
        "tfprune.search.run(model, data, objectives=['error', 'macs'], trials=20, climb=[4], "
        "choose_from=['channels'], levels=3)"
    )
    assert found.call == expected
    assert of_folder(folder).command == expected


def test_a_folder_without_report_json_is_read_anew(compressed, tmp_path):
    model, _, folder = compressed
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "report.json").unlink()
    alone = of_folder(other)
    assert alone.channels == ()
    assert alone.layers
    assert alone.stages == of_folder(folder).stages
    whole = of_folder(other, dense=model)
    assert {row.name: row.after for row in whole.layers} == {row.name: row.after for row in of_folder(folder).layers}
    assert whole.to_html() == of_folder(other, dense=model).to_html()
    (other / "report.json").write_text("{")
    assert of_folder(other) == alone
    state = json.loads((other / "metrics.json").read_text())
    (other / "metrics.json").write_text(json.dumps({**state, "mark": "another"}))
    shutil.copy(folder / "report.json", other)
    assert of_folder(other).channels == ()  # the noted report is of another work


def test_files_are_timed_when_asked(compressed):
    report = of_folder(
        compressed[2], latency=True, benchmark={"runs": 5, "min_seconds": 0.02, "warmup_seconds": 0.02}
    )  # fmt: skip
    (latency,) = [change for change in report.headline if change.name == "latency"]
    assert latency.after > 0
    assert latency.after_range is not None


@pytest.mark.parametrize("name", ["../elsewhere.tflite", "/etc/hosts", "model.keras"])
def test_only_tflite_files_of_the_folder_are_timed(compressed, tmp_path, name):
    other = tmp_path / "other"
    shutil.copytree(compressed[2], other)
    told = (other / "report.json").read_text()
    assert '"model_int8.tflite"' in told
    (other / "report.json").write_text(told.replace('"model_int8.tflite"', json.dumps(name)))
    with pytest.raises(InputError, match=r"no \.tflite file of the folder"):
        of_folder(other, latency=True)


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"mark": "a", "whole": {}, "done": [3]}', '{"done": []}'])
def test_damaged_folders_are_said_to_be(compressed, tmp_path, content):
    (tmp_path / "metrics.json").write_text(content)
    shutil.copy(compressed[2] / "recipe.yaml", tmp_path)
    shutil.copy(compressed[2] / "model.keras", tmp_path)
    with pytest.raises(InputError, match=r"metrics\.json"):
        of_folder(tmp_path)


def test_other_folders_are_refused(tmp_path, compressed):
    with pytest.raises(InputError, match="no folder"):
        of_folder(tmp_path / "none")
    with pytest.raises(InputError, match="neither"):
        of_folder(tmp_path)
    shutil.copy(compressed[2] / "metrics.json", tmp_path)
    shutil.copy(compressed[2] / "recipe.yaml", tmp_path)
    (tmp_path / "model.keras").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="can't be loaded"):
        of_folder(tmp_path)
    ATTACKS["config_bomb"](tmp_path / "model.keras")
    with pytest.raises(InputError, match="when it is unpacked"):
        of_folder(tmp_path)


def test_a_report_that_fails_takes_nothing_along(tmp_path, monkeypatch):
    monkeypatch.setattr("tfprune.recipe.runner.of_compress", lambda *a, **k: 1 / 0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="a"), keras.layers.Dense(2, name="b")])
    model.compile("sgd", "mse")
    data = np.ones((8, 8), "float32"), np.ones((8, 2), "float32")
    recipe = {"version": 1, "name": "none", "stages": [{"method": "shrink"}]}
    tfprune.compress(model, data, data, recipe, tmp_path / "out", verbose=0)
    assert not (tmp_path / "out" / "report.html").exists()
    assert "no report.html" in (tmp_path / "out" / "log.txt").read_text()


def test_search_makes_a_report(searched):
    model, found, folder = searched
    report = Report.load(folder / "report.json")
    assert (folder / "report.html").read_text() == report.to_html()
    assert of_folder(folder) == report
    roles = [point.role for point in report.front.points]
    assert roles.count("chosen") == roles.count("whole") == 1
    assert len(roles) == len({trial.point for trial in found.trials if trial.rung == "refit" and not trial.failed})
    chosen = next(point for point in report.front.points if point.role == "chosen")
    assert (chosen.x, chosen.y) == (found.best.metrics["macs"], found.best.metrics["error"])
    for group in report.channels:
        assert group.size - group.left == len(found.plan.remove.get(group.name, ()))
    assert sum(row.before for row in report.layers) == model.count_params()
    (folder / "report.json").unlink()
    assert of_folder(folder, dense=model) == report
    assert of_folder(folder).channels == ()
