"""Work that is killed at any moment, or meets a full disk, ends as if nothing had been when it is begun again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("work", ["report"])  # the long form has five kinds
def test_killed_work_is_made_up_for(work, tmp_path):
    log = tmp_path / "log.json"
    command = [
        sys.executable,
        str(Path(__file__).with_name("kills.py")),
        "--count",
        "2",
        "--jobs",
        work,
        "--log",
        str(log),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    (told,) = json.loads(log.read_text(encoding="utf-8"))
    assert told["wrong"] == []
    assert told["killed"] >= 2
    assert told["killed before a change"] >= 2
    assert told["begun again"] >= 5
