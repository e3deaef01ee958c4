"""Work that is killed at any moment: what it leaves is whole or absent, and the same call ends as if nothing had been.

A process with TensorFlow loaded forks for each run, so that a run takes seconds. Each is killed (SIGKILL) at a moment
drawn by chance, or just before its n-th change of the file system, or meets a full disk from some byte on; then its
files are looked at, and the same work is begun again in the same folder, until it ends.

    python tests/attacks/kills.py --count 200 --log counts.json       # each kind of work, killed 200 times
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

LONGEST = 180.0
"""Seconds after which a run is hung."""
PROTECTED = ("replace", "rename", "fsync", "mkdir", "unlink", "remove", "rmdir", "link")
"""What changes the file system, of the module os."""

Job = Callable[[Path], Any]
JOBS: dict[str, Job] = {}


def job(function: Job) -> Job:
    """Register work: in a folder, it does what is left of it, and returns what comes out at the end."""
    JOBS[function.__name__] = function
    return function


def trained(rate: float = 0.01) -> tuple[Any, Any, Any]:
    """Return a small compiled network and data that it can learn."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(5)
    layers, rng = keras.layers, np.random.default_rng(0)
    x = rng.normal(size=(120, 12)).astype("float32")
    y = np.argmax(x[:, :3], axis=1)
    inputs = keras.Input((12,))
    tensor = layers.Dropout(0.2)(layers.Dense(16, activation="relu")(inputs))
    tensor = layers.BatchNormalization()(layers.Dense(24, activation="relu", name="hidden")(tensor))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(tensor), name="small")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, x, y


def digest(model: Any) -> str:
    """Return what tells the weights of a model from others."""
    return hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in model.weights)).hexdigest()


@job
def fit(folder: Path) -> Any:
    """Train with masks and `BackupAndRestore`."""
    import tfprune

    model, x, y = trained()
    pruning = tfprune.PruneCallback(0.8, layers=["hidden"], frequency=3, verbose=0)
    callbacks = [tfprune.BackupAndRestore(folder / "backup"), pruning]
    model.fit(x, y, batch_size=10, epochs=6, shuffle=False, verbose=0, callbacks=callbacks)
    return digest(model)


@job
def compress(folder: Path) -> Any:
    """Run a recipe of several stages."""
    import tfprune

    model, x, y = trained()
    recipe = tfprune.recipe.Recipe(
        [
            {"method": "prune", "granularity": "filter", "amount": 0.5, "epochs": 2},
            {"method": "shrink"},
            {"method": "fine_tune", "epochs": 2},
            {"method": "export", "quantize": "float16"},
        ]
    )
    result = tfprune.compress(model, (x, y), (x, y), recipe, folder / "out", verbose=0)
    state = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))
    return [digest(result.model), sorted(path.name for path in (folder / "out").iterdir()), timeless(state)]


@job
def search(folder: Path) -> Any:
    """Search with two workers."""
    import tfprune

    model, x, _ = trained()
    found = tfprune.search.run(
        model, x, tfprune.Budget(macs=0.5), trials=20, climb=(3,), levels=3, choose_from=("channels",), workers=2,
        folder=folder / "out", verbose=0,
    )  # fmt: skip
    return [digest(found.model), found.best.point, found.best.metrics]


@job
def export(folder: Path) -> Any:
    """Write a `.tflite` file, over an older one."""
    import tfprune

    model, x, _ = trained()
    path = folder / "small.tflite"
    tfprune.to_tflite(model, path, quantize="int8", representative_data=x, overwrite=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@job
def report(folder: Path) -> Any:
    """Write a page about what pruning did."""
    import tfprune

    model, x, y = trained()
    small = tfprune.prune_filters(model, 0.5)
    made = tfprune.report.make(model, small, val=(x, y))
    for name in ("page.html", "page.json", "page.md"):
        made.save(folder / name, overwrite=True)
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def timeless(state: Any) -> Any:
    """Return what was measured without what differs from run to run."""
    if isinstance(state, dict):
        return {key: timeless(value) for key, value in state.items() if key not in ("seconds", "date", "at", "began")}
    return [timeless(value) for value in state] if isinstance(state, list) else state


def damaged(folder: Path) -> list[str]:
    """Return the files under their own names that are not whole."""
    return [
        f"{path.relative_to(folder)}: {why}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        for why in [wrong_with(path)]
        if why
    ]


def wrong_with(path: Path) -> str:
    """Return why a file is not whole, nothing if it is."""
    content = path.read_bytes()
    try:
        if path.suffix == ".json":
            json.loads(content)
        elif path.suffix in (".keras", ".npz", ".zip"):
            with zipfile.ZipFile(path) as archive:
                return str(archive.testzip() or "")
        elif path.suffix == ".tflite":
            return "" if content[4:8] == b"TFL3" and len(content) > 500 else "no .tflite file"
        elif path.suffix == ".html":
            return "" if content.rstrip().endswith(b"</html>") else "cut off"
        elif path.suffix == ".h5":
            import h5py

            with h5py.File(path) as file:
                list(file)
        elif path.suffix in (".md", ".yaml", ".txt"):
            return "" if content else "empty"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def run(work: Job, folder: Path, *, until: float | None = None, change: int | None = None, full: int | None = None,
        counted: bool = False) -> tuple[str, Any]:  # fmt: skip
    """Do work in a forked process; return how it ended, and what came out.

    Args:
        work: The work.
        folder: Where.
        until: Seconds after which it is killed.
        change: It is killed before its change of the file system with this number.
        full: No file may grow beyond so many bytes.
        counted: Whether what comes out is the number of its changes.
    """
    answer = folder.with_suffix(".answer")
    answer.unlink(missing_ok=True)
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        perform(work, folder, answer, change, full, counted=counted)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        passed = time.monotonic() - begin
        if ended:
            break
        if (until is not None and passed > until) or passed > LONGEST:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return ("hung" if passed > LONGEST else "killed"), None
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL:
        return "killed", None
    told = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else [f"exit code {code}", None]
    return str(told[0]), told[1]


def perform(work: Job, folder: Path, answer: Path, change: int | None, full: int | None, *, counted: bool) -> None:
    """Do work in this process, which ends with it."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(quiet, number)
    count = [0]
    if change is not None or counted:
        for name in PROTECTED:
            setattr(os, name, noticed(getattr(os, name), count, change))
    if full is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
    from tfprune.errors import TfpruneError

    try:
        told = ["done", work(folder)]
    except (TfpruneError, OSError) as error:
        kind = "refused" if isinstance(error, TfpruneError) or error.errno in (errno.EFBIG, errno.ENOSPC) else "raised"
        told = [kind, f"{type(error).__name__}: {error}"]
    except BaseException as error:
        told = ["raised", f"{type(error).__name__}: {error}\n{traceback.format_exc()[-1500:]}"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    answer.write_text(json.dumps([told[0], count[0] if counted and told[0] == "done" else told[1]]), encoding="utf-8")
    os._exit(0)


def noticed(function: Any, count: list[int], change: int | None) -> Any:
    """Return a function of the module os that counts, and kills before the change with a number."""

    def call(*args: Any, **kwargs: Any) -> Any:
        count[0] += 1
        if change is not None and count[0] == change:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return call


def attack(name: str, count: int, seed: int = 0, tell: Any = print) -> dict[str, Any]:
    """Interrupt a kind of work so many times; return the counts, and what went wrong.

    Args:
        name: The work.
        count: How many kills at moments drawn by chance; besides, one before each change of the file system and a
            tenth as many full disks.
        seed: What the moments are drawn from.
        tell: Called with what went wrong.
    """
    work, draw, wrong = JOBS[name], random.Random(seed), []
    counts = {"killed": 0, "killed before a change": 0, "full disk": 0, "begun again": 0, "ended before": 0}

    def complain(what: str, case: Any) -> None:
        wrong.append({"work": name, "case": case, "wrong": what})
        tell(wrong[-1])

    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)

        def fresh() -> Path:
            folder = place / "work"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            return folder

        begin = time.monotonic()
        how, wanted = run(work, fresh())
        seconds = time.monotonic() - begin
        assert how == "done", wanted
        changes = int(run(work, fresh(), counted=True)[1])

        def again(folder: Path, case: Any) -> None:
            """Begin the work again, without anything in its way, and compare."""
            for what in damaged(folder):
                complain(f"not whole: {what}", case)
            counts["begun again"] += 1
            how, found = run(work, folder)
            if (how, found) != ("done", wanted):
                complain(f"then it {how}: {str(found)[:600]}, wanted {str(wanted)[:300]}", case)

        while counts["killed"] < count:
            folder, moment = fresh(), draw.uniform(0.0, seconds)
            how = run(work, folder, until=moment)[0]
            counts["killed" if how == "killed" else "ended before"] += 1
            while how == "killed" and draw.random() < 0.3:  # killed again, while it makes up for it
                how = run(work, folder, until=draw.uniform(0.0, seconds))[0]
                counts["killed"] += how == "killed"
            again(folder, {"seconds": moment})
        steps = range(1, changes + 1) if changes <= count else sorted(draw.sample(range(1, changes + 1), count))
        for change in steps:
            folder = fresh()
            how = run(work, folder, change=change)[0]
            counts["killed before a change"] += how == "killed"
            again(folder, {"change": change})
        for _ in range(max(2, count // 10)):
            folder, size = fresh(), int(10 ** draw.uniform(0, 5))
            how, said = run(work, folder, full=size)
            counts["full disk"] += how != "done"
            if how not in ("done", "refused"):
                complain(f"with a full disk it {how}: {said}", {"full": size})
            again(folder, {"full": size})
    return {"work": name, **counts, "changes": changes, "seconds of one": round(seconds, 2), "wrong": wrong}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    import keras  # noqa: F401  (loaded once, and there in each fork)
    import tensorflow  # noqa: F401

    found = []
    for name in arguments.jobs:
        found.append(attack(name, arguments.count, arguments.seed, lambda case: print(case, flush=True)))
        print({key: value for key, value in found[-1].items() if key != "wrong"}, flush=True)
        if arguments.log:
            arguments.log.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    raise SystemExit(1 if any(one["wrong"] for one in found) else 0)


if __name__ == "__main__":
    main()
