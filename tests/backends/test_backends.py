"""The engine on JAX and PyTorch: masks hold inside the step, cuts are exact, a refit repairs, files agree."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

SCRIPT = Path(__file__).with_name("pruned.py")
BACKENDS = ("jax", "torch")


@pytest.fixture(params=BACKENDS)
def run(request, tmp_path):
    """Run a part of the script on a backend, and return what it tells."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")

    def call(*arguments):
        environment = {
            **os.environ,
            "KERAS_BACKEND": request.param,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True,
            timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["backend"] == request.param
        return told["found"]

    return call


@pytest.mark.slow
@pytest.mark.parametrize("way", ["prune", "accumulated", "averaged"])
def test_masks_hold_inside_the_step(run, way):
    found = run(way)
    assert found["sparsity"][-1] == pytest.approx(0.75, abs=1e-3)
    assert found["kernel"] == pytest.approx(0.75, abs=1e-3)
    assert all(found["held"])  # after each step, though steps update every weight
    assert found["ourselves"] is False  # and nobody had to repair it afterwards
    assert len({round(zeros, 6) for zeros in found["zeros"]}) > 4  # masks moved within one compiled step
    assert found["zeros"] == sorted(found["zeros"])
    assert found["variables"][0] == found["variables"][1]  # nothing is left behind
    assert found["accuracy"] > 0.5
    assert found["grown"] < 0.1


@pytest.mark.slow
def test_channels_go_and_what_is_left_is_the_same(run):
    found = run("channels")
    assert found["difference"] < 1e-4
    assert found["parameters"][1] < 0.8 * found["parameters"][0]


@pytest.mark.slow
def test_a_refit_repairs_a_cut(run):
    found = run("cut")
    whole, small, factors = found["macs"]
    assert small <= 0.5 * whole
    assert factors <= 0.6 * whole
    assert found["errors"][1] < 0.5 * found["errors"][0]
    assert found["errors"][1] < found["variance"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(run):
    assert run("twice") is True


@pytest.mark.slow
def test_what_needs_tensorflow_says_so(run):
    for said in run("refused"):
        assert "KERAS_BACKEND=tensorflow" in said


@pytest.mark.slow
def test_files_are_made_by_tensorflow_in_another_process(run, tmp_path):
    found = run("exported", str(tmp_path))
    assert found["relative"] < 1e-3
    assert found["source"] == "parity_data"
    assert found["sparsity"] > 0.6
    assert found["bytes"][1] < found["bytes"][0]
