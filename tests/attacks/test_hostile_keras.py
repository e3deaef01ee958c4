"""Hostile model files do nothing but make the command say, in one line, that they can't be loaded."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from attacks.hostile_keras import ATTACKS, MARK, SECRET, dense_with
from warm import tfprune_command

LOADED = {"path_traversal"}
"""Files that are loaded, without what is hostile in them."""


@pytest.fixture
def folder(tmp_path):
    """A folder with a secret, above one to work in, so that what escapes is seen."""
    inner = tmp_path / "inner"
    inner.mkdir()
    with h5py.File(inner / SECRET, "w") as file:
        file["numbers"] = np.full((4, 3), 42, "f4")
    return inner


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_model_is_refused_in_one_line(name, folder):
    ATTACKS[name](folder / "model.keras")
    before = {path.relative_to(folder.parent) for path in folder.parent.rglob("*")}
    done = tfprune_command(folder, "prune", "model.keras", "--sparsity", "0.5", "--out", "out.keras", timeout=60)
    after = {path.relative_to(folder.parent) for path in folder.parent.rglob("*")}
    said = done.stderr.strip().splitlines()
    assert not any(MARK in str(path) for path in after)
    if name in LOADED:
        assert done.returncode == 0, done.stderr
        assert after - before == {(folder / "out.keras").relative_to(folder.parent)}
        return
    assert (done.returncode, after) == (2, before), done.stdout + done.stderr
    assert said[-1].startswith("tfprune: error: model.keras can't be loaded: ")
    assert not any(line.startswith("Traceback") for line in said)


def test_the_same_file_without_anything_hostile_is_loaded(folder):
    kernel = np.arange(12, dtype="f4").reshape(4, 3)

    def weights(group):
        group["0"], group["1"] = kernel, np.ones(3, "f4")

    dense_with(weights, folder / "model.keras")
    done = tfprune_command(folder, "summary", "model.keras", "--json", timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parameters"] == 15


@pytest.mark.parametrize("command", ["summary", "lint", "factorize", "search", "partition", "export", "compress"])
def test_every_command_refuses_alike(command, folder):
    ATTACKS["lambda_bytecode"](folder / "model.keras")
    np.savez(folder / "data.npz", x=np.zeros((8, 4), "f4"), y=np.zeros(8, "i4"))
    (folder / "devices.yaml").write_text("devices:\n- {name: here, speed: 1.0}\n", encoding="utf-8")
    arguments = {
        "factorize": ["--out", "out.keras", "--rank", "0.5"],
        "search": ["--data", "data.npz", "--budget", "macs=0.5", "--out", "found"],
        "partition": ["--devices", "devices.yaml", "--out", "stages"],
        "export": ["--out", "out.tflite"],
        "compress": ["--data", "data.npz", "--recipe", "moderate", "--out", "out"],
    }.get(command, [])
    done = tfprune_command(folder, command, "model.keras", *arguments, timeout=60)
    assert done.returncode == 2, done.stdout
    assert "can't be loaded" in done.stderr
    assert not (folder / MARK).exists()
