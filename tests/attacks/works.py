"""The work that is interrupted: in a folder, each does what is left of it, and returns what comes out at the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["BEFORE", "JOBS", "SINGLE", "sha"]

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


def timeless(state: Any) -> Any:
    """Return what was measured without what differs from run to run."""
    if isinstance(state, dict):
        return {key: timeless(value) for key, value in state.items() if key not in TIMES}
    return [timeless(value) for value in state] if isinstance(state, list) else state
