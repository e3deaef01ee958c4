"""What every test shares: quiet TensorFlow, fixed seeds, two CPU devices, small models."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import settings
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from quick_fit import build_first, hurry
from support import ROOT, examples
from warm import python_code

settings.register_profile("tfprune", max_examples=examples(100), deadline=None)
settings.load_profile("tfprune")


def pytest_collection_modifyitems(items):
    """Deal whole modules out, those with long tests first, so that no process has them left when others are done."""
    modules = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    hands = [[] for _ in range(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))]
    if len(hands) > 1:
        for tests in sorted(modules.values(), key=lambda tests: -sum("slow" in test.keywords for test in tests)):
            min(hands, key=len).extend(tests)
        items[:] = [item for hand in hands for item in hand]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip tests that name layers and operations which an older Keras does not have; tfprune itself may not."""
    try:
        return (yield)
    except AttributeError as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        of_a_test = Path(frame.f_code.co_filename).is_relative_to(ROOT / "tests")
        missing = re.match(r"module 'keras\.(ops|layers)' has no attribute", str(error))
        if of_a_test and missing and not hasattr(keras.ops, "depth_to_space"):
            pytest.skip(f"Keras {keras.__version__}: {error}")
        raise


@pytest.fixture(autouse=True, scope="module")
def kept_for_good():
    """Take what is still there after each module out of later collections: models are traced into a million objects."""
    gc.freeze()
    yield
    gc.collect()


@pytest.fixture(autouse=True, scope="session")
def no_autotune():
    """Take autotuning out of the data of `fit`: TensorFlow 2.21 can hang for good when it frees such an iterator."""
    original = ArrayDataAdapter.get_tf_dataset

    def without(self):
        settings = tf.data.Options()
        settings.autotune.enabled = False
        return original(self).with_options(settings)

    ArrayDataAdapter.get_tf_dataset = without
    yield
    ArrayDataAdapter.get_tf_dataset = original


@pytest.fixture(autouse=True, scope="session")
def short_trainings():
    """Trace each training step once, for a few steps; processes of their own do as users' do."""
    hurry()
    yield
    build_first(False)


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(7)


@pytest.fixture
def run_python():
    """Run Python code in a process of its own, from a folder that is not the checkout; return what it printed.

    Python is started anew, unless `warm` is "ours" or "bare": then Keras is loaded, and tfprune too, or missing.
    """

    def run(
        code: str, *args: str, check: bool = True, cwd=None, warm: str | None = None, **env: str
    ) -> subprocess.CompletedProcess:
        if warm is not None:
            done = python_code(code, *args, cwd=cwd, bare={"ours": False, "bare": True}[warm])
            assert not check or done.returncode == 0, done.stderr[-3000:]
            return done
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
        done = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, env=environment, cwd=cwd, timeout=300
        )
        assert not check or done.returncode == 0, done.stderr[-3000:]
        return done

    return run


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 8, 8, 2)).astype("float32")
    return x, rng.integers(0, 3, 96)


@pytest.fixture
def kernels_of_eight(monkeypatch, tmp_path):
    """A machine whose times are known: what counts are inputs times outputs, these in pieces of eight at a time."""

    from tfprune.latency import LatencyTable
    from tfprune.latency.one_operation import COPIES

    def run(_, files):
        for key in files:
            _, positions, inputs, outputs, *_ = json.loads(key)
            yield key, COPIES * (1e-4 + 1e-6 * int(np.prod(positions)) * inputs * -(-outputs // 8) * 8)

    monkeypatch.setenv("TFPRUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(LatencyTable, "_run", run)
