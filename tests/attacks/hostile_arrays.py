"""Hostile `.npy`, `.npz` and `.h5` files: pickles, bombs, headers that are code or lies.

python tests/attacks/hostile_arrays.py FOLDER      # writes them, to look at
"""

from __future__ import annotations

import base64
import json
import marshal
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

MARK = "PWNED"
HEADER_CODE = "{'descr': __import__('os').system('touch PWNED'), 'fortran_order': False, 'shape': (1,)}"


OLD_INPUT = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4], "name": "input"}}
FUNCTION = compile(f"lambda x: (open({MARK!r}, 'w').close(), x)[1]", "hostile", "eval").co_consts[0]
OLD_LAMBDA = {
    "class_name": "Lambda",
    "config": {
        "name": "lambda",
        "function": [base64.b64encode(marshal.dumps(FUNCTION)).decode(), None, None],
        "function_type": "lambda",
        "arguments": {},
    },
}
"""As Keras 2 has stored a Lambda."""


class Runs:
    """What writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (eval, (f"open({MARK!r}, 'w').close()",))


def member(header: str, content: bytes = b"") -> bytes:
    """A `.npy` with any header."""
    text = header.encode("latin1").ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def of_shape(shape: str, content: bytes = b"") -> bytes:
    """A `.npy` of float64 whose header has this shape."""
    return member(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}", content)


def archive(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)


def bomb(path: Path) -> None:
    """A small archive whose array is said to be, and is, larger than any memory."""
    header = member("{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776,), }")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x.npy", header + bytes(1 << 20))
    content = bytearray(path.read_bytes())
    size = (1 << 32) - 2  # what the central directory tells; told before anything is unpacked
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = size.to_bytes(4, "little")
    path.write_bytes(content)


def model_in_hdf5(path: Path) -> None:
    """A model of the old format, whose Lambda has bytecode."""
    config = {"class_name": "Sequential", "config": {"name": "old", "layers": [OLD_INPUT, OLD_LAMBDA]}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        file.create_group("model_weights").attrs["layer_names"] = np.array([b"lambda"])
        file["model_weights"].create_group("lambda").attrs["weight_names"] = np.array([], "S1")


FILES: dict[str, Callable[[Path], Any]] = {
    "pickle.npy": lambda path: path.write_bytes(pickle.dumps(Runs())),
    "object.npy": lambda path: np.save(path, np.array([Runs()], dtype=object), allow_pickle=True),
    "object.npz": lambda path: np.savez(path, x=np.array([Runs()], dtype=object), y=np.zeros(3)),
    "huge.npz": lambda path: archive(path, x=of_shape("(9999999999999,)")),
    "code.npz": lambda path: archive(path, x=member(HEADER_CODE)),
    "negative.npz": lambda path: archive(path, x=of_shape("(-5,)")),
    "cut.npz": lambda path: archive(path, x=of_shape("(50,)", b"abc")),
    "text.npz": lambda path: path.write_bytes(b"PK\x03\x04 not really"),
    "names.npz": lambda path: archive(path, **{"\x1b[31mred\n": b"", "z" * 5000: b""}),
    "strings.npz": lambda path: np.savez(path, x=np.array(["a", "b"])),
    "empty.npz": lambda path: np.savez(path, x=np.zeros((0, 4))),
}  # fmt: skip
"""What must be refused where arrays are read."""


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in {**FILES, "bomb.npz": bomb, "model.h5": model_in_hdf5}.items():
        make(folder / name)
        print(f"{name}: {(folder / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
