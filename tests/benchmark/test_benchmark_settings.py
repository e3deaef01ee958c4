"""Settings side by side: threads, the delegate, the interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.benchmark import Report, run
from tfprune.benchmark.configurations import Configuration, configurations
from tfprune.benchmark.delegation import count_delegated
from tfprune.benchmark.runtime import installed
from tfprune.errors import BenchmarkError, InputError, UnknownArgumentError

BRIEF = {"runs": 3, "min_seconds": 0.0, "warmup": 0, "warmup_seconds": 0.0}
WORKS = "from ai_edge_litert.interpreter import Interpreter, OpResolverType"
REFUSES = """
class Interpreter:
    def __init__(self, **settings):
        raise ValueError("Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'")
"""
BARE = """
from ai_edge_litert.interpreter import Interpreter
"""


@pytest.fixture
def tflite_runtime(tmp_path, monkeypatch):
    """Make a package of that name, which worker processes find as well."""

    def make(content: str) -> None:
        package = tmp_path / "site" / "tflite_runtime"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text('__version__ = "2.14.0"')
        (package / "interpreter.py").write_text(content)
        monkeypatch.syspath_prepend(str(package.parent))

    return make


def test_every_combination_is_measured_in_one_run(models):
    paths = [models["float"].path, models["mixed"].path]
    report = run(paths, threads=[1, 2], delegate=[True, False], **BRIEF)
    assert [(Path(each.model).stem, each.threads, each.delegate) for each in report] == [
        (name, threads, delegate) for name in ("float", "mixed") for threads in (1, 2) for delegate in (True, False)
    ]
    assert report[0].speedup is None
    assert all(each.speedup.num_rounds >= 3 for each in report.models[1:])
    assert all(each.interpreter == "ai-edge-litert" and each.versions["ai-edge-litert"] for each in report)
    assert (report.environment.threads, report.failures) == (1, ())
    assert Report.from_json(report.to_json()) == report
    text = str(report)
    assert "float.tflite (1 thread, XNNPACK): " in text
    assert "Speed-up of mixed.tflite (2 threads, no delegate) over float.tflite (1 thread, XNNPACK): " in text
    assert ", 1 or 2 threads, " in text


def test_what_the_delegate_took(models):
    with_it, without = run(models["mixed"].path, delegate=[True, False], **BRIEF)
    total = with_it.delegation.taken + with_it.delegation.left
    assert with_it.delegation.left == 1, "CUMSUM alone"
    assert (without.delegation.taken, without.delegation.left, without.delegation.partitions) == (0, total, 0)
    assert str(with_it.delegation) == f"XNNPACK took {total - 1} of {total} operations in 2 partitions"
    (whole,) = run(models["float"].path, **BRIEF)
    assert (whole.delegation.left, whole.delegation.partitions) == (0, 1)
    assert str(whole.delegation) in str(run(models["float"].path, **BRIEF))


@given(st.data())
def test_delegated_operations_of_any_chain(data):
    """A chain of operations, each with a constant; runs of those that are delegated become one DELEGATE each."""
    chosen = data.draw(st.lists(st.booleans(), min_size=1, max_size=12))
    own = [{"op_name": "ADD", "inputs": [i, 100 + i], "outputs": [i + 1]} for i in range(len(chosen))]
    groups, start = [], None
    for i, taken in enumerate([*chosen, False]):
        if taken and start is None:
            start = i
        elif not taken and start is not None:
            inputs = [start, *range(100 + start, 100 + i)]
            groups.append({"op_name": "DELEGATE", "inputs": inputs, "outputs": [i]})
            start = None
    found = count_delegated(own + groups)
    assert found == {"taken": sum(chosen), "left": len(chosen) - sum(chosen), "partitions": len(groups)}


def test_a_list_that_makes_no_sense_is_not_counted():
    assert count_delegated([{"op_name": "DELEGATE", "inputs": [0], "outputs": [7]}]) is None
    assert count_delegated([]) == {"taken": 0, "left": 0, "partitions": 0}


def test_two_interpreters(models, tflite_runtime):
    tflite_runtime(WORKS)
    assert installed()[:2] == ("ai-edge-litert", "tflite-runtime")
    names = ["tflite-runtime", "ai-edge-litert"]
    report = run(models["float"].path, interpreter=names, delegate=[True, False], **BRIEF)
    assert [each.interpreter for each in report] == ["tflite-runtime"] * 2 + ["ai-edge-litert"] * 2
    assert report[0].versions["tflite-runtime"] == "2.14.0"
    assert report.environment.interpreter == "tflite-runtime"
    assert f"tflite-runtime 2.14.0, ai-edge-litert {version('ai-edge-litert')}" in str(report)


def test_one_that_fails_is_a_row_and_alone_an_error(models, tflite_runtime):
    tflite_runtime(REFUSES)
    report = run(models["float"].path, interpreter=["tflite-runtime", "ai-edge-litert"], **BRIEF)
    assert [each.interpreter for each in report] == ["ai-edge-litert"]
    (failure,) = report.failures
    assert failure.interpreter == "tflite-runtime"
    assert "version '12'" in failure.error
    assert report[0].speedup is None
    assert Report.from_json(report.to_json()) == report
    assert "Not measured: float.tflite (tflite-runtime): " in str(report)
    assert report.table().row_count == 2
    with pytest.raises(BenchmarkError, match="version '12'"):
        run(models["float"].path, interpreter="tflite-runtime", **BRIEF)
    with pytest.raises(BenchmarkError, match="version '12'"):
        run(models["float"].path, interpreter="tflite-runtime", threads=[1, 2], **BRIEF)


def test_an_interpreter_that_has_no_resolvers(models, tflite_runtime):
    tflite_runtime(BARE)
    with pytest.raises(BenchmarkError, match=r"tflite-runtime 2\.14\.0 can't run without its default delegate"):
        run(models["float"].path, interpreter="tflite-runtime", delegate=False, **BRIEF)


@pytest.mark.slow
def test_the_interpreter_of_tensorflow(models):
    report = run(models["float"].path, interpreter="all", delegate=[True, False], **BRIEF)
    assert {each.interpreter for each in report} >= {"ai-edge-litert", "tensorflow"}
    assert all((each.delegation.taken == 0) != each.delegate for each in report)


def test_interpreters_by_name(monkeypatch):
    monkeypatch.setattr("tfprune.benchmark.configurations.installed", lambda: ("ai-edge-litert", "tensorflow"))
    assert [each.interpreter for each in configurations(1, True, "all")] == ["ai-edge-litert", "tensorflow"]
    assert configurations(1, True, ["tensorflow", "all"])[0] == Configuration(1, True, "tensorflow")
    with pytest.raises(InputError, match=r"tflite-runtime is not installed\. Installed are: ai-edge-litert, tensor"):
        configurations(1, True, "tflite-runtime")
    with pytest.raises(InputError, match=r"no interpreter 'tensorflw'. Did you mean 'tensorflow'"):
        configurations(1, True, "tensorflw")
    monkeypatch.setattr("tfprune.benchmark.configurations.installed", lambda: ())
    with pytest.raises(InputError, match="pip install ai-edge-litert"):
        configurations(1, True, "all")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"threads": [1, 0]}, r"threads=0 .*give a"),
        ({"threads": []}, "threads=.*empty"),
        ({"threads": [True]}, "threads=True"),
        ({"delegate": "yes"}, "delegate='yes'.*give True"),
        ({"delegate": [1]}, "delegate=1.*give True"),
        ({"interpreter": 3}, "no interpreter 3"),
        ({"interpreter": []}, "interpreter=.*empty"),
    ],
)
def test_impossible_settings(models, settings, words):
    with pytest.raises(InputError, match=words):
        run(models["float"].path, **settings)


def test_an_argument_that_there_is_none_of(models):
    with pytest.raises(UnknownArgumentError, match="threads=2"):
        run(models["float"].path, num_threads=2)


@given(st.lists(st.integers(1, 9), min_size=1), st.lists(st.booleans(), min_size=1))
def test_each_combination_once(threads, delegates):
    found = configurations(threads, delegates, None)
    assert len(found) == len(set(found)) == len(set(threads)) * len(set(delegates))
    assert found[0] == Configuration(threads[0], delegates[0], None)


def test_a_report_of_an_earlier_version_is_read(models):
    report = run(models["float"].path, **BRIEF)
    old = report.to_dict()
    del old["failures"], old["models"][0]["latency"]["p90_ms"]
    for name in ("threads", "delegate", "interpreter", "versions", "delegation"):
        del old["models"][0][name]
    read = Report.from_dict(json.loads(json.dumps(old)))
    assert (read[0].threads, read[0].interpreter, read[0].delegation) == (1, "ai-edge-litert", None)
    assert "ai-edge-litert" in str(read)
    assert read.table().row_count == 1


def test_the_parent_imports_no_interpreter(models):
    program = (
        "import sys, tfprune.benchmark\n"
        f"tfprune.benchmark.run({str(models['float'].path)!r}, interpreter='ai-edge-litert', delegate=False, runs=1,"
        " min_seconds=0, warmup_seconds=0)\n"
        "print(sorted(set(sys.modules) & {'tensorflow', 'keras', 'ai_edge_litert', 'flatbuffers'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
