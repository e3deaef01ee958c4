"""The folder of a search: trials, the networks of the front, and the best."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import tree

from tfprune.distillation.fingerprint import compiled_as, fingerprint
from tfprune.errors import InputError
from tfprune.files import atomic_path, remove_temporaries, write_atomically
from tfprune.loading import load_keras
from tfprune.refit import Unlabelled
from tfprune.report.folders import write_report
from tfprune.report.searched import of_search
from tfprune.search.journal import Journal, Trial
from tfprune.search.plans import Plans
from tfprune.search.pool import file_of
from tfprune.search.result import Searched

__all__ = ["mark_of", "open_journal", "saved_model", "write_result"]

JOURNAL = "trials.jsonl"
WRITTEN = (JOURNAL, "best.keras", "front.json", "report.html", "report.json")


def saved_model(models: Path, trial: Trial) -> keras.Model | None:
    """Return the network that a trial has made, if it is there."""
    path = models / file_of(trial.rung, trial.point)
    try:
        return load_keras(path, compile_model=True) if path.exists() else None
    except (InputError, OSError):  # a damaged file; the network is made anew
        return None


def write_result(result: Searched, place: Path) -> None:
    """Write the best network, the front and the report, and leave only models of the front."""
    with atomic_path(place / "best.keras") as temporary:
        result.model.save(temporary)
    write_atomically(place / "front.json", json.dumps(result.to_dict(), indent=2) + "\n")
    wanted = {file_of(trial.rung, trial.point) for trial in (*result.front, result.best)}
    for path in (place / "models").glob("*.keras"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)
    report_on(result, place)


def report_on(result: Searched, place: Path) -> None:
    """Write the report; what goes wrong with it is said, and takes nothing else along."""
    try:
        trials = [trial.to_dict() for trial in result.trials]
        write_report(of_search(result.to_dict(), trials, result.plans.graph.model, result.model), place)
    except Exception as error:  # the search is over by now
        warnings.warn(f"There is no report.html in {place}: {error}", stacklevel=2)


def open_journal(place: Path | None, mark: str, choices: int, *, overwrite: bool) -> Journal:
    """Return the journal in a folder; make the folder if there is none.

    Raises:
        InputError: If the folder holds something else.
    """
    if place is None:
        return Journal(None, mark, choices)
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is a file; give a folder.")
    place.mkdir(parents=True, exist_ok=True)
    path = place / JOURNAL
    remove_temporaries(place, *WRITTEN)
    remove_temporaries(place / "models", "*.keras")
    if not path.exists() and any(place.iterdir()) and not overwrite:
        raise InputError(f"{place} is not empty; give another folder, or allow overwriting (overwrite=True).")
    try:
        return Journal(path, mark, choices)
    except InputError:
        if not overwrite:
            raise
        path.unlink()
        for model in (place / "models").glob("*.keras"):
            model.unlink()
        return Journal(path, mark, choices)


def mark_of(model: keras.Model, given: Unlabelled, plans: Plans, settings: Mapping[str, Any], *labelled: Any) -> str:
    """Return what tells this search from others.

    Args:
        model: The network.
        given: The samples.
        plans: The choices.
        settings: Everything else that was asked for.
        labelled: Data with labels; of what is not arrays, only the kind counts.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{fingerprint(model)}{compiled_as(model)}".encode())
    for part in (*given.samples, *tree.flatten(labelled)):
        array = np.asarray(part) if hasattr(part, "shape") and hasattr(part, "dtype") else None
        told = f"{type(part).__qualname__}{getattr(array, 'shape', '')}{getattr(array, 'dtype', '')}"
        digest.update(told.encode() + (b"" if array is None else np.ascontiguousarray(array).tobytes()))
    digest.update(json.dumps([plans.space.names, plans.space.sizes]).encode())
    digest.update(json.dumps(plain(settings), sort_keys=True).encode())
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """Return a setting in plain values that are the same in every process."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, keras.Layer):
        return value.name
    if isinstance(value, type):
        return value.__qualname__
    config = plain(value.get_config()) if hasattr(value, "get_config") else ""
    return [type(value).__qualname__, config]
