"""Thousands of damaged `.tflite` files through every door that such files come in by.

Each file goes through the linter, the check of exports, a benchmark, a report of the folder that it lies in, and a
pipeline of stages of which it is one; and through one of the other doors, which take turns. What goes in must come
out as a result or as a `TfpruneError` of one printable line, within a time limit, and whoever called must live on. A
process does all this for one file after the other and tells how each ended; this one watches it. What that process
starts is forked from one that has the interpreter already (`ready.py`). A run that was stopped goes on with its log.

    python tests/attacks/tflite_files.py --count 2000 --jobs 2 --log counts.json    # 2,000 of each kind
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]

LIMIT = 30.0
"""Seconds in which a door must have answered; processes of its own have 3 of these each."""
BRIEF = {"runs": 1, "min_seconds": 0.0, "warmup": 0, "warmup_seconds": 0.0, "timeout": 3.0}
MEMORY = 12 << 30
PART = 100
"""Files of each kind after which the counts are written."""


def doors() -> dict[str, Any]:
    """Return what takes a `.tflite` file, by name."""
    import numpy as np

    import tfprune
    from tfprune import benchmark, lint, micro
    from tfprune.analysis import compare, operation_overlay
    from tfprune.export.inspection import inspect_file

    def stages(path: Path) -> None:
        folder = path.parent / "stages"
        (folder / "stage_1.tflite").write_bytes(path.read_bytes())
        tfprune.partition.run_stages(folder, np.zeros((2, 8, 8, 3), "float32"), timeout=3.0)

    def report(path: Path) -> None:
        folder = path.parent / "compressed"
        (folder / "model_float32.tflite").write_bytes(path.read_bytes())
        tfprune.report.of_folder(folder, latency=True, benchmark=BRIEF).to_html()

    return {
        "lint": lambda path: str(lint(path, "android-cpu")),
        "inspect": lambda path: str(inspect_file(path, timeout=3.0)),
        "benchmark": lambda path: str(benchmark.run(path, **BRIEF)),
        "report": report,
        "partition": stages,
        "tensors": lambda path: str(benchmark.inspect(path, timeout=3.0)),
        "predict": lambda path: benchmark.predict(path, np.zeros((1, 8, 8, 3), "float32"), timeout=3.0),
        "layers": lambda path: str(benchmark.layers(path, runs=1, min_seconds=0.0, timeout=3.0)),
        "android": lambda path: tfprune.export.to_android(path, path.parent / "android", overwrite=True),
        "micro": lambda path: str(micro.measure(path, timeout=3.0)),
        "compare": lambda path: str(compare({"file": path}, latency=False)),
        "overlay": lambda path: str(operation_overlay(path)),
        "requantize": lambda path: tfprune.export.requantize(path, path.parent / "small.tflite", overwrite=True),
    }


ALWAYS = ("lint", "inspect", "benchmark", "report", "partition")
"""The doors that each file goes through; of the others one, by its number."""


def originals(folder: Path) -> list[bytes]:
    """Return small files: float, int8, zeros stored sparse, float16, with a recurrent layer."""
    import keras
    import numpy as np

    import tfprune

    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    x = layers.ZeroPadding2D(1)(image)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2)(x)))
    x = layers.ReLU()(layers.Conv2D(16, 1)(layers.DepthwiseConv2D(3, padding="same")(x)))
    network = keras.Model(image, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    sparse = keras.models.clone_model(network)
    tfprune.prune(sparse, 0.8)
    steps = keras.Input((8, 8, 3), name="image")
    recurrent = keras.Model(steps, layers.Dense(5)(layers.GRU(4)(layers.Reshape((8, 24))(steps))))
    data = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
    found = []
    for number, (model, options) in enumerate(
        [
            (network, {}), (network, {"quantize": "int8", "representative_data": data}), (sparse, {"sparse": True}),
            (sparse, {"sparse": True, "quantize": "float16"}), (recurrent, {}),
        ]
    ):  # fmt: skip
        path = folder / f"{number}.tflite"
        tfprune.to_tflite(model, path, verify=False, **options)
        found.append(path.read_bytes())
    return found


def victim(folder: Path) -> None:
    """Take damaged files through doors, as told on standard input, and tell how each ended."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import ai_edge_litert.interpreter  # noqa: F401  (what most of the processes need that are started for a file)
    import tflite_micro  # noqa: F401
    from ready import fork_for_children

    fork_for_children()
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    from attacks.damaged import damaged

    warnings.simplefilter("ignore")
    files = [path.read_bytes() for path in sorted((folder / "originals").glob("*.tflite"))]
    every, path = doors(), folder / "model.tflite"
    others = other_doors()
    for line in sys.stdin:
        case = json.loads(line)
        number = case["seed"] % len(files)
        path.write_bytes(files[number] if case["way"] == "whole" else damaged(files, case["way"], case["seed"]))
        chosen = case.get("doors") or (*ALWAYS, others[case["seed"] % len(others)])
        for name in chosen:
            print(name, file=told)
            print(json.dumps(through(every[name], path)), file=told)
        print(file=told)


def through(door: Any, path: Path) -> str:
    """Return how it ends to take a file through a door: taken, refused, or something that must not be."""
    from tfprune.errors import TfpruneError

    try:
        door(path)
    except TfpruneError as error:
        text = str(error)
        return "refused" if text.isprintable() and len(text) < 2000 else f"unprintable: {text[:300]!r}"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"raised {type(error).__name__}: {str(error)[:200]!r} at {where.filename}:{where.lineno}"
    return "taken"


class Watched:
    """A victim that is watched, and started again when it has died."""

    def __init__(self, place: Path, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        for name in ("originals", "stages", "compressed"):
            shutil.copytree(place / name, folder / name)
        self._process: Any = None

    def _start(self) -> None:
        self._said: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--victim", str(self._folder)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=self._folder,
        )  # fmt: skip
        process, said = self._process, self._said

        def listen() -> None:
            for line in process.stdout:
                said.put(line)
            said.put("")

        self._listener = threading.Thread(target=listen, daemon=True)
        self._listener.start()
        self._fresh = True

    def __call__(self, case: dict[str, Any]) -> dict[str, str]:
        """Return how a case ended, by door."""
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._start()
        ends: dict[str, str] = {}
        door = "?"
        try:
            self._process.stdin.write(json.dumps(case) + "\n")
            self._process.stdin.flush()
            while door := self._said.get(timeout=LIMIT + (120 if self._fresh else 0)).rstrip("\n"):
                ends[door] = "the caller died"
                line = self._said.get(timeout=LIMIT)
                if not line:
                    ends[door] += f" with {self._process.wait()}"
                    return ends
                ends[door] = json.loads(line)
                self._fresh = False
        except BrokenPipeError:
            ends["?"] = f"the caller died with {self._process.wait()}"
        except queue.Empty:
            self.stop()
            ends[door or "?"] = f"hung for {LIMIT:g} s"
        return ends

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._listener.join()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()
            self._process = None


def other_doors() -> list[str]:
    """Return the doors that take turns."""
    return [name for name in doors() if name not in ALWAYS]


def attack(
    count: int,
    jobs: int = 1,
    first: int = 0,
    doors: list[str] | None = None,
    tell: Any = None,
    known: dict[str, Any] | None = None,
    save: Any = None,
) -> dict[str, Any]:
    """Take so many files of each kind through the doors; return the counts, and what went wrong.

    Args:
        count: How many of each kind.
        jobs: How many processes at once.
        first: The number of the first.
        doors: Take all files through these.
        tell: Called with what went wrong.
        known: The counts of a run that was stopped, which this one goes on with.
        save: Called with the counts, after every so many files.
    """
    from attacks.damaged import WAYS

    import tfprune

    known = known or {"files": dict.fromkeys(WAYS, 0), "ends": {}, "wrong": [], "seconds": 0}
    ends, wrong = Counter(known["ends"]), list(known["wrong"])
    done = min(known["files"].values())
    begin = time.monotonic() - known["seconds"]

    def counts() -> dict[str, Any]:
        return {
            "files": dict.fromkeys(WAYS, done), "ends": dict(sorted(ends.items())), "wrong": wrong,
            "seconds": round(time.monotonic() - begin), "tfprune": tfprune.__version__,
        }  # fmt: skip

    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "originals").mkdir()
        originals(place / "originals")
        staged(place / "stages")
        compressed(place / "compressed")
        watched = [Watched(place, place / f"victim_{number}") for number in range(jobs)]
        todo: queue.Queue[dict[str, Any]] = queue.Queue()
        if not done:
            todo.put({"way": "whole", "seed": 0, "doors": doors or [*ALWAYS, *other_doors()]})
            every = [one for one in ALWAYS if doors is None or one in doors]  # others don't take each of the originals
            for seed in range(1, 5) if every else ():
                todo.put({"way": "whole", "seed": seed, "doors": every})

        def work(victim: Watched) -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    case = todo.get_nowait()
                    for door, end in victim(case).items():
                        kind = end if end in ("taken", "refused")[: 1 if case["way"] == "whole" else 2] else "wrong"
                        ends[f"{case['way']}, {door}, {kind}"] += 1
                        if kind == "wrong":
                            wrong.append({**case, "door": door, "end": end})
                            if tell is not None:
                                tell(wrong[-1])

        try:
            while done < count:
                part = min(PART, count - done)
                for seed in range(first + done, first + done + part):
                    for way in WAYS:
                        todo.put({"way": way, "seed": seed, "doors": doors})
                with ThreadPoolExecutor(jobs) as pool:
                    list(pool.map(work, watched))
                done += part
                if save is not None:
                    save(counts())
        finally:
            for victim in watched:
                victim.stop()
    return counts()


def compressed(folder: Path) -> None:
    """Write the folder of a recipe, with a file."""
    import keras
    import numpy as np

    import tfprune

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(5)])
    model.compile("sgd", "mse")
    data = np.zeros((8, 8, 8, 3), "float32"), np.zeros((8, 5), "float32")
    recipe = {"version": 1, "stages": [{"method": "export", "precision": "float32", "benchmark": False}]}
    tfprune.compress(model, data, data, recipe, folder, verbose=0)


def staged(folder: Path) -> None:
    """Write two stages whose first takes and returns what the files do, by the same names."""
    import keras

    from tfprune.partition import Device, Devices, Link, partition, plan_partition

    image = keras.Input((8, 8, 3), name="image")
    hidden = keras.layers.Dense(5, name="output_0")(keras.layers.Flatten()(image))
    model = keras.Model(image, keras.layers.Dense(4)(hidden))
    row = Devices([Device("a"), Device("b")], Link("100MB/s"))
    partition(model, plan_partition(model, row, stages=2, latency=[1.0] * 3)).save(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="files of each kind")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--doors", nargs="+")
    parser.add_argument("--log", type=Path, help="JSON file to write")
    parser.add_argument("--victim", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.victim:
        victim(arguments.victim)
        return
    log = arguments.log

    def save(found: dict[str, Any]) -> None:
        print(f"{found['files']}, {len(found['wrong'])} wrong, {found['seconds']} s", flush=True)
        if log:
            log.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    known = json.loads(log.read_text(encoding="utf-8")) if log and log.exists() else None
    if known and arguments.count <= min(known["files"].values()):
        known = None  # it was finished; this is another run
    found = attack(
        arguments.count, arguments.jobs, arguments.first, arguments.doors,
        lambda case: print(case, flush=True), known, save,
    )  # fmt: skip
    print(json.dumps(found, indent=1))
    raise SystemExit(1 if found["wrong"] else 0)


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]
    main()
