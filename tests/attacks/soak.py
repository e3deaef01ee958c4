"""Prune, cut, export and time networks over and over: what the process holds must not grow.

That is memory, open files, threads of the system, child processes, and files in the folder for temporaries.

    python tests/attacks/soak.py --seconds 3600 --log soak.json

Each round makes a network anew, of a size drawn by chance, prunes it, cuts filters and refits them, exports float32 and
int8 files and runs them in the interpreter. What Keras and TensorFlow keep of every network by themselves is measured
by rounds without tfprune, before these (`--control`), and told beside.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

WARM_UP = 10
"""Rounds after which caches are filled."""


ALLOWED = {"files": 2, "threads": 4, "children": 1, "temporaries": 2}
"""So many more of each may be there after the last round than after the first."""

SLACK = 100.0
"""So many MB more may be held over the whole run, besides twice what Keras keeps by itself."""


def network(draw: random.Random) -> Any:
    """Return a small residual network of a size drawn by chance."""
    import keras
    from keras import layers

    width = draw.choice([16, 24, 32])
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    for _ in range(draw.randint(1, 3)):
        y = layers.Conv2D(draw.choice([16, 32]), 3, padding="same", activation="relu")(x)
        y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(y))
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def use(draw: random.Random, folder: Path) -> None:
    """Do with one network what a user does with one."""
    import numpy as np

    import tfprune

    images = np.random.default_rng(draw.randrange(1 << 30)).normal(size=(32, 16, 16, 3)).astype("float32")
    model = network(draw)
    tfprune.prune(model, 0.5)
    small = tfprune.prune_filters(model, tfprune.Budget(macs=0.6), data=images, verbose=0)
    files = [folder / "float.tflite", folder / "int8.tflite"]
    tfprune.to_tflite(small, files[0], overwrite=True)
    tfprune.to_tflite(small, files[1], quantize="int8", representative_data=images, overwrite=True)
    tfprune.benchmark.run(files, min_seconds=0.05, warmup_seconds=0.02)


def only_keras(draw: random.Random, folder: Path) -> None:
    """Make, run, save and convert a network without tfprune."""
    import numpy as np
    import tensorflow as tf

    model = network(draw)
    model.predict(np.zeros((32, 16, 16, 3), "float32"), verbose=0)
    model.export(folder / "saved", verbose=False)
    tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved")).convert()


def held() -> dict[str, float]:
    """Return what this process holds: MB of memory, open files, threads, children, files in the temporary folder."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    tasks = list(Path("/proc/self/task").iterdir())
    children = [word for task in tasks for word in (task / "children").read_text(encoding="ascii").split()]
    return {
        "MB": round(megabytes, 1), "files": len(os.listdir("/proc/self/fd")), "threads": len(tasks),
        "children": len(children), "temporaries": sum(1 for _ in Path(tempfile.gettempdir()).rglob("*")),
    }  # fmt: skip


def rounds(work: Any, seconds: float, seed: int, at_least: int = 0) -> list[dict[str, float]]:
    """Do it for some time; return what is held after each round, caches once filled."""
    draw, seen, begin, done = random.Random(seed), [], time.monotonic(), 0
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        while time.monotonic() - begin < seconds or done < at_least + WARM_UP:
            work(draw, Path(name))
            done += 1
            if done >= WARM_UP:
                seen.append(held())
                print(f"round {done}, {time.monotonic() - begin:.0f} s: {seen[-1]}", flush=True)
    return seen


def grown(seen: list[dict[str, float]]) -> dict[str, float]:
    """Return by how much each thing grows in a round, from the first half's mean to the second's."""
    half = len(seen) // 2
    parts = seen[:half], seen[-half:]
    means = [{key: sum(one[key] for one in part) / half for key in seen[0]} for part in parts]
    return {key: round((means[1][key] - means[0][key]) / (len(seen) - half), 4) for key in seen[0]}


def complaints(seen: list[dict[str, float]], control: list[dict[str, float]]) -> list[str]:
    """Return what grows: over the whole run, and the memory also beyond twice what Keras alone keeps in a round.

    Args:
        seen: What was held after each round.
        control: The same of rounds without tfprune.
    """
    wrong = [
        f"{key}: {seen[0][key]:g} at first, {seen[-1][key]:g} in the end, at most {allowed} more is fine"
        for key, allowed in ALLOWED.items()
        if seen[-1][key] - seen[0][key] > allowed
    ]
    allowed = SLACK + 2 * max(grown(control)["MB"], 0.0) * len(seen)
    more = grown(seen)["MB"] * len(seen)
    if more > allowed:
        wrong.append(f"MB: {more:.0f} more over {len(seen)} rounds, at most {allowed:.0f} is fine")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--control", type=float, default=300, help="seconds of rounds without tfprune")
    parser.add_argument("--rounds", type=int, default=4, help="at least so many, once caches are filled")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-", dir=ROOT / "build") as place:
        os.environ["TMPDIR"] = tempfile.tempdir = place  # all temporaries of this run, and nobody else's
        control = rounds(only_keras, arguments.control, arguments.seed, arguments.rounds)
        seen = rounds(use, arguments.seconds, arguments.seed, arguments.rounds)
    told = {
        "rounds": len(seen), "seconds": arguments.seconds, "first": seen[0], "last": seen[-1],
        "grown in a round": grown(seen), "wrong": complaints(seen, control),
        "without tfprune": {"rounds": len(control), "grown in a round": grown(control)},
    }  # fmt: skip
    print(json.dumps(told, indent=1))
    if arguments.log:
        arguments.log.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if told["wrong"]:
        raise SystemExit(f"Something grows: {'; '.join(told['wrong'])}")


if __name__ == "__main__":
    main()
