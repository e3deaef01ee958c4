"""What grows over a run is noticed, whatever of it does; that nothing does takes the long form, `soak.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading

import pytest
from attacks.soak import ALLOWED, complaints, held

CALM = {"MB": 100.0, "files": 9, "threads": 5, "children": 1, "temporaries": 0}


def run_of(**steps):
    """Return what 100 rounds would hold, each thing more by a step in each."""
    return [{key: value + steps.get(key, 0) * number for key, value in CALM.items()} for number in range(100)]


@pytest.mark.parametrize("key", [*ALLOWED, "MB"])
def test_what_grows_is_named(key):
    step = 3.0 if key == "MB" else 0.2
    (said,) = complaints(run_of(**{key: step}), run_of())
    assert said.startswith(f"{key}: ")


def test_what_keras_keeps_by_itself_is_allowed():
    assert complaints(run_of(MB=3.0), run_of(MB=2.0)) == []
    assert complaints(run_of(), run_of()) == []


def test_what_a_process_holds_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = held()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    handle = os.open(tmp_path / "left", os.O_CREAT)
    try:
        after = held()
    finally:
        os.close(handle)
        stop.set()
        thread.join()
        child.communicate(b"\n")
    assert {key: after[key] - before[key] for key in ("threads", "children", "temporaries")} == {
        "threads": 1, "children": 1, "temporaries": 1,
    }  # fmt: skip
    assert after["files"] - before["files"] == 2
