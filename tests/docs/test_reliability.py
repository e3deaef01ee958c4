"""The page about reliability names tests that exist, and commands whose options scripts have."""

import re
import subprocess

import pytest
from support import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
SPANS = sorted({span for line in TEXT.splitlines() if line.startswith("|") for span in re.findall(r"`([^`]+)`", line)})
TESTS = [span for span in SPANS if span.startswith("tests/") or re.fullmatch(r"test_\w+\.py(::\w+)?", span)]
COMMANDS = [span for span in SPANS if span.startswith("python tests/")]


@pytest.mark.parametrize("name", TESTS)
def test_each_test_exists(name):
    file, _, function = name.partition("::")
    found = [ROOT / file] if "/" in file else list((ROOT / "tests").rglob(file))
    assert found
    assert all(path.exists() for path in found)
    assert not function or any(f"def {function}(" in path.read_text(encoding="utf-8") for path in found)


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_has_the_options_that_it_is_given(line):
    _, script, *words = line.split()
    text = (ROOT / script).read_text(encoding="utf-8")
    assert all(f'"{word}"' in text for word in words if word.startswith("--")), line


def test_every_long_run_has_a_row_even_if_it_was_never_made():
    scripts = [path for path in (ROOT / "tests" / "attacks").glob("*.py") if not path.stem.startswith("test_")]
    names = {path.stem for path in scripts if '"--log"' in path.read_text("utf-8")}
    block = TEXT.partition("<!-- figures: long-runs -->")[2].partition("<!-- end -->")[0]
    assert names == set(re.findall(r"^\| `(\w+)\.py`", block, re.MULTILINE))


def test_make_runs_each_of_them_and_fails_at_the_end_only():
    plan = ["make", "--no-print-directory", "-n", "test-long"]
    said = subprocess.run(plan, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in ("pytest", "properties", "tflite_files", "fuzz", "kills", "soak", "large"):
        assert f"part {name} " in said
    assert said.rstrip().endswith("exit 1; fi")
