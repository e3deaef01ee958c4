"""Models side by side, and values laid over a file's graph, from the command line."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest
from support import ROOT, small_model
from warm import tfprune_command as command

MODELS = ROOT / "tflite_models"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("compare")
    keras.utils.set_random_seed(1)
    small_model().save(where / "a.keras")
    keras.utils.set_random_seed(2)
    small_model().save(where / "b.keras")
    rng = np.random.default_rng(0)
    np.savez(where / "val.npz", x=rng.normal(size=(64, 8, 8, 2)).astype("float32"), y=rng.integers(0, 3, 64))
    shutil.copy(MODELS / "pruned_sparse.tflite", where / "small.tflite")
    return where


def test_models_side_by_side(folder):
    done = command(folder, "compare", "a.keras", "b.keras", "--data", "val.npz", "--no-latency", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = json.loads(done.stdout)["models"]
    assert [first["name"], second["name"]] == ["a.keras", "b.keras"]
    assert first["agreement"] == 1.0
    assert second["agreement"] < 1.0
    data = np.load(folder / "val.npz")
    scores = keras.models.load_model(folder / "b.keras", compile=False).predict(data["x"], verbose=0)
    assert second["accuracy"] == np.mean(scores.argmax(axis=1) == data["y"])
    table = command(folder, "compare", "small.tflite", "a.keras")
    assert table.returncode == 0, table.stderr[-2000:]
    assert "speed-up" in table.stdout
    assert "latency" in table.stdout


def test_values_by_operation(folder, tmp_path):
    options = ["--csv", tmp_path / "all.csv", "--node-data", tmp_path / "nodes.json", "--value", "macs"]
    done = command(folder, "overlay", "small.tflite", "--latency", *options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"wrote {tmp_path / 'all.csv'}" in done.stdout.replace("\n", "")
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    assert max(float(row["sparsity"] or 0) for row in rows) > 0.5
    assert sum(float(row["latency_ms"] or 0) for row in rows) > 0
    results = json.loads((tmp_path / "nodes.json").read_text())["results"]
    assert sum(one["value"] for one in results.values()) == sum(int(row["macs"]) for row in rows)
    again = command(folder, "overlay", "small.tflite", *options)
    assert again.returncode == 2
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "a.keras", "none.keras"], "There is no file none.keras"),
        (["compare", "a.keras", "val.npz"], "does not end in"),
        (["compare", "a.keras", "a.keras"], "given twice"),
        (["compare", "a.keras", "small.tflite", "--data", "val.npz"], "small.tflite"),
        (["overlay", "a.keras"], "does not end in .tflite"),
        (["overlay", "small.tflite", "--value", "weight", "--node-data", "n.json"], "Did you mean 'weights'"),
    ],
)
def test_bad_input_is_one_line(folder, arguments, message):
    done = command(folder, *arguments)
    assert done.returncode == 2, (done.stdout, done.stderr[-1000:])
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (folder / "n.json").exists()
