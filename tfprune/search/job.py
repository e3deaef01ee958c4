"""What a worker needs to look at plans, in a folder: the network, the samples, and how it is judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from keras import tree

from tfprune.errors import InputError
from tfprune.files import atomic_path, write_atomically
from tfprune.graph import trace
from tfprune.loading import load_keras
from tfprune.refit import Unlabelled
from tfprune.search.making import Maker
from tfprune.search.rungs import Evaluator

__all__ = ["QUEUE", "read_job", "write_job"]

MODEL, DATA, SETTINGS, QUEUE = "whole.keras", "data.npz", "job.json", "queue.log"


def write_job(folder: Path, evaluator: Evaluator) -> None:
    """Write what a worker needs, the settings last.

    Raises:
        InputError: If data to judge or train on are not arrays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / QUEUE).unlink(missing_ok=True)
    arrays: dict[str, Any] = {f"samples_{n}": array for n, array in enumerate(evaluator.maker.given.samples)}
    settings = {**evaluator.settings, "latency": evaluator.maker.whole_latency, "seed": evaluator.maker.seed}
    for name, data in (("val", evaluator.val), ("train", evaluator.train)):
        if data is None:
            continue
        flat = tree.flatten(data)
        if not isinstance(data, tuple) or not all(hasattr(one, "shape") for one in flat):
            raise InputError(f"With several workers {name} has to be arrays: give {name}=(x, y).")
        if not all(isinstance(part, np.ndarray) for part in data):
            raise InputError(f"With several workers {name} has to be one array of inputs and one of targets.")
        arrays |= {f"{name}_{n}": np.asarray(part) for n, part in enumerate(data)}
    with atomic_path(folder / MODEL) as temporary:
        evaluator.model.save(temporary)
    with atomic_path(folder / DATA) as temporary:
        np.savez(temporary, **arrays)
    write_atomically(folder / SETTINGS, json.dumps(settings) + "\n")


def read_job(folder: Path, own: Mapping[str, Any] | None = None) -> Evaluator:
    """Return what looks at plans.

    Args:
        folder: The folder.
        own: Classes and functions of the network's own by name; others have to be registered with Keras.

    Raises:
        InputError: If the folder has no job.
    """
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        with np.load(folder / DATA, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        model = load_keras(folder / MODEL, compile_model=True, own=own)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder} has no search that workers could join ({error}).") from error

    def parts(name: str) -> tuple[Any, ...] | None:
        found = [arrays[f"{name}_{n}"] for n in range(len(arrays)) if f"{name}_{n}" in arrays]
        return tuple(found) or None

    samples = parts("samples") or ()
    given = Unlabelled.of(model, samples)
    maker = Maker(trace(model), given, settings["latency"], settings["seed"])
    return Evaluator(
        maker, model, val=parts("val"), train=parts("train"), epochs=settings["epochs"], timed=settings["timed"],
        seed=settings["seed"],
    )  # fmt: skip
