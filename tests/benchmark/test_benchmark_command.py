from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tfprune.benchmark import Report

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
