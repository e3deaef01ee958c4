"""Work that is killed at any moment: what it leaves is whole or absent, and the same call ends as if nothing had been.

A process with tfprune loaded forks for each run, so that a run takes seconds. Each is killed (SIGKILL) at a moment
drawn by chance, or just before its n-th change of the file system; or that change fails, as on a full disk; or files
can't grow beyond some size; then its files are looked at, and the same work is begun again in the same folder, until it
ends. Of a search with workers, a worker is killed, too, which the search has to make up for by itself.

    python tests/attacks/kills.py --count 200 --log counts.json       # each kind of work, killed 200 times
    python tests/attacks/kills.py --jobs fit --log counts.json        # one anew; the log keeps the others

A run that is stopped goes on with the case where it was, as its log says.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from attacks.faults import run  # noqa: E402
from attacks.works import BEFORE, JOBS, SINGLE, sha  # noqa: E402

from tfprune.files import write_atomically  # noqa: E402

AGAIN = 0.6
"""How likely work that was killed is killed once more, while it makes up for that."""


def temporaries(folder: Path) -> list[str]:
    """Return what was begun in a folder and never finished."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*"))


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
        keep: Called with the counts after each case.
        before: What `keep` was called with last by a run that was stopped.
    """

    def __init__(
        self,
        name: str,
        place: Path,
        seed: int = 0,
        tell: Any = print,
        keep: Callable[[dict[str, Any]], None] = lambda told: None,
        before: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.work = name, JOBS[name]
        self.counts = dict.fromkeys(("killed", "killed before a change", "change failed", "full disk"), 0)
        self.counts |= {"begun again": 0, "ended before": 0}
        self.wrong: list[dict[str, Any]] = []
        self.at = dict.fromkeys(("moments", "changes", "full disks"), 0)
        self._place, self._seed, self._tell, self._keep, self._cases = place, seed, tell, keep, 0
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
        if before is not None:
            self.counts |= {name: before[name] for name in self.counts}
            self.at, self.wrong = dict(before["at"]), [*before["wrong"], *self.wrong]

    def draw(self, kind: str) -> random.Random:
        """Return what the next case of a kind draws from, the same after a stop."""
        return random.Random(f"{self._seed} {kind} {self.at[kind]}")

    def end(self, kind: str) -> None:
        """Note that a case of a kind has ended."""
        self.at[kind] += 1
        self._keep({**self.told(), "at": self.at})

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
            folder, draw = self.fresh(), self.draw("moments")
            moment = draw.uniform(0.0, self.seconds)
            how = run(self.work, folder, until=moment)[0]
            self.counts["killed" if how == "killed" else "ended before"] += 1
            while how == "killed" and draw.random() < AGAIN:  # killed again, while it makes up for it
                how = run(self.work, folder, until=draw.uniform(0.0, self.seconds))[0]
                self.counts["killed"] += how == "killed"
            self.again(folder, {"seconds": moment})
            self.end("moments")

    def workers(self, count: int) -> None:
        """Kill so many workers of the work, which ends all the same."""
        while self.counts["killed"] < count:
            folder, draw = self.fresh(), self.draw("moments")
            moment = draw.uniform(0.0, self.seconds)
            how, found = run(self.work, folder, until=moment, worker=draw)
            self.counts["killed" if how == "done without a worker" else "ended before"] += 1
            if how not in ("done", "done without a worker") or found != self.wanted:
                self.complain(f"it {how}{difference(found, self.wanted)}", {"seconds": moment})
            self.clean(folder, {"seconds": moment})
            self.end("moments")

    def at_changes(self, count: int) -> None:
        """Stop the work before changes of the file system, all of them or so many: killed, and with a full disk."""
        numbers = range(1, self.changes + 1)
        chosen = numbers if self.changes <= count else sorted(random.Random(self._seed).sample(numbers, count))
        for number in chosen[self.at["changes"] :]:
            folder = self.fresh()
            self.counts["killed before a change"] += run(self.work, folder, change=number)[0] == "killed"
            self.again(folder, {"change": number})
            folder = self.fresh()
            how, said = run(self.work, folder, no_room=number)
            self.counts["change failed"] += 1
            if how not in ("done", "refused"):
                self.complain(f"without room it {how}: {said}", {"no room": number})
            self.again(folder, {"no room": number})
            self.end("changes")

    def full_disks(self, count: int) -> None:
        """Let no file grow beyond sizes drawn by chance."""
        while self.at["full disks"] < count:
            folder, size = self.fresh(), int(10 ** self.draw("full disks").uniform(0, 5))
            how, said = run(self.work, folder, full=size)
            self.counts["full disk"] += how != "done"
            if how not in ("done", "refused"):
                self.complain(f"with a full disk it {how}: {said}", {"full": size})
            self.again(folder, {"full": size})
            self.end("full disks")

    def told(self) -> dict[str, Any]:
        """Return the counts, and what went wrong."""
        facts = {"changes": self.changes, "seconds of one": round(self.seconds, 2)}
        return {"work": self.name, **self.counts, **facts, "wrong": self.wrong}


def attack(name: str, count: int, changes: int | None = None, **options: Any) -> dict[str, Any]:
    """Interrupt a kind of work; return the counts, and what went wrong.

    Args:
        name: The work.
        count: How many kills at moments drawn by chance; besides a tenth as many full disks.
        changes: Before how many changes of the file system it is stopped; as many as `count` by default.
        options: What else an `Attack` takes.
    """
    with tempfile.TemporaryDirectory() as temporary:
        made = Attack(name, Path(temporary), **options)
        if name == "search_worker":
            made.workers(count)
            return made.told()
        made.at_any_moment(count)
        made.at_changes(count if changes is None else changes)
        made.full_disks(-(-count // 10))
        return made.told()


class Log:
    """The counts of each kind of work in a JSON file, also of one that has not ended: what it has come to is `at`.

    Args:
        path: The file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        known = json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else []
        self.found = {one["work"]: one for one in known}

    def stopped(self, name: str) -> dict[str, Any] | None:
        """Return the counts of a kind of work that was stopped."""
        found: dict[str, Any] = self.found.get(name, {})
        return found if "at" in found else None

    def keep(self, told: dict[str, Any]) -> None:
        """Note the counts of a kind of work."""
        self.found[told["work"]] = told
        if self._path is not None:
            text = json.dumps([self.found[name] for name in JOBS if name in self.found], indent=1)
            write_atomically(self._path, f"{text}\n")


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
    from ready import load

    load()
    hurry()
    log = Log(arguments.log)
    for name in arguments.jobs:
        log.keep(
            attack(
                name, arguments.count, arguments.changes, seed=arguments.seed, keep=log.keep, before=log.stopped(name),
                tell=lambda case: print(case, flush=True),
            )
        )  # fmt: skip
        print({key: value for key, value in log.found[name].items() if key != "wrong"}, flush=True)
    raise SystemExit(1 if any(log.found[name]["wrong"] for name in arguments.jobs) else 0)


if __name__ == "__main__":
    main()
