"""Damaged files, crashes, hangs and a worker that lies: one sentence each, and the parent lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from tfprune.benchmark import child as child_module
from tfprune.benchmark import inspect, predict, run
from tfprune.benchmark.child import Child
from tfprune.errors import BenchmarkError, InputError

BRIEF = {"runs": 1, "min_seconds": 0.0, "warmup": 0, "warmup_seconds": 0.0}
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def workers_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for path in found for word in path.read_text().split()]


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = set(workers_of(os.getpid()))
    yield
    assert set(workers_of(os.getpid())) <= before  # neither running nor zombies


@pytest.mark.parametrize("function", [run, inspect, lambda path: predict(path, np.zeros((1, 4)))])
@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0\0\0\0TFL2aaaaaaaaaaa", b"PK\3\4 keras file"])
def test_not_a_tflite(tmp_path, function, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.tflite is not a \.tflite file") as caught:
        function(path)
    assert "\n" not in str(caught.value)


def test_missing_and_folder(tmp_path):
    with pytest.raises(InputError, match="no file"):
        run([tmp_path / "absent.tflite"])
    with pytest.raises(InputError, match="is a folder"):
        run(tmp_path)


@pytest.mark.parametrize("kept", [8, 40, 0.5, 0.95])
def test_truncated(models, tmp_path, kept):
    content = models["float"].path.read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: kept if kept > 1 else int(len(content) * kept)])
    with pytest.raises(BenchmarkError, match=r"cut\.tflite can't be run") as caught:
        run(path, **BRIEF)
    assert "\n" not in str(caught.value)


def flip_bits(content: bytes, generator: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for place in generator.integers(8, len(damaged), generator.integers(1, 9)):
        damaged[place] ^= 1 << int(generator.integers(8))
    return bytes(damaged)


def edit_structure(content: bytes, generator: np.random.Generator) -> bytes:
    """A valid flatbuffer with a model that is not: wrong tensors, shapes, types, buffers, operations."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph = model.subgraphs[0]
    wrong = int(generator.choice([-2, -1, 0, 1, 2, 3, 7, 64, 2**16, 2**30]))
    tensor, operator = generator.choice(graph.tensors), generator.choice(graph.operators)
    edits = [
        lambda: setattr(tensor, "shape", [wrong] * len(tensor.shape)),
        lambda: setattr(tensor, "shape", [1] * (abs(wrong) % 9)),
        lambda: setattr(tensor, "type", abs(wrong) % 20),
        lambda: setattr(tensor, "buffer", abs(wrong)),
        lambda: operator.inputs.__setitem__(generator.integers(len(operator.inputs)), wrong),
        lambda: setattr(operator, "inputs", operator.inputs[:1]),
        lambda: operator.outputs.__setitem__(0, wrong),
        lambda: setattr(operator, "opcodeIndex", abs(wrong)),
        lambda: setattr(generator.choice(model.operatorCodes), "builtinCode", abs(wrong) % 160),
        lambda: setattr(operator, "builtinOptions", None),
        lambda: graph.inputs.__setitem__(0, wrong),
        lambda: graph.outputs.__setitem__(0, wrong),
    ]
    edits[generator.integers(len(edits))]()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def damage_and_run(content: bytes, path: Path) -> str:
    path.write_bytes(content)
    try:
        run(path, timeout=5.0, **BRIEF)
    except (BenchmarkError, InputError) as error:
        return str(error)
    return "ran"


@pytest.mark.parametrize("damage", [flip_bits, edit_structure])
@pytest.mark.parametrize("count", [12])  # thousands of them, through every door: tests/attacks/tflite_files.py
def test_damaged_models(models, tmp_path, damage, count):
    content = models["float"].path.read_bytes()
    damaged = [damage(content, np.random.default_rng(seed)) for seed in range(count)]
    start = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(damage_and_run, damaged, [tmp_path / f"{i}.tflite" for i in range(count)]))
    assert len(ends) == count
    messages = [end for end in ends if end != "ran"]
    assert "ran" in ends
    assert messages
    assert all(message.isprintable() and len(message) < 1000 for message in messages)
    assert time.monotonic() - start < count * 5


def test_a_model_that_never_ends_is_stopped(models):
    start = time.monotonic()
    with pytest.raises(BenchmarkError, match=r"stopped after 0\.3 s while running it for the first time"):
        run([models["float"].path, models["endless"].path], timeout=0.3, **BRIEF)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_crash_names_file_signal_and_step(models, monkeypatch, name):
    ask = Child.ask

    def killing(self, command, doing, **arguments):
        if command == "burst" and self.path.name == "int8.tflite":
            os.kill(self.pid, getattr(signal, name))
        return ask(self, command, doing, **arguments)

    monkeypatch.setattr(Child, "ask", killing)
    with pytest.raises(BenchmarkError, match=rf"int8\.tflite can't be run: .* killed by {name}.* while running it"):
        run([models["float"].path, models["int8"].path, models["dynamic"].path], **BRIEF)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import sys; sys.exit('the reason\\nthe \\x1b[31mlast line')", r"\(the \[31mlast line\)"),
        ("print('hello')", "makes no sense"),
        ("print('[1]')", "makes no sense"),
        ("print('{\"error\": 1}')", "makes no sense"),
        ("while True: print('x' * 99999, end='')", "never stopped talking"),
        ("import sys\nwhile True: print('x' * 99, file=sys.stderr)", "stopped after 1 s"),
        ("import time; time.sleep(60)", "stopped after 1 s"),
        ("import os, time; os.close(1); time.sleep(60)", "stopped answering"),
    ],
)
def test_a_worker_that_misbehaves(models, monkeypatch, program, words):
    monkeypatch.setattr(child_module, "_PROGRAM", program)
    monkeypatch.setattr(child_module, "_START_SECONDS", 1.0)
    with pytest.raises(BenchmarkError, match=words) as caught:
        inspect(models["float"].path, timeout=1.0)
    assert str(caught.value).isprintable()


def test_the_interpreters_own_words_are_kept(models, tmp_path):
    content = bytearray(models["float"].path.read_bytes())
    content[0:4] = (len(content) - 4).to_bytes(4, "little")  # the root table lies at the end
    path = tmp_path / "root.tflite"
    path.write_bytes(content)
    may_crash = version("ai-edge-litert").startswith("1.")  # as it reads behind the file
    said = r"(was killed by SIG\w+ )?while reading it( \(.+\))?" if may_crash else r"while reading it \(.+\)"
    with pytest.raises(BenchmarkError, match=rf"{said}\. The file is damaged"):
        inspect(path)


@linux
def test_ctrl_c_ends_the_workers(models):
    command = [sys.executable, "-m", "tfprune.benchmark", str(models["endless"].path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    ) as parent:
        end = time.monotonic() + 60
        while not (workers := workers_of(parent.pid)) and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(1.0)
        parent.send_signal(signal.SIGINT)
        _, errors = parent.communicate(timeout=60)
    assert workers
    assert (parent.returncode, errors) == (130, "interrupted\n")
    end = time.monotonic() + 10  # one that was only just being started ends when it finds its input closed
    while any(Path(f"/proc/{pid}/exe").exists() for pid in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in workers)


@linux
def test_a_worker_does_not_outlive_its_parent(models):
    program = (
        "import sys, time; from pathlib import Path; from tfprune.benchmark.child import Child\n"
        "child = Child(Path(sys.argv[1])); child.hello(); print(child.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(models["float"].path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{worker}/exe").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}/exe").exists()
