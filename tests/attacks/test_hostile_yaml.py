"""Hostile YAML runs nothing, fills no memory, and is refused in one line that says what is wrong."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest
from attacks.hostile_yaml import ATTACKS
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT
from warm import tfprune_command

from tfprune.errors import InputError
from tfprune.partition import Devices
from tfprune.plain_yaml import dump_yaml, load_yaml
from tfprune.recipe import Recipe

READERS = {"recipe": Recipe.load, "devices": Devices.load}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused(name, reader, tmp_path, monkeypatch):
    text, said = ATTACKS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hostile.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        READERS[reader](tmp_path / "hostile.yaml")
    assert said in str(caught.value)
    assert "hostile.yaml" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.yaml"]


def test_a_bomb_takes_neither_memory_nor_time(tmp_path):
    (tmp_path / "bomb.yaml").write_text(ATTACKS["alias_bomb"][0], encoding="utf-8")
    code = (
        "from tfprune.benchmark.memory import peak_bytes\nfrom tfprune.plain_yaml import read_yaml\n"
        "from tfprune.errors import InputError\n"
        "try:\n    read_yaml('bomb.yaml')\nexcept InputError as error:\n    print(error)\n"
        "print(peak_bytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "write out what" in done.stdout
    assert int(done.stdout.splitlines()[-1]) < 1 << 30


def test_commands_say_it_in_one_line(tmp_path):
    import keras

    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=np.zeros((8, 4), "f4"), y=np.zeros(8, "i4"))
    (tmp_path / "bomb.yaml").write_text(ATTACKS["alias_bomb"][0], encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    for command in (
        ["compress", "model.keras", "--data", "data.npz", "--recipe", "bomb.yaml", "--out", "out"],
        ["partition", "model.keras", "--devices", "bomb.yaml", "--out", "out"],
    ):
        done = tfprune_command(tmp_path, *command, timeout=60)
        assert done.returncode == 2
        assert done.stderr.strip().splitlines()[-1].startswith("tfprune: error: bomb.yaml: This is not YAML")
        assert sorted(tmp_path.iterdir()) == before


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(PLAIN)
def test_plain_values_come_back(values):
    for readable in (False, True):
        try:
            back = load_yaml(dump_yaml(values, readable=readable))
        except InputError:
            assert readable  # some characters only come back if they are escaped
            continue
        assert back == values or readable


def test_what_occurs_twice_is_written_twice():
    shared = [1, 2]
    assert load_yaml(dump_yaml({"a": shared, "b": shared})) == {"a": shared, "b": shared}


@pytest.mark.parametrize("read", [load_yaml, Recipe.from_yaml])
@settings(deadline=None)
@given(text=st.text())
def test_any_text_is_loaded_or_refused(read, text):
    with contextlib.suppress(InputError):
        read(text)
