"""Work that is killed at any moment, or meets a full disk, ends as if nothing had been when it is begun again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from attacks.faults import run
from attacks.kills import damaged
from attacks.works import JOBS


@pytest.mark.slow
@pytest.mark.parametrize(
    "work", [pytest.param(work, marks=[pytest.mark.long] if work == "search" else []) for work in JOBS]
)
def test_killed_work_is_made_up_for(work, tmp_path):
    """Two runs of each kind that nothing stops are equal, and so is one that begins again where it was killed."""
    log, script = tmp_path / "log.json", str(Path(__file__).with_name("kills.py"))
    changes = "3" if work == "report" else "1"
    command = [sys.executable, script, "--count", "1", "--changes", changes, "--jobs", work, "--log", str(log)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    (told,) = json.loads(log.read_text(encoding="utf-8"))
    assert told["wrong"] == []
    assert told["changes"] > 10
    assert told["killed"] >= 1
    if work != "search_worker":
        assert told["killed before a change"] == told["change failed"] == int(changes)
        assert told["begun again"] >= 2 * int(changes) + 2


def write_two(folder):
    (folder / "one.json").write_text("{}", encoding="utf-8")
    folder.joinpath("two.json").write_text('{"a":', encoding="utf-8")
    (folder / "two.json").rename(folder / "three.json")
    return "ended"


@pytest.mark.parametrize(
    ("fault", "how", "left"),
    [
        ({}, "done", ["one.json", "three.json"]),
        ({"change": 2}, "killed", ["one.json"]),
        ({"change": 3}, "killed", ["one.json", "two.json"]),
        ({"no_room": 3}, "refused", ["one.json", "two.json"]),
        ({"full": 3}, "refused", ["one.json", "two.json"]),
    ],
)
def test_each_fault_comes_where_it_should_and_damage_is_noticed(fault, how, left, tmp_path):
    """Else the runs above would prove nothing."""
    folder = tmp_path / "work"
    folder.mkdir()
    assert run(write_two, folder, **fault)[0] == how
    assert sorted(path.name for path in folder.iterdir()) == left
    assert [line.partition(":")[0] for line in damaged(folder)] == left[1:]


def test_changes_are_counted(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    assert run(write_two, folder, counted=True) == ("done", ["ended", 3])
