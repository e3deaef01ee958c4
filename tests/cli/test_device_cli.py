"""What the command line writes for devices."""

import json

import pytest
from support import model_and_data
from warm import tfprune_command as command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model and data for it."""
    where = tmp_path_factory.mktemp("devices")
    model_and_data(where)
    return where


INT8 = ["--quantize", "int8", "--io-dtype", "int8", "--data", "train.npz"]


def test_c_arrays_of_models_and_of_files(folder, tmp_path):
    out, header = tmp_path / "m.tflite", tmp_path / "m.h"
    done = command(folder, "export", "model.keras", "--out", out, *INT8, "--c-array", header, "--name", "net", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["c_array"]["bytes"] == said["bytes"] == out.stat().st_size
    assert said["c_array"]["name"] == "net"
    assert "alignas(16) const unsigned char net[]" in (tmp_path / "m.cc").read_text()

    again = command(folder, "export", out, "--c-array", tmp_path / "again.cc")
    assert again.returncode == 0, again.stderr
    assert "again.h and again.cc: model[" in again.stdout.replace(str(tmp_path) + "/", "")
    assert (tmp_path / "again.cc").exists()
    refused = command(folder, "export", out, "--c-array", header)
    assert refused.returncode == 2
    assert "m.h exists" in refused.stderr


def test_app_files_of_models_and_of_files(folder, tmp_path):
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    out = ["--android", tmp_path / "app", "--labels", tmp_path / "labels.txt", "--package", "org.me"]
    done = command(folder, "export", "model.keras", *INT8, *out, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["path"] is None, "no other file was asked for"
    assert said["android"]["classes"] == 3
    model = tmp_path / "app" / "assets" / "model.tflite"
    assert said["android"]["sha256"] == said["sha256"]
    assert (tmp_path / "app" / "Classifier.kt").read_text().startswith("package org.me\n")
    refused = command(folder, "export", model, *out)
    assert refused.returncode == 2
    assert "is not empty" in refused.stderr
    again = command(folder, "export", model, *out, "--overwrite")
    assert again.returncode == 0, again.stderr
    assert "3 classes) and Classifier.kt" in again.stdout


BAD = [
    (["export", "model.keras"], "There is no --out"),
    (["export", "model.keras", "--c-array", "m.h", "--card"], "There is no --out"),
    (["export", "model.keras", "--out", "o.tflite", "--c-array", "m.txt"], "ends in .h or .cc"),
    (["export", "model.keras", "--out", "o.tflite", "--c-array", "m.h", "--quantize", "float16"], "neither sparse nor"),
    (["export", "model.keras", "--out", "o.tflite", "--c-array", "m.h", "--sparse"], "neither sparse nor"),
    (["export", "model.keras", "--labels", "l.txt", "--out", "o.tflite"], "--labels is for --android"),
    (["export", "model.keras", "--android", "app", "--labels", "none.txt"], "There is no file none.txt"),
    (["export", "model.keras", "--android", "no/app"], "There is no folder"),
    (["export", "model.keras", "--android", "app", "--package", "App"], "package is 'App'"),
    (["export", "model.keras", "--android", "app", "--card"], "There is no --out"),
    (["export", "junk.tflite", "--android", "app"], "is not a .tflite file"),
    (["compress", "model.keras", "--data", "d.npz", "--out", "o", "--budget", "ram=9kB"], "is for --recipe tiny"),
    (["prune", "model.keras", "--out", "o.keras", "--budget", "ram=9kB"], "tfprune.micro.fit_device"),
    (["factorize", "model.keras", "--out", "o.keras", "--budget", "flash=9kB"], "tfprune.micro.fit_device"),
    (["compress", "model.keras", "--data", "train.npz", "--out", "o", "--recipe", "tiny", "--budget", "macs=0.5"],
     "give one of flash or RAM"),
    (["export", "not.tflite"], "There is no file not.tflite"),
    (["export", "junk.tflite"], "export alone has no meaning"),
    (["export", "junk.tflite", "--c-array", "m.h"], "is not a .tflite file"),
    (["export", "junk.tflite", "--c-array", "m.h", "--out", "o.tflite", "--card"], "--out and --card has no meaning"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda value: " ".join(value)[:40] if value else "")
def test_bad_input_is_one_line_and_leaves_nothing(folder, arguments, message):
    (folder / "junk.tflite").write_bytes(b"nothing that is a model")
    before = sorted(folder.iterdir())
    done = command(folder, *arguments)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("tfprune: error: ")
    assert message in last
    assert sorted(folder.iterdir()) == before
