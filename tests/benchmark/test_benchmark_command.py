from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tfprune.benchmark import LayerReport, Report
from tfprune.benchmark.command import measure
from tfprune.errors import InputError

QUICK = ["--runs", "2", "--min-seconds", "0", "--warmup-seconds", "0"]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tfprune.benchmark", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def test_text(models):
    done = command(models["float"].path, models["int8"].path, "--threads", 1, *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Inference timings in us: Init: ") == 2
    assert "Speed-up of int8.tflite over float.tflite: " in done.stdout


def test_json(models):
    done = command(models["float"].path, "--json", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    assert content["models"][0]["latency"]["num_runs"] >= 2
    assert Report.from_dict(content)[0].model == str(models["float"].path)


@pytest.mark.parametrize("arguments", [["absent.tflite"], [__file__], ["--threads", "0"]])
def test_bad_input_is_one_line_and_exit_code_2(models, arguments):
    done = command(models["float"].path, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_model_that_fails_is_exit_code_1(models, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(models["float"].path.read_bytes()[:60])
    done = command(path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_no_arguments():
    assert command().returncode == 2


def test_settings_side_by_side(models):
    done = command(models["mixed"].path, "--threads", "1,2", "--both-delegates", "--json", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    found = Report.from_json(done.stdout)
    assert [(each.threads, each.delegate) for each in found] == [(1, True), (1, False), (2, True), (2, False)]
    printed = command(models["mixed"].path, "--no-delegate", "--interpreter", "ai-edge-litert", *QUICK).stdout
    assert "XNNPACK took 0 of 4 operations" in printed
    assert ", p90 " in printed
    assert "thread CPU min " in printed


def test_layers(models, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # no benchmark_model
    done = command(models["mixed"].path, "--layers", "--points", 3, "--json", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(LayerReport.from_json(done.stdout)) == 3
    assert "CONV_2D  1x6x6x8  first" in command(models["mixed"].path, "--layers", *QUICK).stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threads": "one"}, "--threads 'one' is not possible; give whole numbers"),
        ({"threads": "1,"}, "--threads '' is not possible"),
        ({"no_delegate": True, "both_delegates": True}, "give one of them"),
        ({"device": "x"}, "--device without --adb"),
        ({"points": 3}, "--points is not possible"),
        ({"benchmark_model": "x"}, "it is for --adb or --layers"),
        ({"interpreter": "all", "adb": True}, "a phone runs benchmark_model"),
        ({"per_layer": True, "models": ["a", "b"]}, "give one model"),
        ({"per_layer": True, "threads": "1,2"}, "give one number"),
        ({"adb": True, "both_delegates": True}, "does not go with --adb"),
        ({"interpreter": "ai-edge-litert,x"}, "no interpreter 'x'"),
    ],
)
def test_options_that_do_not_go_together(options, words):
    with pytest.raises(InputError, match=words) as caught:
        measure(**{"models": ["absent.tflite"], **options})
    assert "\n" not in str(caught.value)
