"""A full disk, a folder that can't be written, too little memory and Ctrl-C: a line that says what to do, no debris."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support import ROOT, model_and_data
from warm import COLD, python_code, tfprune_command

import tfprune
from tfprune.cli.app import about_the_machine

ON_A_SMALL_DISK = """
import ctypes, sys
from tfprune.cli.app import main

libc = ctypes.CDLL(None, use_errno=True)
new_namespace, private, read_only = 0x20000, 0x4000 | 0x40000, 1
if libc.unshare(new_namespace) or libc.mount(b"none", b"/", None, private, None):
    raise SystemExit(77)
place, options, *sys.argv[1:] = sys.argv[1:]
flags = read_only if options == "read-only" else 0
if libc.mount(b"none", place.encode(), b"tmpfs", flags, None if flags else options.encode()):
    raise SystemExit(77)
try:
    main()
finally:
    import pathlib
    print("LEFT", sorted(str(path.relative_to(place)) for path in pathlib.Path(place).rglob("*")))
"""
"""A command that has a disk of its own mounted on a folder; it ends with 77 where that is not allowed."""

RECIPE = """version: 1
stages:
- {method: prune, granularity: filter, amount: 0.5, epochs: 1}
- {method: shrink}
- {method: fine_tune, epochs: 40}
"""

COMMANDS = {
    "prune": ["prune", "model.keras", "--sparsity", "0.5", "--out", "disk/out.keras"],
    "export": ["export", "model.keras", "--out", "disk/out.tflite"],
    "report": ["report", "model.keras", "model.keras", "--out", "disk/out.html"],
    "compress": ["compress", "model.keras", "--data", "train.npz", "--recipe", "recipe.yaml", "--out", "disk/out"],
    "search": [
        "search", "model.keras", "--data", "train.npz", "--budget", "macs=0.6", "--no-forms", "--trials", "4",
        "--climb", "2", "--out", "disk/out",
    ],
    "partition": ["partition", "model.keras", "--devices", "row.yaml", "--latency", "macs", "--out", "disk/out"],
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a model, its data, a recipe and devices, and a folder for a disk."""
    folder = tmp_path_factory.mktemp("room")
    model_and_data(folder)
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    devices = "devices:\n- {name: a, speed: 1.0}\n- {name: b, speed: 1.0}\nlinks:\n- {bandwidth: 100MB/s}\n"
    (folder / "row.yaml").write_text(devices, encoding="utf-8")
    (folder / "disk").mkdir()
    return folder


def on_a_disk(folder, options, *words):
    """Run a command whose folder `disk` is a disk; return what it says last, and the files that are left there."""
    done = python_code(ON_A_SMALL_DISK, str(folder / "disk"), options, *words, cwd=folder)
    if done.returncode == 77:
        pytest.skip("no mounts of our own here")
    (left,) = [line[6:-1] for line in done.stdout.splitlines() if line.startswith("LEFT [")]
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("tfprune: error: "), done.stderr[-2000:]
    assert said.isprintable()
    return done.returncode, said, left


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_said_in_one_line_and_nothing_half_written_stays(name, made):
    code, said, left = on_a_disk(made, "size=8k", *COMMANDS[name])
    assert code == 1, said
    assert "No space left on device" in said
    assert "disk/out" in said
    assert "free some space" in said
    assert not any(ending in left for ending in (".keras'", ".tflite'", ".html'")), left


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_cannot_be_written_is_said_in_one_line(name, made):
    code, said, left = on_a_disk(made, "read-only", *COMMANDS[name])
    assert code in (1, 2)
    assert "not writable" in said or ("Read-only file system" in said and "give a folder that you may write to" in said)
    assert "disk" in said
    assert left == ""


def test_arrays_that_do_not_fit_the_memory_are_said_in_one_line(made, tmp_path):
    np.savez_compressed(tmp_path / "large.npz", x=np.zeros((1 << 27,), "f4"), y=np.zeros(3))
    code = (
        "import resource\nfrom tfprune.cli.app import main\n"
        "held = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (held + (200 << 20),) * 2)\nmain()"
    )
    words = ["prune", str(made / "model.keras"), "--data", "large.npz", "--out", "out.keras"]
    done = python_code(code, *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr[-2000:]
    assert "large.npz can't be read as arrays: Unable to allocate" in done.stderr.strip().splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["large.npz"]


def test_a_child_that_runs_out_of_memory_is_a_sentence(tmp_path):
    inputs = keras.Input((1500, 1500, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(64, 3)(keras.layers.Conv2D(64, 3)(inputs)))
    tfprune.to_tflite(model, tmp_path / "wide.tflite", verify=False)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", COLD, "benchmark", "wide.tflite", "--runs", "1", "--min-seconds", "0"], cwd=tmp_path,
        env=environment, capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20)),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    said = done.stderr.strip().splitlines()
    assert said[-1].startswith("tfprune: error: "), said
    assert "wide.tflite" in said[-1]
    assert not any(line.startswith("Traceback") for line in said)


INTERRUPTED = """
import glob, os, signal, sys, threading, time
from tfprune.cli import app

when, after, *sys.argv[1:] = sys.argv[1:]
begun = threading.Event()

def import_module(name, imported=app.import_module):
    begun.set()
    return imported(name)

def interrupt():
    begun.wait()
    while not glob.glob(when):
        time.sleep(0.01)
    time.sleep(float(after))
    while True:  # Python loses one that comes while it collects garbage, say
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)

signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=interrupt, daemon=True).start()
app.import_module = import_module  # which main calls first
app.main()
"""
"""A command that gets Ctrl-C some seconds after it has begun and a file is there."""


@pytest.mark.slow
def test_compress_that_is_interrupted_says_where_it_goes_on(made, tmp_path):
    words = ["compress", made / "model.keras", "--data", made / "train.npz", "--recipe", made / "recipe.yaml"]
    words += ["--out", tmp_path / "out"]
    done = python_code(INTERRUPTED, str(tmp_path / "out" / "stage_2*"), "0.3", *words, cwd=tmp_path)
    said = f"tfprune: error: interrupted; what is done is kept in {tmp_path / 'out'}, and the same command goes on"
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (130, f"{said} from there")
    again = tfprune_command(tmp_path, *words)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "stage 2, shrink: done before" in again.stdout
    assert (tmp_path / "out" / "model.keras").exists()


@pytest.mark.long
def test_a_search_that_is_interrupted_leaves_no_workers_and_goes_on(made, tmp_path):
    pytest.importorskip("optuna")
    words = ["search", made / "model.keras", "--data", made / "train.npz", "--budget", "macs=0.6", "--no-forms"]
    words += ["--workers", "2", "--trials", "20", "--climb", "4", "--out", tmp_path / "found"]
    done = python_code(INTERRUPTED, str(tmp_path / "found" / "models" / "*.keras"), "0.3", *words, cwd=tmp_path)
    assert done.returncode == 130, done.stderr[-2000:]
    assert f"is kept in {tmp_path / 'found'}, and the same command" in done.stderr.strip().splitlines()[-1]
    assert running_with(str(tmp_path)) == []
    kept = len((tmp_path / "found" / "trials.jsonl").read_text(encoding="utf-8").splitlines())
    again = tfprune_command(tmp_path, *words)
    assert again.returncode == 0, again.stderr[-2000:]
    assert len((tmp_path / "found" / "trials.jsonl").read_text(encoding="utf-8").splitlines()) >= kept
    assert (tmp_path / "found" / "best.keras").exists()


@pytest.mark.parametrize("after", ["0", "0.1", "4"])
def test_a_command_that_keeps_nothing_says_so(after, made, tmp_path):
    (tmp_path / "now").touch()
    words = ["prune", made / "model.keras", "--data", made / "train.npz", "--epochs", "100000"]
    done = python_code(INTERRUPTED, str(tmp_path / "now"), after, *words, "--out", tmp_path / "out.keras", cwd=tmp_path)
    said, *more = done.stderr.strip().splitlines()[-1].split("; ")
    assert (done.returncode, said) == (130, "tfprune: error: interrupted")
    assert more in ([], ["files that were not finished have not been written"])
    assert more or after != "4"  # later than that the command has begun
    assert [path.name for path in tmp_path.iterdir()] == ["now"]


def running_with(word: str) -> list[str]:
    """Return the commands of running processes that name something."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and "tfprune.search.worker" in line:
            found.append(line)
    return found


class ResourceExhaustedError(Exception):
    """As TensorFlow's, which is no OSError."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.keras"), "a.keras: No space left on device; free some"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a: Permission denied; give a folder that you may"),
        (RuntimeError("Can't write (file\nwrite failed: errno = 28, error message = 'No'"), "No space left on device;"),
        (MemoryError("Unable to allocate 9 GiB"), "out of memory (Unable to allocate 9 GiB); close other programs"),
        (ResourceExhaustedError("OOM when allocating"), "out of memory or of disk space (OOM when allocating); free"),
        (ValueError("a bug"), None),
    ],
)
def test_errors_of_the_machine_are_told_from_faults(error, said, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tfprune"])
    told = about_the_machine(error)
    assert told == said or (said is not None and told.startswith(said))
