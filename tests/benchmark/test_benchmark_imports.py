from __future__ import annotations

import subprocess
import sys

import pytest

import tfprune.benchmark
from tfprune.benchmark import runtime
from tfprune.errors import BenchmarkError

HEAVY = ("tensorflow", "keras", "rich", "ai_edge_litert", "tflite_runtime")


def test_exported_members():
    assert set(tfprune.benchmark.__all__) == {
        *("run", "predict", "inspect", "Report", "ModelResult", "Latency", "Memory", "Speedup"),
        *("Environment", "Description", "Tensor", "Delegation", "Failure"),
        *("layers", "LayerReport", "LayerTime", "on_android", "layers_on_android"),
    }
    assert all(hasattr(tfprune.benchmark, name) for name in tfprune.benchmark.__all__)


@pytest.mark.parametrize("module", ["tfprune.benchmark", "tfprune.benchmark.__main__", "tfprune.benchmark.worker"])
def test_import_is_light(module):
    program = f"import sys, {module}; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_worker_runs_without_tensorflow_and_keras(models):
    program = f"""
import sys
from tfprune.benchmark.worker import Worker
worker = Worker()
worker.hello()
worker.load({str(models["float"].path)!r}, 1, 0, None)
worker.burst(0.0)
worker.cut({str(models["float"].path)!r})
worker.add_prefix(1, 1, True, 0)
worker.round(0.0, "wall")
print(sorted(set(sys.modules) & {{"tensorflow", "keras"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_litert_is_preferred():
    found = runtime.find_runtime()
    assert found.name == "ai-edge-litert"
    assert found.version[0].isdigit()


def test_the_next_interpreter_is_taken(monkeypatch):
    monkeypatch.setattr(
        runtime, "_CANDIDATES", (("absent", "no_such_package.x", "Y"), ("fractions", "fractions", "Fraction"))
    )
    found = runtime.find_runtime()
    assert (found.name, found.version, found.interpreter.__name__) == ("fractions", "unknown", "Fraction")


def test_no_interpreter_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "broken_runtime.py").write_text("import a_module_that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    candidates = (("absent", "no_such_package.x", "Y"), ("broken", "broken_runtime", "Z"))
    monkeypatch.setattr(runtime, "_CANDIDATES", candidates)
    with pytest.raises(BenchmarkError, match="pip install ai-edge-litert") as caught:
        runtime.find_runtime()
    assert "broken can't be imported: No module named 'a_module_that_is_missing'" in str(caught.value)
    assert "absent" not in str(caught.value)
