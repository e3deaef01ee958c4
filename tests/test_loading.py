"""Models with code of one's own: told in a line what is missing, loaded where that is imported, also elsewhere."""

from __future__ import annotations

import importlib
import json
import shutil
import sys

import keras
import numpy as np
import pytest
from own_layers import Outer, Scaled, Unregistered, shifted
from support import ROOT
from warm import python_code, tfprune_command

from tfprune.errors import InputError
from tfprune.loading import folder_of, import_own_code, load_keras, own_code, reason

MODULE = ROOT / "tests" / "own_layers.py"


def network(kind=Scaled):
    """A network with such a layer, compiled with such a loss."""
    x = inputs = keras.Input((8, 8, 3))
    x = kind(3.0)(keras.layers.Conv2D(16, 3, activation="relu")(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(16, 3, activation="relu")(x))
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    model.compile("sgd", loss=shifted, metrics=["accuracy"])
    return model


@pytest.fixture
def folder(tmp_path):
    """A folder with a model, samples, and the module with its layer."""
    x = np.random.default_rng(0).normal(size=(96, 8, 8, 3)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(96) % 3)
    network().save(tmp_path / "model.keras")
    (tmp_path / "code here").mkdir()
    shutil.copy(MODULE, tmp_path / "code here" / "own_layers.py")
    return tmp_path


@pytest.mark.parametrize("kind", [Scaled, Unregistered, Outer.Inner])
def test_a_process_that_has_defined_nothing_imports_what_a_model_needs(kind, tmp_path):
    model = network(kind)
    model.save(tmp_path / "model.keras")
    described = json.loads(json.dumps(own_code(model)))
    assert ["own_layers", kind.__qualname__] in described["objects"]
    assert ["own_layers", "shifted"] in described["objects"]
    x = np.ones((2, 8, 8, 3), "float32")
    code = f"""
import json, sys
from pathlib import Path
import numpy as np
from tfprune.loading import import_own_code, load_keras
assert "own_layers" not in sys.modules
own = import_own_code(json.loads({json.dumps(described)!r}))
model = load_keras(Path("model.keras"), compile_model=True, own=own)
print(json.dumps(model(np.ones((2, 8, 8, 3), "float32")).numpy().tolist()), model.loss.__module__)
"""
    done = python_code(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    told, module = done.stdout.rsplit(maxsplit=1)
    np.testing.assert_allclose(json.loads(told), model(x).numpy(), rtol=1e-5)
    assert module == "own_layers"


def test_folders_of_modules_and_of_packages(tmp_path, monkeypatch):
    (tmp_path / "one" / "two").mkdir(parents=True)
    for name in ("one/__init__.py", "one/two/__init__.py", "one/two/three.py"):
        (tmp_path / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("one", "one.two", "one.two.three"):
        importlib.import_module(name)
        assert folder_of(name) == str(tmp_path.resolve())
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert folder_of("sys") is None


def test_of_a_plain_model_nothing_has_to_be_imported():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu")])
    model.compile("adam", loss=keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    assert own_code(model)["objects"] == []
    assert import_own_code(own_code(model)) == {}


def test_what_no_other_process_can_import_is_told_by_name():
    @keras.saving.register_keras_serializable("tests_loading")
    class Hidden(Scaled):
        """Is defined in a function."""

    with pytest.raises(InputError, match=r"Hidden is defined in the script .* move it to a module"):
        own_code(network(Hidden))


def test_the_innermost_reason_is_told(folder):
    code = "from pathlib import Path\nfrom tfprune.loading import load_keras\nload_keras(Path('model.keras'))"
    done = python_code(code, cwd=folder)
    assert "model.keras can't be loaded: Keras doesn't know its class 'Scaled'" in done.stderr.splitlines()[-1]
    assert reason(ValueError("no\n\nException encountered: \x1b[1myes\x1b[0m\n\nArguments received")) == "[1myes [0m"
    assert reason(ValueError("")) == "ValueError"
    (folder / "cut.keras").write_bytes((folder / "model.keras").read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cut\.keras can't be loaded: .* has been cut off"):
        load_keras(folder / "cut.keras")


def test_commands_take_a_model_with_layers_of_ones_own(folder):
    refused = tfprune_command(folder, "summary", "model.keras")
    assert refused.returncode == 2
    assert "tfprune --import my_layers.py" in refused.stderr
    own = ("--import", "code here/own_layers.py")
    done = tfprune_command(folder, *own, "summary", "model.keras", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parameters"] == 2819
    cut = ["prune", "model.keras", "--budget", "macs=0.5", "--calibrate", "data.npz", "--out", "small.keras"]
    done = tfprune_command(folder, *own, *cut)
    assert done.returncode == 0, done.stderr
    done = tfprune_command(folder / "code here", "--import", "own_layers", "summary", "../small.keras", "--json")
    assert json.loads(done.stdout)["parameters"] < 2819 * 0.8


@pytest.mark.slow
def test_workers_of_a_search_import_it_too(folder):
    pytest.importorskip("optuna")
    words = ["search", "model.keras", "--data", "data.npz", "--budget", "macs=0.5", "--trials", "4", "--climb", "1"]
    done = tfprune_command(folder, "--import", "code here/own_layers.py", *words, "--workers", "1", "--out", "found")
    assert done.returncode == 0, done.stderr
    assert (folder / "found" / "best.keras").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.py", "There is no file missing.py"),
        ("missing_module", "missing_module can't be imported (ModuleNotFoundError"),
        ("wrong.py", "wrong.py can't be imported (ZeroDivisionError"),
        ("leaves.py", "leaves.py can't be imported (SystemExit"),
        ("random.py", "random.py is called as a module that Python has already; rename it."),
    ],
)
def test_what_can_not_be_imported_is_told_in_one_line(name, said, folder):
    (folder / "wrong.py").write_text("1 / 0\n", encoding="utf-8")
    (folder / "leaves.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    (folder / "random.py").write_text("", encoding="utf-8")
    done = tfprune_command(folder, "--import", name, "summary", "model.keras")
    assert done.returncode == 2
    assert said in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_folder_that_a_worker_joins_can_not_have_code_imported(tmp_path):
    (tmp_path / "evil.py").write_text("open('PWNED', 'w').close()\n", encoding="utf-8")
    network().save(tmp_path / "whole.keras")
    np.savez(tmp_path / "data.npz", samples_0=np.zeros((4, 8, 8, 3), "float32"))
    own = {"objects": [["evil", "x"]], "path": [str(tmp_path)]}
    settings = {"latency": None, "seed": 0, "epochs": 0, "timed": False, "own": own}
    (tmp_path / "job.json").write_text(json.dumps(settings), encoding="utf-8")
    code = "from pathlib import Path\nfrom tfprune.search.job import read_job\nread_job(Path('.'))"
    done = python_code(code, cwd=tmp_path)
    assert "doesn't know its class 'Scaled'" in done.stderr
    assert not (tmp_path / "PWNED").exists()
