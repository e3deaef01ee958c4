"""Hostile model files do nothing but make the command say, in one line, that they can't be loaded."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from attacks.hostile_keras import ATTACKS, MARK, SECRET, dense_with
from warm import python_code, tfprune_command

LOADED = {"path_traversal"}
"""Files that are loaded, without what is hostile in them."""

WORDS = {
    "lambda_bytecode": "Lambda",
    "lambda_that_says_it_is_safe": "Lambda",
    "safe_mode_switched_off_first": "enable_unsafe_deserialization` because it is not a modeling function",
    "class_of_another_module": "doesn't know its class 'Popen'",
    "function_of_another_module": "doesn't know its function 'system'",
    "function_called_with_arguments": "doesn't know its function 'system'",
    "torch_module_wrapper": "torch",
    "vocabulary_from_a_file": "vocabulary file outside",
    "shape_bomb": "bomb",
    "external_data": "external Dataset",
    "link_to_another_file": "ExternalLink",
    "deeply_nested": "recursion",
    "not_json": "decode",
    "many_units": "OOM",
    "saved_model_from_outside": "TFSMLayer",
    "file_fetched_by_keras": "get_file` because it is not a modeling function",
    "model_loaded_by_keras": "load_model` because it is not a modeling function",
    "virtual_dataset": "virtual Dataset",
    "config_bomb": "when it is unpacked",
}
"""What each refusal says, so that a file is not refused for something else."""


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
    assert WORDS[name] in said[-1]
    assert not any(line.startswith("Traceback") for line in said)


def test_the_same_file_without_anything_hostile_is_loaded(folder):
    kernel = np.arange(12, dtype="f4").reshape(4, 3)

    def weights(group):
        group["0"], group["1"] = kernel, np.ones(3, "f4")

    dense_with(weights, folder / "model.keras")
    done = tfprune_command(folder, "summary", "model.keras", "--json", timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parameters"] == 15


@pytest.mark.parametrize(
    "command",
    ["summary", "lint", "factorize", "search", "partition", "export", "compress", "report", "compare"],
)
def test_every_command_refuses_alike(command, folder):
    ATTACKS["lambda_bytecode"](folder / "model.keras")
    np.savez(folder / "data.npz", x=np.zeros((8, 4), "f4"), y=np.zeros(8, "i4"))
    (folder / "devices.yaml").write_text("devices:\n- {name: here, speed: 1.0}\n", encoding="utf-8")
    arguments = {
        "factorize": ["--out", "out.keras", "--rank", "0.5"],
        "search": ["--data", "data.npz", "--budget", "macs=0.5", "--out", "found"],
        "partition": ["--devices", "devices.yaml", "--out", "stages"],
        "export": ["--out", "out.tflite"],
        "report": ["model.keras", "--out", "page.html"],
        "compare": ["--no-latency"],
        "compress": ["--data", "data.npz", "--recipe", "moderate", "--out", "out"],
    }.get(command, [])
    done = tfprune_command(folder, command, "model.keras", *arguments, timeout=60)
    assert done.returncode == 2, done.stdout
    assert "can't be loaded" in done.stderr
    assert not (folder / MARK).exists()


UNSAFE = """
import keras, sys
import numpy as np
keras.saving.load_model("model.keras", compile=False, safe_mode=False).predict(np.zeros((1, 4), "f4"), verbose=0)
"""


def test_without_safe_mode_the_bytecode_runs(folder):
    """Else it would prove nothing that it is refused."""
    ATTACKS["lambda_bytecode"](folder / "model.keras")
    done = python_code(UNSAFE, cwd=folder)
    assert (folder / MARK).exists(), done.stderr[-2000:]


@pytest.mark.parametrize("name", ["external_data", "link_to_another_file", "virtual_dataset"])
def test_what_is_hidden_in_the_weights_is_really_there(name, folder, tmp_path):
    import io
    import zipfile

    ATTACKS[name](folder / "model.keras")
    with zipfile.ZipFile(folder / "model.keras") as archive:
        memory = io.BytesIO(archive.read("model.weights.h5"))
    (tmp_path / "weights.h5").write_bytes(memory.getvalue())
    with h5py.File(tmp_path / "weights.h5") as file:
        assert file["layers/dense/vars/0"].shape == (4, 3)
        if name != "external_data":  # that reads the first bytes of the file, whatever they are
            assert (file["layers/dense/vars/0"][:] == 42).all()
        else:
            assert file["layers/dense/vars/0"][:].tobytes() == (folder / SECRET).read_bytes()[:48]


def test_a_keras_with_known_holes_loads_nothing(folder, monkeypatch):
    import keras

    from tfprune.cli.inputs import load_model
    from tfprune.errors import InputError

    dense_with(lambda group: None, folder / "model.keras")
    monkeypatch.setattr(keras, "__version__", "3.14.0")
    with pytest.raises(InputError, match=r"Keras 3\.14\.0 has known holes"):
        load_model(folder / "model.keras")


def test_a_bomb_is_refused_before_it_is_unpacked(folder):
    import tracemalloc

    from tfprune.cli.inputs import load_model
    from tfprune.errors import InputError

    ATTACKS["config_bomb"](folder / "model.keras")
    assert (folder / "model.keras").stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="when it is unpacked"):
            load_model(folder / "model.keras")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
