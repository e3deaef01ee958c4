"""Where people really are: odd folders, no network, a home that can't be written, none of the extras."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from support import ROOT
from warm import python_code

import tfprune

COMMANDS = """
import json, sys
from tfprune.cli import main

for words in json.loads(sys.argv[1]):
    sys.argv = ["tfprune", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (words, end.code)
"""

WORDS = [
    ["prune", "mein Modell.keras", "--out", "½ so groß.keras", "--calibrate", "画像.npy", "--budget", "latency=0.7"],
    ["export", "½ so groß.keras", "--out", "½ (int8).tflite", "--quantize", "int8", "--data", "画像.npy"],
    ["export", "mein Modell.keras", "--out", "l'original.tflite", "--data", "画像.npy"],
    ["benchmark", "l'original.tflite", "½ (int8).tflite", "--min-seconds", "0.1"],
    ["report", "mein Modell.keras", "½ so groß.keras", "--out", "Bericht &.html"],
]


@pytest.fixture
def odd_folder(tmp_path):
    """A folder with spaces, brackets, a quote and letters from all over, with a model and images of such names."""
    folder = tmp_path / "Größe 日本 [1] 'x' %20"
    folder.mkdir()
    keras.utils.set_random_seed(0)
    tfprune.models.small_cnn().save(folder / "mein Modell.keras")
    np.save(folder / "画像.npy", tfprune.datasets.fashion_mnist_small().x_train[:64])
    return folder


@pytest.mark.slow
def test_odd_names_without_a_network_and_a_home(odd_folder, tmp_path):
    """All commands run in a network of their own that leads nowhere, not even to this machine."""
    alone = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces of the network here")
    (tmp_path / "home").write_text("not a folder")
    hidden = {"TFPRUNE_CACHE", "XDG_CACHE_HOME", "http_proxy", "https_proxy"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*alone, sys.executable, "-c", COMMANDS, json.dumps(WORDS)], cwd=odd_folder, env=environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "set TFPRUNE_CACHE to a folder that can be written" in done.stderr
    written = {words[words.index("--out") + 1] for words in WORDS if "--out" in words}
    assert written <= {path.name for path in odd_folder.iterdir()}
    assert not [path for path in tmp_path.iterdir() if path not in (odd_folder, tmp_path / "home")]


WITHOUT = """
import importlib.machinery, sys
import numpy as np

EXTRAS = ("optuna", "keras_tuner", "matplotlib", "tensorboard", "sklearn", "tensorflow_model_optimization", "tf_keras",
          "tflite_micro", "ai_edge_quantizer", "jax", "torch", "pandas")

finder, original = importlib.machinery.PathFinder, importlib.machinery.PathFinder.find_spec
finder.find_spec = lambda name, *rest: None if name.partition(".")[0] in EXTRAS else original(name, *rest)
for name in list(sys.modules):  # Keras loads some of them by itself
    if name.partition(".")[0] in EXTRAS:
        del sys.modules[name]
import keras, tfprune
from tfprune import Budget
from tfprune.errors import InputError

x, y = np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype("float32"), np.arange(64) % 10
model = keras.Sequential([
    keras.Input((8, 8, 1)), keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Conv2D(8, 3, activation="relu"),
    keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, verbose=0, callbacks=[tfprune.PruneCallback(0.5, verbose=0)])
small = tfprune.prune_filters(model, Budget(macs=0.7), data=x, verbose=0)
found = tfprune.search.run(model, x, Budget(macs=0.7), trials=20, climb=(2,), verbose=0)
assert found.model.count_params() < model.count_params()
result = tfprune.to_tflite(small, "small.tflite", quantize="int8", representative_data=x)
tfprune.benchmark.run(["small.tflite"], min_seconds=0.05, warmup_seconds=0.05)
tfprune.report.make(model, small).save("page.html")
for needs, wrong in {
    "search": lambda: tfprune.search.run(model, x, Budget(macs=0.7), strategy="tpe", trials=5, verbose=0),
    "tune": lambda: tfprune.search.run(model, x, Budget(macs=0.7), strategy="bayesian", trials=5, verbose=0),
    "report": lambda: tfprune.report.make(model, small).save_pictures("."),
    "micro": lambda: tfprune.micro.measure("small.tflite"),
}.items():
    try:
        wrong()
    except InputError as error:
        assert f"tfprune[{needs}]" in str(error), error
    else:
        raise AssertionError(needs)
print("FINE")
"""


@pytest.mark.slow
def test_without_extras_all_else_works_and_they_are_named(tmp_path):
    done = python_code(WITHOUT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "FINE"
