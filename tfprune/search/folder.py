"""The folder of a search: trials, the networks of the front, and the best."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfprune.distillation.cache import fingerprint
from tfprune.errors import InputError
from tfprune.files import atomic_path, write_atomically
from tfprune.refit import Unlabelled
from tfprune.report.folders import write_report
from tfprune.report.searched import of_search
from tfprune.search.journal import Journal, Trial
from tfprune.search.plans import Plans
from tfprune.search.pool import file_of
from tfprune.search.result import Searched

__all__ = ["mark_of", "open_journal", "saved_model", "write_result"]

JOURNAL = "trials.jsonl"


def saved_model(models: Path, trial: Trial) -> keras.Model | None:
    """Return the network that a trial has made, if it is there."""
    path = models / file_of(trial.rung, trial.point)
    try:
        return keras.models.load_model(path) if path.exists() else None
    except Exception:  # a damaged file; the network is made anew
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


def mark_of(model: keras.Model, given: Unlabelled, plans: Plans, settings: list[Any]) -> str:
    """Return what tells this search from others: the network, the samples, the choices and the settings."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(fingerprint(model).encode())
    for array in given.samples:
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(json.dumps([plans.space.names, plans.space.sizes]).encode())
    digest.update(json.dumps(settings, default=str, sort_keys=True).encode())
    return digest.hexdigest()
