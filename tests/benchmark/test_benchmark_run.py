from __future__ import annotations

import gzip
import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from tfprune.benchmark import Environment, Report, run
from tfprune.benchmark.data_folder import data_folder
from tfprune.benchmark.host import cpu_flags
from tfprune.benchmark.notes import notes
from tfprune.benchmark.settings import Settings
from tfprune.benchmark.timing import Samples, latency, speedup
from tfprune.errors import BenchmarkError, InputError

BRIEF = {"runs": 1, "min_seconds": 0.0, "warmup": 0, "warmup_seconds": 0.0}
LINE = (
    r"Inference timings in us: Init: \d+, First inference: \d+, "
    r"Warmup \(avg\): \d+(\.\d+)?, Inference \(avg\): \d+(\.\d+)?"
)


@pytest.fixture(scope="module")
def report(models) -> Report:
    paths = [models["wide"].path, str(models["narrow"].path), models["wide"].path]
    return run(paths, runs=20, min_seconds=0.3, warmup_seconds=0.05)


def test_statistics_are_consistent(report):
    for model in report:
        times = model.latency
        assert 0 < times.min_ms <= times.p5_ms <= times.median_ms <= times.p90_ms <= times.p95_ms <= times.max_ms
        assert times.min_ms <= times.avg_ms <= times.max_ms
        assert 0 <= times.std_ms <= times.max_ms - times.min_ms
        assert 0 <= times.cpu_min_ms <= times.cpu_p5_ms <= times.cpu_median_ms
        assert times.steady_ms() == times.cpu_p5_ms
        assert times.steady_ms(threads=2) == times.p5_ms
        assert times.init_ms > 0
        assert times.first_ms > 0
        assert times.num_runs >= 20
        assert times.num_runs * times.avg_ms >= 300 * 0.99
        assert times.num_warmup_runs * times.warmup_ms >= 50 * 0.99


def test_a_model_against_itself_is_as_fast(report):
    assert 0.5 < report[2].speedup.median < 2
    assert report[2].speedup.p5 <= report[2].speedup.median <= report[2].speedup.p95


def test_a_model_with_sixteen_times_the_work_is_slower(report):
    assert report[1].speedup.median > 3
    assert report[1].latency.median_ms * 3 < report[0].latency.median_ms
    assert report[0].speedup is None


def test_sizes(report, models):
    for model, name in zip(report, ("wide", "narrow", "wide"), strict=True):
        content = models[name].path.read_bytes()
        assert model.file_bytes == len(content)
        assert model.gzip_bytes == pytest.approx(len(gzip.compress(content, 9)), abs=32)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_is_the_models_not_the_parents(report):
    peak = [model.memory.peak_bytes for model in report]
    assert all(10e6 < value < 200e6 for value in peak)  # this process, with TensorFlow, holds far more
    assert report[0].memory.model_bytes > report[1].memory.model_bytes + 4e6  # 8 MB of weights against 0.5 MB


def test_environment(report):
    environment = report.environment
    assert environment.device == "cpu"
    assert environment.threads == 1
    assert environment.interpreter == "ai-edge-litert"
    assert {"ai-edge-litert", "numpy", "python"} == set(environment.versions)
    assert environment.cpu_flags == cpu_flags()
    assert environment.cores >= 1


def test_json_round_trip(report):
    assert json.loads(report.to_json()) == report.to_dict()
    assert Report.from_json(report.to_json()) == report
    content = report.to_dict()["models"][1]
    assert {"init_ms", "first_ms", "warmup_ms", "avg_ms", "median_ms", "p5_ms", "p95_ms"} < set(content["latency"])
    assert content["latency"]["num_runs"] == report[1].latency.num_runs


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"models": [{}], "environment": {"cpu_flags": []}, "notes": []}'])
def test_json_of_something_else(text):
    with pytest.raises(InputError, match="give what to_json"):
        Report.from_json(text)


def test_text_has_the_words_of_benchmark_model(report):
    lines = str(report).splitlines()
    assert all(re.fullmatch(LINE, str(model)) for model in report)
    assert [line for line in lines if re.fullmatch(LINE, line)] == [str(model) for model in report]
    assert any(re.search(r"^Speed-up of .*narrow\.tflite over .*: \d+\.\d\dx", line) for line in lines)
    assert any("ai-edge-litert" in line and "1 thread" in line for line in lines)


def test_table(report):
    from rich.console import Console

    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(report.table())
    console.file.close()
    text = console.export_text()
    assert all(
        word in text for word in ("model", "gzip", "median", "p5-p90", "CPU min", "speed-up", "peak memory", "1.00x")
    )
    assert f"{report[1].speedup.median:.2f}x" in text


def test_one_path_and_real_inputs(models):
    single = run(models["tokens"].path, inputs={"tokens": models["tokens"].x}, **BRIEF)
    assert len(single) == 1
    assert single[0].latency.num_runs == 1
    assert "Speed-up" not in str(single)


@pytest.mark.parametrize("name", ["int8", "tokens", "dynamic", "two"])
def test_every_kind_of_input_can_be_made_up(models, name):
    assert run(models[name].path, seed=3, threads=2, **BRIEF)[0].latency.avg_ms > 0


def test_wrong_inputs(models):
    with pytest.raises(InputError, match=r"no input 'imag'. Did you mean 'image'"):
        run(models["float"].path, inputs={"imag": models["float"].x}, **BRIEF)
    with pytest.raises(BenchmarkError, match="running it for the first time"):  # tokens beyond the table
        run(models["tokens"].path, inputs=np.full((1, 5), 1_000_000, "int32"), **BRIEF)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("threads", value) for value in (0, -1, 1.5, "2", True, None)),
        *(("runs", 0), ("warmup", -1), ("seed", -1), ("min_seconds", -1.0), ("min_seconds", float("nan"))),
        *(("max_seconds", 0), ("max_seconds", float("inf")), ("warmup_seconds", "1"), ("timeout", 0)),
    ],
)
def test_impossible_settings(models, name, value):
    with pytest.raises(InputError, match=f"{name}=.*give a"):
        run(models["float"].path, **{name: value})


@pytest.mark.parametrize("paths", [[], [3], 3, None, [None]])
def test_no_paths(paths):
    with pytest.raises(InputError, match="path"):
        run(paths)


def test_enough_and_too_much():
    settings = Settings(1, 50, 1.0, 5.0, 0.5, None, 0)
    assert not settings.is_enough(Samples(count=49, seconds=2.0))
    assert not settings.is_enough(Samples(count=60, seconds=0.9))
    assert settings.is_enough(Samples(count=50, seconds=1.0))
    assert settings.is_enough(Samples(count=2, seconds=5.0))


def test_the_longest_time_holds(models):
    found = run(models["wide"].path, runs=10**6, min_seconds=0.0, max_seconds=0.2, warmup_seconds=0.0)
    assert 10 < found[0].latency.num_runs < 10**5


def test_speedup_pairs_rounds():
    slow, fast = Samples(), Samples()
    for number, noise in enumerate((1, 10, 3, 1)):  # noise that hits both models cancels
        slow.add(number, [200 * noise] * 3, [0] * 3)
        fast.add(number, [100 * noise] * 5, [0] * 5)
    fast.add(4, [10**9], [1])  # the other one sat out: not compared
    for clock in ("cpu", "wall"):  # a clock of the CPU that does not move leaves that of the wall
        found = speedup(slow, fast, clock)
        assert (found.median, found.p5, found.p95, found.num_rounds, found.clock) == (2.0, 2.0, 2.0, 4, clock)
    assert latency(5_000_000, [3_000_000, 1_000_000], slow).warmup_ms == 2.0


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (np.array(["a"]), "give numbers"),
        (np.array([None], object), "give numbers"),
        (np.float32(3), "no samples"),
        (np.zeros((0, 3)), "no samples"),
        ({}, "no samples"),
        ([np.zeros((2, 3)), np.zeros((3, 3))], "same number"),
        ([[[1, 2], [3]]], "give NumPy arrays"),
    ],
)
def test_data_that_is_no_data(inputs, words):
    with pytest.raises(InputError, match=words), data_folder(inputs):
        pass


def test_speedup_on_a_machine_that_interrupts_long_inferences_only():
    slow, fast = Samples(), Samples()
    slow.add(0, [8_000, 9_000, 4_100], [4_000, 4_000, 4_000])
    fast.add(0, [1_000, 1_000, 9_000], [1_200, 1_200, 1_200])  # reading the CPU's clock takes time too
    assert speedup(slow, fast).median == 4.0
    assert speedup(slow, fast, "wall").median == 8.0


def test_speedups_are_of_cpu_times_with_one_thread_and_of_wall_times_with_several(models):
    found = run(models["wide"].path, threads=[1, 2], delegate=[True, False], runs=5, min_seconds=0.05)
    clocks = [(each.threads, each.speedup.clock) for each in found.models[1:]]
    assert sorted(clocks) == [(1, "cpu"), (2, "wall"), (2, "wall")]
    assert "cpu times)" in str(found)
    assert "wall times)" in str(found)


SLOW_INT8 = "This CPU has no instructions for int8 (AVX-512 VNNI or AVX-VNNI)"


def test_a_cpu_without_instructions_for_int8_is_named(models):
    def told(name, flags):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tfprune.benchmark.host.cpu_flags", lambda: flags)
            found = run(models[name].path, **BRIEF)
        return any(note.startswith(SLOW_INT8) for note in found.notes)

    old, new = ("avx", "avx2"), ("avx", "avx2", "avx_vnni")
    assert [told("int8", old), told("int8", new), told("float", old)] == [True, False, False]


def test_notes(report):
    where = Environment("cpu", 1, "litert", {"litert": "2"}, "Linux", "cpu", ("avx",), 2, 3.5)
    quiet = replace(where, cpu_flags=("neon",), load_average=1.0)

    def begin(results, environment, *, sparse=False, int8=False):
        told = notes(results, environment, sparse=sparse, int8=int8)
        return [note.split(",")[0].split(":")[0] for note in told]

    def timed(threads, median_ms, cpu_median_ms):
        times = replace(report[0].latency, median_ms=median_ms, cpu_median_ms=cpu_median_ms)
        return replace(report[0], threads=threads, latency=times)

    assert begin([], where, sparse=True) == ["This CPU has AVX", "The machine was busy"]
    assert begin([], quiet, sparse=True) == []
    assert begin([], replace(where, load_average=None)) == []
    assert begin([], replace(where, load_average=None), int8=True) == [SLOW_INT8]
    assert begin([], replace(where, load_average=None, cpu_flags=("avx", "avx512_vnni")), int8=True) == []
    assert begin([], quiet, int8=True) == []
    assert begin([timed(1, 2.0, 1.95), timed(2, 2.0, 1.0)], quiet) == []  # two threads: the caller waits for the other
    assert begin([timed(1, 2.0, 1.95), timed(1, 2.0, 1.0)], quiet) == ["The machine was busy"]  # it became so
    assert begin([timed(1, 2.0, None)], quiet) == []
    several = ["The machine was busy", "Times and speed-ups of several threads are wall times"]
    assert begin([timed(2, 2.0, 1.0)], where) == several
