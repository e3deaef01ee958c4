"""The same seed gives the same bits, in whatever process: pruned weights, the plan a search finds, a report."""

import os
import subprocess
import sys

import pytest
from support import ROOT
from warm import python_code

CODE = """
import hashlib
import keras
import numpy as np
import tfprune

def told(name, *parts):
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes())
    print(name, digest.hexdigest())

rng = np.random.default_rng(0)
x = rng.normal(size=(96, 8, 8, 2)).astype("float32")
y = rng.integers(0, 3, 96)
keras.utils.set_random_seed(5)
layers = keras.layers
model = keras.Sequential([
    keras.Input((8, 8, 2)), layers.Conv2D(8, 3, activation="relu", name="one"), layers.BatchNormalization(name="norm"),
    layers.Conv2D(12, 3, activation="relu", name="two"), layers.GlobalAveragePooling2D(name="pool"),
    layers.Dropout(0.3, name="dropout"), layers.Dense(3, activation="softmax", name="head"),
], name="net")
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
prune = tfprune.PruneCallback(0.6, criterion="taylor", data=(x, y), scope="global", frequency=1, seed=3, verbose=0)
model.fit(x, y, epochs=2, verbose=0, callbacks=[prune])
told("fit", *model.get_weights())
budget = tfprune.Budget(macs=0.6)
found = tfprune.search.run(model, x, budget, levels=3, trials=30, climb=(2,), seed=3, verbose=0)
told("search", repr((found.best.point, sorted(found.best.metrics.items()))).encode(), *found.model.get_weights())
told("report", tfprune.report.make(model, found.model, val=(x, y)).to_html().encode())
"""


@pytest.fixture(scope="module")
def first():
    return lines_of(python_code(CODE))


def lines_of(done):
    assert done.returncode == 0, done.stderr
    found = dict(line.split() for line in done.stdout.splitlines())
    assert set(found) == {"fit", "search", "report"}
    return found


def test_a_second_process_makes_the_same_bits(first):
    assert lines_of(python_code(CODE)) == first


@pytest.mark.slow
def test_the_order_of_sets_does_not_matter(first):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "77", "TF_CPP_MIN_LOG_LEVEL": "3"}
    cold = [sys.executable, "-c", CODE]
    assert lines_of(subprocess.run(cold, capture_output=True, text=True, env=env, timeout=300)) == first
