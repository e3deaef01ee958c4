"""Stages in folders, and running them in processes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from keras import tree
from partition.networks import MODELS
from partition.test_stages import random_plan
from support import ROOT
from warm import tfprune_command

from tfprune.errors import BenchmarkError, InputError
from tfprune.partition import Device, Devices, Link, load_stages, partition, run_stages
from tfprune.partition.row import Row
from tfprune.partition.run_summary import between
from tfprune.partition.stages import sample_inputs

ROW = Devices([Device("first", 0.5), Device("idle"), Device("second"), Device("fast", 4)], Link("1MB/s", "2 ms"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two inputs, two outputs made by different stages, and a device that only hands on."""
    folder = tmp_path_factory.mktemp("stages") / "two_inputs"
    model = MODELS["two_inputs"]()
    times = np.array([5.0, 1, 1, 1, 1, 1, 1])
    from tfprune.graph import trace
    from tfprune.partition import Chain, Costs, Profile
    from tfprune.partition.planning import plan_with_cuts

    costs = Costs(Chain(trace(model)), Profile(times, "given"), ROW)
    stages = partition(model, plan_with_cuts(costs, (2, 2, 6)))
    stages.save(folder)
    return folder, stages


@pytest.fixture
def alive():
    """Check that no process is left over."""
    made = []
    original = Row.__enter__

    def enter(self):
        row = original(self)
        made.extend(row.pids)
        return row

    Row.__enter__ = enter
    yield made
    Row.__enter__ = original
    assert made
    for pid in made:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def copied(saved, tmp_path, change=None):
    """A copy of the folder with something changed in its manifest."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in saved[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    if change is not None:
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_the_folder_is_whole_and_comes_back(saved):
    folder, stages = saved
    names = {"manifest.json", *(f"stage_{n}.{kind}" for n in (1, 2, 3) for kind in ("keras", "tflite"))}
    assert {file.name for file in folder.iterdir()} == names
    manifest = json.loads((folder / "manifest.json").read_text())
    by_name = {one["name"]: one for one in manifest["tensors"]}
    assert {name for name, one in by_name.items() if one["output"]} == set(tree.flatten(stages.outputs))
    assert by_name["image"]["made_by"] == 0
    assert all(one["bytes"] == 4 * np.prod(one["shape"][1:]) for one in manifest["tensors"])
    assert manifest["versions"]["tfprune"]
    loaded = load_stages(folder)
    assert loaded.plan == stages.plan
    assert loaded.tensors == stages.tensors
    given = sample_inputs(stages, 3)
    for x, y in zip(tree.flatten(stages(given)), tree.flatten(loaded(given)), strict=True):
        np.testing.assert_array_equal(x, y)


def test_running_gives_the_outputs_and_times_beside_the_plan(saved, alive):
    folder, stages = saved
    given = sample_inputs(stages, 5)
    result = run_stages(folder, given, repeats=2)
    for x, y in zip(tree.flatten(stages(given)), tree.flatten(result.outputs), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)
    assert sorted(result.outputs) == ["a", "b"]
    assert len(alive) == 4
    assert [one.device for one in result.stages] == ["first", "second", "fast"]
    assert all(one.measured > 0 for one in result.stages)
    assert len(result.links) == 3
    assert all(one.measured >= one.planned > 2 for one in result.links)  # it sleeps that long at least
    assert result.latency >= sum(one.planned for one in result.links)
    assert 0 < result.throughput < 500
    assert result.samples == 10
    text = str(result)
    assert "emulated" in text
    assert "fast: faster than this machine" in text
    assert result.table().row_count == 9
    assert json.loads(json.dumps(result.to_dict()))["expected_latency"] == pytest.approx(result.expected_latency)


def test_a_late_first_result_makes_no_pipeline_faster():
    """Ten samples, 2 ms apart: the last process sleeps through the first 15 ms, and then everything comes at once."""
    sent = [[{"send": 1_000_000 * (2 * n + place)} for place in (0, 1)] for n in range(10)]
    arrived = [1_000_000 * max(2 * n + 2, 15) for n in range(10)]
    headers = [{"times": times, "arrived": at} for times, at in zip(sent, arrived, strict=True)]
    assert (arrived[-1] - arrived[0]) / 9e9 < 0.001
    assert between(headers) == pytest.approx(0.002)
    slow = [{"times": times, "arrived": 5_000_000 * n} for n, times in enumerate(sent)]
    assert between(slow) == pytest.approx(0.005)


def test_without_emulation_one_by_one(saved, alive):
    folder, stages = saved
    given = sample_inputs(stages, 2)
    result = run_stages(folder, [given["image"], given["table"]], pipelined=False, emulate=False)
    assert result.throughput is None
    assert "not emulated" in str(result)
    assert sum(one.measured for one in result.links) < 100
    for x, y in zip(tree.flatten(stages(given)), tree.flatten(result.outputs), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


@pytest.mark.parametrize("number", [0, 2])
def test_a_killed_stage_is_an_error_and_nothing_is_left(saved, alive, monkeypatch, number):
    receive = Row.receive

    def kill(self, extra=0.0):
        found = receive(self, extra)
        os.kill(self.pids[number], signal.SIGKILL)
        return found

    monkeypatch.setattr(Row, "receive", kill)
    with pytest.raises(BenchmarkError, match=rf"stage_{max(number, 1)}.tflite of .* SIGKILL"):
        run_stages(saved[0], sample_inputs(saved[1], 4), timeout=20)


def test_a_stage_that_hangs_is_stopped(saved, alive, monkeypatch):
    receive = Row.receive

    def stop(self, extra=0.0):
        found = receive(self, extra)
        os.kill(self.pids[1], signal.SIGSTOP)
        return found

    monkeypatch.setattr(Row, "receive", stop)
    with pytest.raises(BenchmarkError, match="gave no result within"):
        run_stages(saved[0], sample_inputs(saved[1], 4), timeout=0.3)


def test_a_stage_that_hangs_while_it_reads_its_file_is_stopped_as_soon(saved, alive, tmp_path, monkeypatch):
    folder, make = copied(saved, tmp_path), Row.__init__

    def swap(self, *arguments):
        (folder / "stage_2.tflite").unlink()
        os.mkfifo(folder / "stage_2.tflite")  # nobody ever writes to it
        make(self, *arguments)

    monkeypatch.setattr(Row, "__init__", swap)
    start = time.monotonic()
    with pytest.raises(BenchmarkError, match=r"gave no result within 0.\d+ s"):
        run_stages(folder, sample_inputs(saved[1], 1), timeout=0.5)
    assert time.monotonic() - start < 60


def test_starting_is_no_fault_of_the_file(saved, alive, monkeypatch):
    monkeypatch.setattr("tfprune.partition.row.START_SECONDS", 0.01)
    with pytest.raises(BenchmarkError, match=r"have not started within 0.01 s"):
        run_stages(saved[0], sample_inputs(saved[1], 1), timeout=0.01)


def test_an_interrupt_leaves_nothing(saved, alive, monkeypatch):
    def interrupt(self, extra=0.0):
        raise KeyboardInterrupt

    monkeypatch.setattr(Row, "receive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_stages(saved[0], sample_inputs(saved[1], 4))


def test_a_damaged_file_is_said(saved, tmp_path):
    folder = copied(saved, tmp_path)
    (folder / "stage_2.tflite").write_bytes(b"nothing of the kind")
    with pytest.raises(BenchmarkError, match=r"stage_2.tflite of 'second' can't be run"):
        run_stages(folder, sample_inputs(saved[1], 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(format=9), "format 9"),
        (lambda m: m.pop("tensors"), "damaged"),
        (lambda m: m["stages"][0].update(inputs=["nothing"]), "unknown tensor 'nothing'"),
        (lambda m: m["stages"][0].update(keras="../stage_1.keras"), "not one of a stage"),
        (lambda m: m["stages"][0].update(tflite="stage_9.tflite"), "There is no stage_9.tflite"),
    ],
)
def test_a_damaged_manifest_is_said(saved, tmp_path, change, said):
    folder = copied(saved, tmp_path, change)
    for read in (load_stages, lambda folder: run_stages(folder, {})):
        with pytest.raises(InputError, match=said):
            read(folder)


def test_what_is_no_folder_of_stages(tmp_path):
    with pytest.raises(InputError, match=r"There is no manifest.json"):
        load_stages(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        load_stages(tmp_path)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"image": np.zeros((1, 6, 6, 3))}, "no samples for the input 'table'"),
        ({"imag": np.zeros((1, 6, 6, 3))}, "Did you mean 'image'"),
        ([np.zeros((1, 6, 6, 3))] * 2, "expected numbers of shape"),
        (np.zeros((1, 6, 6, 3)), "image, table"),
        ([np.zeros((2, 6, 6, 3)), np.zeros((1, 4))], r"\[2, 1\]"),
    ],
)
def test_inputs_that_do_not_fit(saved, inputs, said):
    with pytest.raises(InputError, match=said):
        run_stages(saved[0], inputs)


def test_nothing_of_others_is_overwritten(saved, tmp_path):
    _, stages = saved
    folder = copied(saved, tmp_path)
    with pytest.raises(InputError, match="is not empty"):
        stages.save(folder, tflite=False)
    stages.save(folder, tflite=False, overwrite=True)
    assert not list(folder.glob("*.tflite"))
    with pytest.raises(InputError, match=r"has no .tflite file"):
        run_stages(folder, sample_inputs(stages, 1))
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes.txt"):
        stages.save(folder, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        stages.save(folder / "notes.txt")
    with pytest.raises(InputError, match="There is no folder"):
        stages.save(tmp_path / "nowhere" / "stages")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy"]


def test_a_failure_leaves_no_folder(saved, tmp_path, monkeypatch):
    from tfprune.partition import folder

    def fail(*args, **kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr(folder, "to_tflite", fail)
    with pytest.raises(RuntimeError):
        saved[1].save(tmp_path / "stages")
    assert not list(tmp_path.iterdir())


def test_processes_need_neither_tensorflow_nor_keras():
    code = (
        "import sys, tfprune.partition.stage_worker, tfprune.partition.runner\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert random_plan is not None


def test_the_command_line(tmp_path):
    MODELS["plain"]().save(tmp_path / "model.keras")
    (tmp_path / "devices.yaml").write_text(
        "devices:\n- {name: a}\n- {name: b}\nlink: {bandwidth: 1MB/s, delay: 0.1 ms}\n"
    )
    command = ["partition", "model.keras", "--devices", "devices.yaml", "--stages", "2", "--latency", "macs", "--json"]
    cache = {"TFPRUNE_CACHE": str(tmp_path)}
    done = tfprune_command(tmp_path, *command, "--out", "stages", "--run", "--samples", "3", **cache)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["out"] == "stages"
    assert len(told["stages"]) == len(told["run"]["stages"]) == 2
    assert (tmp_path / "stages" / "stage_2.tflite").exists()
    done = tfprune_command(tmp_path, *command, "--out", "stages", **cache)
    assert done.returncode == 2
    assert "is not empty" in done.stderr.splitlines()[-1]
