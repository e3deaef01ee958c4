"""`tfprune.report.of_folder`: a report of what `tfprune compress` or `tfprune search` has left in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from tfprune.errors import InputError
from tfprune.files import PathLike, existing_file, write_atomically
from tfprune.loading import load_keras
from tfprune.report.compressed import final_of, mark_of_state, of_compress
from tfprune.report.data import Report
from tfprune.report.searched import mark_of_front, of_search
from tfprune.report.times import latency_change, shared, waterfalls_of

__all__ = ["of_folder", "write_report"]

HTML, JSON = "report.html", "report.json"
TFLITE = re.compile(r"[^/\\]+\.tflite")


def of_folder(
    folder: PathLike,
    *,
    dense: keras.Model | None = None,
    latency: bool = False,
    layers: bool = False,
    benchmark: Mapping[str, float | int] | None = None,
) -> Report:
    """Return a report of the folder of a `compress` or a `search`.

    Args:
        folder: The folder.
        dense: The network as it was. Both commands note what there is to say of it in `report.json` when they end; a
            folder without that, or another network, needs it to show what has changed layer by layer.
        latency: Whether the exported files are timed again, so that the report has their spread; it takes seconds.
        layers: Whether they are also timed layer by layer, each for some seconds.
        benchmark: Options of `tfprune.benchmark.run` and `layers`, such as `{"min_seconds": 0.2}`.

    Returns:
        The report.

    Raises:
        InputError: If the folder has nothing of these, or a file in it is damaged, or there are no files to time.

    Example:
        >>> try:
        ...     of_folder("compressed")
        ... except InputError as error:
        ...     print(error)
        There is no folder compressed; give one that tfprune compress or search has written.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(f"There is no folder {place}; give one that tfprune compress or search has written.")
    if (place / "metrics.json").is_file():
        report = _compressed(place, dense)
    elif (place / "front.json").is_file():
        report = _searched(place, dense)
    else:
        raise InputError(
            f"{place} has neither metrics.json nor front.json; give a folder that tfprune compress or search has "
            "finished, or two .keras files."
        )
    return _timed(report, place, latency, layers, benchmark) if latency or layers else report


def write_report(report: Report, folder: Path) -> None:
    """Write `report.json` and `report.html` into a folder; what is there of these is replaced."""
    write_atomically(folder / JSON, report.to_json())
    write_atomically(folder / HTML, report.to_html())


def _compressed(place: Path, dense: keras.Model | None) -> Report:
    state = _json(place / "metrics.json")
    try:
        final_of(state)
        noted = _noted(place, mark_of_state(state)) if dense is None else None
        recipe = _text(place / "recipe.yaml")
        return noted or of_compress(state, recipe, dense, load_keras(existing_file(place / "model.keras")))
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise _unfit(place / "metrics.json", error) from error


def _searched(place: Path, dense: keras.Model | None) -> Report:
    told = _json(place / "front.json")
    trials = [_line(line) for line in _text(place / "trials.jsonl").splitlines()[1:]]
    try:
        noted = _noted(place, mark_of_front(told)) if dense is None else None
        return noted or of_search(
            told, [one for one in trials if one], dense, load_keras(existing_file(place / "best.keras"))
        )
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise _unfit(place / "front.json", error) from error


def _noted(place: Path, mark: str) -> Report | None:
    """Return the report that was written when the work was done, if it is of this work."""
    if not (place / JSON).is_file():
        return None
    try:
        report = Report.load(place / JSON)
    except InputError:  # of another version, or damaged: it is made anew
        return None
    return report if report.mark == mark else None


def _timed(report: Report, place: Path, latency: bool, layers: bool, options: Mapping[str, Any] | None) -> Report:
    foreign = [file.name for file in report.files if not TFLITE.fullmatch(file.name)]
    if foreign:
        raise InputError(f"{place / JSON} names {foreign[0]!r}, which is no .tflite file of the folder; make it anew.")
    names = [file.name for file in report.files if (place / file.name).is_file()]
    if not names:
        raise InputError(f"{place} has no .tflite files that could be timed; export some, or give two .keras files.")
    best = next((change.note.partition(",")[0] for change in report.headline if change.name == "file"), names[0])
    dense = [place / "dense_float32.tflite"] if (place / "dense_float32.tflite").is_file() else []
    paths = [*dense, place / (best if best in names else names[0])]
    change = latency_change(paths, options)
    known = any(one.name == "latency" for one in report.headline)
    headline = tuple(change if one.name == "latency" else one for one in report.headline) + (change,) * (not known)
    if not layers:
        return replace(report, headline=headline)
    falls = waterfalls_of(paths, options)
    return replace(report, headline=headline, waterfalls=falls, layers=shared(report.layers, falls[-1]))


def _json(path: Path) -> dict[str, Any]:
    found = _line(_text(path))
    if not isinstance(found, dict):
        raise InputError(f"{path} is damaged: it holds no JSON object; run the command that made it again.")
    return found


def _line(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); run the command that makes it again.") from error


def _unfit(path: Path, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    return InputError(f"{path} is not as this version writes it ({error!r}); run the command that made it again.")
