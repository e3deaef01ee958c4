"""Hostile `.npy`, `.npz` and `.h5` files: no pickle is opened, no bomb unpacked, and the error is one line."""

from __future__ import annotations

import io
import pickle
import zipfile

import h5py
import numpy as np
import pytest
from warm import tfprune_command

from tfprune.cli.inputs import load_arrays
from tfprune.errors import InputError

MARK = "PWNED"
CODE = "{'descr': __import__('os').system('touch PWNED'), 'fortran_order': False, 'shape': (1,)}"


class Runs:
    """What writes a file when it is unpickled."""

    def __reduce__(self):
        return (eval, (f"open({MARK!r}, 'w').close()",))


def member(header: str, content: bytes = b"") -> bytes:
    """A `.npy` with any header."""
    text = header.encode("latin1").ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def of_shape(shape: str, content: bytes = b"") -> bytes:
    """A `.npy` of float64 whose header has this shape."""
    return member(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}", content)


def archive(path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)


def bomb(path) -> None:
    """A small archive whose array is said to be, and is, larger than any memory."""
    header = member("{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776,), }")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x.npy", header + bytes(1 << 20))
    content = bytearray(path.read_bytes())
    size = (1 << 32) - 2  # what the central directory tells; told before anything is unpacked
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = size.to_bytes(4, "little")
    path.write_bytes(content)


FILES = {
    "pickle.npy": lambda path: path.write_bytes(pickle.dumps(Runs())),
    "object.npy": lambda path: np.save(path, np.array([Runs()], dtype=object), allow_pickle=True),
    "object.npz": lambda path: np.savez(path, x=np.array([Runs()], dtype=object), y=np.zeros(3)),
    "huge.npz": lambda path: archive(path, x=of_shape("(9999999999999,)")),
    "code.npz": lambda path: archive(path, x=member(CODE)),
    "negative.npz": lambda path: archive(path, x=of_shape("(-5,)")),
    "cut.npz": lambda path: archive(path, x=of_shape("(50,)", b"abc")),
    "text.npz": lambda path: path.write_bytes(b"PK\x03\x04 not really"),
    "names.npz": lambda path: archive(path, **{"\x1b[31mred\n": b"", "z" * 5000: b""}),
    "strings.npz": lambda path: np.savez(path, x=np.array(["a", "b"])),
    "empty.npz": lambda path: np.savez(path, x=np.zeros((0, 4))),
}  # fmt: skip


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
    import os

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
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs["model_config"] = '{"class_name": "Lambda"}'
    for name in ("model.h5", "model.hdf5"):
        (tmp_path / name).write_bytes(memory.getvalue())
        done = tfprune_command(tmp_path, "summary", name, timeout=60)
        assert done.returncode == 2
        assert "does not end in .keras" in done.stderr.strip().splitlines()[-1]
    (tmp_path / "model.keras").write_bytes(memory.getvalue())  # HDF5 under another name
    done = tfprune_command(tmp_path, "summary", "model.keras", timeout=60)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("tfprune: error: model.keras can't be loaded")
