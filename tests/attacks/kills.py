"""Work that is killed at any moment: what it leaves is whole or absent, and the same call ends as if nothing had been.

A process with tfprune loaded forks for each run, so that a run takes seconds. Each is killed (SIGKILL) at a moment
drawn by chance, or just before its n-th change of the file system; or that change fails, as on a full disk; or files
can't grow beyond some size; then its files are looked at, and the same work is begun again in the same folder, until it
ends. Of a search with workers, a worker is killed, too, which the search has to make up for by itself.

    python tests/attacks/kills.py --count 200 --log counts.json       # each kind of work, killed 200 times
    python tests/attacks/kills.py --jobs fit --log counts.json        # one anew; the log keeps the others
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from attacks.faults import run  # noqa: E402

AGAIN = 0.6
"""How likely work that was killed is killed once more, while it makes up for that."""

TIMES = ("seconds", "date", "at", "began", "elapsed")
"""What differs from run to run in what is told of it."""

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
    """Run a recipe of several stages, on batches in an order that does not begin anew where it goes on.

    Of the history of epochs, one is lost where the kill comes between the backup after it and its note.
    """
    import tensorflow as tf

    import tfprune

    model, x, y = trained()
    train = tf.data.Dataset.from_tensor_slices((x, y)).batch(10)
    recipe = tfprune.recipe.Recipe(
        [
            {"method": "prune", "granularity": "filter", "amount": 0.5, "epochs": 2},
            {"method": "shrink"},
            {"method": "fine_tune", "epochs": 2},
            {"method": "export", "precision": "float16", "benchmark": False},
        ]
    )
    result = tfprune.compress(model, train, (x, y), recipe, folder / "out", verbose=0)
    state = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))
    del state["epochs"]
    return [digest(result.model), names_in(folder / "out"), timeless(state)]


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
def search_worker(folder: Path) -> Any:
    """The same search, of which workers are killed."""
    return search(folder)


@job
def export(folder: Path) -> Any:
    """Write a `.tflite` file, over an older one."""
    import tfprune

    model, x, _ = trained()
    path = folder / "small.tflite"
    tfprune.to_tflite(model, path, quantize="int8", representative_data=x, overwrite=True)
    return sha(path)


@job
def report(folder: Path) -> Any:
    """Write a page about what pruning did, in three forms."""
    import tfprune

    model, x, y = trained()
    small = tfprune.prune_filters(model, 0.5)
    made = tfprune.report.make(model, small, val=(x, y))
    for name in ("page.html", "page.json", "page.md"):
        made.save(folder / name, overwrite=True)
    facts = timeless(json.loads((folder / "page.json").read_text(encoding="utf-8")))
    again = tfprune.report.Report.load(folder / "page.json")
    forms = (again.to_html() == (folder / "page.html").read_text(encoding="utf-8"), sha(folder / "page.md"))
    return [hashlib.sha256(json.dumps(facts).encode()).hexdigest(), *forms, names_in(folder)]


BEFORE: dict[str, Job] = {}
"""What is there before the work begins, and is replaced by it: the old or the new, never anything else."""


def older(folder: Path) -> None:
    """Write the file that an export replaces."""
    import tfprune

    tfprune.to_tflite(trained()[0], folder / "small.tflite")


BEFORE["export"] = older

SINGLE = ("export", "report")
"""Work that writes single files into a folder of the user's, where what a killed process has begun stays: whoever
begins again can't know whose it is."""


def sha(path: Path) -> str:
    """Return what tells a file from others."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names_in(folder: Path) -> list[str]:
    """Return the files of a folder that are no temporaries."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def temporaries(folder: Path) -> list[str]:
    """Return what was begun in a folder and never finished."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*"))


def timeless(state: Any) -> Any:
    """Return what was measured without what differs from run to run."""
    if isinstance(state, dict):
        return {key: timeless(value) for key, value in state.items() if key not in TIMES}
    return [timeless(value) for value in state] if isinstance(state, list) else state


def difference(found: Any, wanted: Any) -> str:
    """Return where what came out is not what was wanted."""
    if type(found) is type(wanted) and found != wanted:
        if isinstance(found, dict) and list(found) == list(wanted):
            return next(f", {key}{difference(found[key], wanted[key])}" for key in found if found[key] != wanted[key])
        if isinstance(found, list) and len(found) == len(wanted):
            pairs = enumerate(zip(found, wanted, strict=True))
            return "".join(f", {number}{difference(*pair)}" for number, pair in pairs if pair[0] != pair[1])
    return f": {str(found)[:1500]}, wanted {str(wanted)[:1000]}"


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
            from tfprune.benchmark.flatbuffer import read_model

            model = read_model(content)
            needed = [one.buffer for one in model.subgraphs[0].tensors]
            return "" if model.subgraphs[0].operators and max(needed) < len(model.buffers) else "not all of a network"
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


class Attack:
    """One kind of work that is interrupted over and over.

    Args:
        name: The work.
        place: A folder for its folders, one for each case.
        seed: What moments are drawn from.
        tell: Called with what went wrong.
    """

    def __init__(self, name: str, place: Path, seed: int = 0, tell: Any = print) -> None:
        self.name, self.work, self.draw = name, JOBS[name], random.Random(seed)
        self.counts = dict.fromkeys(("killed", "killed before a change", "change failed", "full disk"), 0)
        self.counts |= {"begun again": 0, "ended before": 0}
        self.wrong: list[dict[str, Any]] = []
        self._place, self._tell, self._cases = place, tell, 0
        self._before = place / "before"
        self._before.mkdir()
        if name in BEFORE:
            how, said = run(BEFORE[name], self._before)
            assert how == "done", said
        begin = time.monotonic()
        folder = self.fresh()
        how, self.wanted = run(self.work, folder)
        self.seconds = time.monotonic() - begin
        assert how == "done", self.wanted
        self._whole = {path.name: {sha(path), sha(folder / path.name)} for path in self._before.iterdir()}
        shutil.rmtree(folder)
        folder = self.fresh()
        how, (found, self.changes) = run(self.work, folder, counted=True)
        if (how, found) != ("done", self.wanted):
            self.complain(f"two runs that nothing interrupts differ{difference(found, self.wanted)}", "uninterrupted")
        self.clean(folder, "uninterrupted")

    def fresh(self) -> Path:
        """Return a folder of its own for a case, with what is there before."""
        self._cases += 1
        folder = self._place / f"case_{self._cases}"
        shutil.copytree(self._before, folder)
        return folder

    def complain(self, what: str, case: Any) -> None:
        """Note that something went wrong."""
        self.wrong.append({"work": self.name, "case": case, "wrong": what})
        self._tell(self.wrong[-1])

    def clean(self, folder: Path, case: Any) -> None:
        """Look for what was left half done, once the work is; then remove the folder."""
        left = [] if self.name in SINGLE else temporaries(folder)
        if left:
            self.complain(f"left behind: {left[:5]}", case)
        shutil.rmtree(folder)
        folder.with_suffix(".answer").unlink(missing_ok=True)

    def again(self, folder: Path, case: Any) -> None:
        """Begin the work again, without anything in its way, and compare."""
        for what in damaged(folder):
            self.complain(f"not whole: {what}", case)
        for name, whole in self._whole.items():
            if sha(folder / name) not in whole:
                self.complain(f"neither the old nor the new: {name}", case)
        self.counts["begun again"] += 1
        how, found = run(self.work, folder)
        if (how, found) != ("done", self.wanted):
            self.complain(f"then it {how}{difference(found, self.wanted)}", case)
        self.clean(folder, case)

    def at_any_moment(self, count: int) -> None:
        """Kill the work so many times, at moments drawn by chance."""
        while self.counts["killed"] < count:
            folder, moment = self.fresh(), self.draw.uniform(0.0, self.seconds)
            how = run(self.work, folder, until=moment)[0]
            self.counts["killed" if how == "killed" else "ended before"] += 1
            while how == "killed" and self.draw.random() < AGAIN:  # killed again, while it makes up for it
                how = run(self.work, folder, until=self.draw.uniform(0.0, self.seconds))[0]
                self.counts["killed"] += how == "killed"
            self.again(folder, {"seconds": moment})

    def workers(self, count: int) -> None:
        """Kill so many workers of the work, which ends all the same."""
        while self.counts["killed"] < count:
            folder, moment = self.fresh(), self.draw.uniform(0.0, self.seconds)
            how, found = run(self.work, folder, until=moment, worker=self.draw)
            self.counts["killed" if how == "done without a worker" else "ended before"] += 1
            if how not in ("done", "done without a worker") or found != self.wanted:
                self.complain(f"it {how}{difference(found, self.wanted)}", {"seconds": moment})
            self.clean(folder, {"seconds": moment})

    def at_changes(self, count: int) -> None:
        """Stop the work before changes of the file system, all of them or so many: killed, and with a full disk."""
        numbers = range(1, self.changes + 1)
        for number in numbers if self.changes <= count else sorted(self.draw.sample(numbers, count)):
            folder = self.fresh()
            self.counts["killed before a change"] += run(self.work, folder, change=number)[0] == "killed"
            self.again(folder, {"change": number})
            folder = self.fresh()
            how, said = run(self.work, folder, no_room=number)
            self.counts["change failed"] += 1
            if how not in ("done", "refused"):
                self.complain(f"without room it {how}: {said}", {"no room": number})
            self.again(folder, {"no room": number})

    def full_disks(self, count: int) -> None:
        """Let no file grow beyond sizes drawn by chance."""
        for _ in range(count):
            folder, size = self.fresh(), int(10 ** self.draw.uniform(0, 5))
            how, said = run(self.work, folder, full=size)
            self.counts["full disk"] += how != "done"
            if how not in ("done", "refused"):
                self.complain(f"with a full disk it {how}: {said}", {"full": size})
            self.again(folder, {"full": size})

    def told(self) -> dict[str, Any]:
        """Return the counts, and what went wrong."""
        facts = {"changes": self.changes, "seconds of one": round(self.seconds, 2)}
        return {"work": self.name, **self.counts, **facts, "wrong": self.wrong}


def attack(name: str, count: int, changes: int | None = None, seed: int = 0, tell: Any = print) -> dict[str, Any]:
    """Interrupt a kind of work; return the counts, and what went wrong.

    Args:
        name: The work.
        count: How many kills at moments drawn by chance; besides a tenth as many full disks.
        changes: Before how many changes of the file system it is stopped; as many as `count` by default.
        seed: What the moments are drawn from.
        tell: Called with what went wrong.
    """
    with tempfile.TemporaryDirectory() as temporary:
        made = Attack(name, Path(temporary), seed, tell)
        if name == "search_worker":
            made.workers(count)
            return made.told()
        made.at_any_moment(count)
        made.at_changes(count if changes is None else changes)
        made.full_disks(-(-count // 10))
        return made.told()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--changes", type=int, help="before how many changes of files it is stopped; else as many")
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    import keras  # noqa: F401  (loaded once, and there in each fork)
    import tensorflow  # noqa: F401
    from quick_fit import hurry

    from tfprune.cli.app import COMMANDS

    for name in COMMANDS:
        import_module(f"tfprune.cli.{name}")
    hurry()
    log = arguments.log
    known = json.loads(log.read_text(encoding="utf-8")) if log and log.exists() else []
    found = {one["work"]: one for one in known}
    for name in arguments.jobs:
        found[name] = attack(
            name, arguments.count, arguments.changes, arguments.seed, lambda case: print(case, flush=True)
        )
        print({key: value for key, value in found[name].items() if key != "wrong"}, flush=True)
        if log:
            text = json.dumps([found[name] for name in JOBS if name in found], indent=1)
            log.write_text(f"{text}\n", encoding="utf-8")
    raise SystemExit(1 if any(found[name]["wrong"] for name in arguments.jobs) else 0)


if __name__ == "__main__":
    main()
