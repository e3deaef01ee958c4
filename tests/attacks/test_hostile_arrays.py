"""Hostile `.npy`, `.npz` and `.h5` files: no pickle is opened, no bomb unpacked, and the error is one line."""

from __future__ import annotations

import os

import numpy as np
import pytest
from attacks.hostile_arrays import FILES, MARK, Runs, bomb, model_in_hdf5
from warm import python_code, tfprune_command

from tfprune.cli.inputs import load_arrays
from tfprune.errors import InputError


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_array_is_refused_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILES[name](tmp_path / name)
    with pytest.raises(InputError) as caught:
        load_arrays(tmp_path / name, "x|x_train")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    real = os.sysconf
    monkeypatch.setattr(os, "sysconf", lambda name: 1 << 19 if name == "SC_PHYS_PAGES" else real(name))  # 2 GiB
    bomb(tmp_path / "bomb.npz")
    assert (tmp_path / "bomb.npz").stat().st_size < 10_000
    with pytest.raises(InputError, match="when it is unpacked"):
        load_arrays(tmp_path / "bomb.npz", "x")


def test_what_nobody_asks_for_is_not_loaded(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.ones((2, 3)), evil=np.array([Runs()], dtype=object))
    (x,) = load_arrays(tmp_path / "data.npz", "x", "y?")
    assert x.shape == (2, 3)


def test_h5_models_are_not_loaded(tmp_path):
    for name in ("model.h5", "model.hdf5"):
        model_in_hdf5(tmp_path / name)
        done = tfprune_command(tmp_path, "summary", name, timeout=60)
        assert done.returncode == 2
        assert "does not end in .keras" in done.stderr.strip().splitlines()[-1]
    model_in_hdf5(tmp_path / "model.keras")  # HDF5 under another name
    done = tfprune_command(tmp_path, "summary", "model.keras", timeout=60)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("tfprune: error: model.keras can't be loaded")
    assert not (tmp_path / MARK).exists()


LOADED_BY_KERAS = """
import keras
import numpy as np
keras.saving.load_model("model.h5", compile=False, safe_mode=False).predict(np.zeros((1, 4), "f4"), verbose=0)
"""


def test_keras_itself_runs_what_is_in_such_a_model(tmp_path):
    """Else it would prove nothing that it is refused."""
    model_in_hdf5(tmp_path / "model.h5")
    done = python_code(LOADED_BY_KERAS, cwd=tmp_path)
    assert (tmp_path / MARK).exists(), done.stderr[-2000:]


@pytest.mark.parametrize("name", ["object.npy", "object.npz"])
def test_numpy_itself_runs_what_is_in_such_arrays(name, tmp_path, monkeypatch):
    """Else it would prove nothing that they are refused."""
    monkeypatch.chdir(tmp_path)
    FILES[name](tmp_path / name)
    loaded = np.load(tmp_path / name, allow_pickle=True)
    if name == "object.npz":
        loaded["x"]
    assert (tmp_path / MARK).exists()
