"""The engine on JAX and PyTorch: masks hold inside the step, cuts are exact, a refit repairs, files agree."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

HERE = Path(__file__).parent


def environment(backend):
    """The environment of a process on a backend, one thread for each; compiling takes JAX longer than the steps."""
    quickly = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    ours = {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "XLA_FLAGS": quickly}
    return {**os.environ, **ours}


def needed(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; pip install tfprune[backends]")


def check_masks(found):
    """Masks held after each compiled step and moved within it; nothing is left behind."""
    assert found["sparsity"][-1] == pytest.approx(0.75, abs=1e-3)
    assert found["kernel"] == pytest.approx(0.75, abs=1e-3)
    assert all(found["held"])  # after each step, though steps update every weight
    assert found["ourselves"] is False  # and nobody had to repair it afterwards
    assert len({round(zeros, 6) for zeros in found["zeros"]}) > 4
    assert found["zeros"] == sorted(found["zeros"])
    assert found["variables"][0] == found["variables"][1]
    assert found["accuracy"] > 0.5
    assert found["grown"] < 0.1


def check_channels(found):
    """What is left after channels went computes the same."""
    assert found["difference"] < 1e-4
    assert found["parameters"][1] < 0.8 * found["parameters"][0]


def check_cut(found):
    """The budget is met, and a refit repairs more than half of the damage."""
    whole, small, factors = found["macs"]
    assert small <= 0.5 * whole
    assert factors <= 0.6 * whole
    assert found["errors"][1] < 0.5 * found["errors"][0]
    assert found["errors"][1] < found["variance"]


def check_files(found):
    """Files that TensorFlow made in another process answer as the network does here."""
    assert found["relative"] < 1e-3
    assert found["source"] == "parity_data"
    assert found["sparsity"] > 0.6
    assert max(found["bytes"]) < 16_000  # 30 kB of weights, most of them zero; or of 8 bits


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_engine_on_another_backend(backend, tmp_path):
    needed(backend)
    done = subprocess.run(
        [sys.executable, str(HERE / "pruned.py"), str(tmp_path)], env=environment(backend), cwd=tmp_path,
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["backend"] == backend
    found = told["found"]
    for way in ("plain", "accumulated", "averaged"):
        check_masks(found[way])
    assert found["twice"] is True  # the same seed gives the same weights
    check_channels(found["channels"])
    check_cut(found["cut"])
    check_files(found["exported"])
    for said in found["refused"]:
        assert "KERAS_BACKEND=tensorflow" in said


@pytest.mark.slow
def test_two_processes_train_one_pruned_network_on_jax(tmp_path):
    needed("jax")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"

    def start(count, number):
        command = [sys.executable, str(HERE / "distributed.py"), address, str(count), str(number)]
        return subprocess.Popen(
            command, env=environment("jax"), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    together, alone = [start(2, 0), start(2, 1)], start(1, 0)
    told = []
    try:
        for process in (*together, alone):
            out, said = process.communicate(timeout=300)
            assert process.returncode == 0, said[-3000:]
            told.append(json.loads(out.splitlines()[-1]))
    finally:
        for process in (*together, alone):
            process.kill()
    first, second, whole = told
    assert first == second  # both hold the same network
    assert first["sparsity"] == pytest.approx(0.75, abs=1e-3)
    assert first["ourselves"] is False
    assert first["zeros"] == whole["zeros"]  # and it is what one process makes of the whole batches
    assert first["sum"] == pytest.approx(whole["sum"], rel=1e-4)
    assert first["loss"][-1] == pytest.approx(whole["loss"][-1], rel=1e-3)
