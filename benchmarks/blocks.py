"""What the documents show of results: functions that make a block's text, and the values they take.

A function in `shown/` registers itself with `figures`; `figures.py` writes what it returns into the documents.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from common import FOLDER

FIGURES: dict[str, Callable[[], str]] = {}
"""What makes a block's text, by name."""


def figures(make: Callable[[], str]) -> Callable[[], str]:
    """Register a function that returns a block's Markdown; the block has its name, with `-` for `_`."""
    FIGURES[make.__name__.replace("_", "-")] = make
    return make


@cache
def result(name: str) -> Any:
    """Return what a benchmark wrote, `results/<name>.json`."""
    return json.loads((FOLDER / "results" / f"{name}.json").read_text(encoding="utf-8"))


def one(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """Return the one row that has these values.

    Raises:
        LookupError: If none has them, or several have: a text must not show a figure that was not measured.
    """
    found = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows have {wanted}, not one")
    return found[0]


@cache
def load(folder: str = "shown") -> None:
    """Import everything in a folder, so that it registers."""
    for path in sorted((FOLDER / folder).glob("*.py")):
        if path.stem != "__init__":
            importlib.import_module(f"{folder}.{path.stem}")
