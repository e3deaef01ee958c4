"""How results are written: as text of a table, and as values that go into JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["as_text", "listed", "new_table", "number", "percent", "plain"]

WIDTH = 140


def new_table(title: str, *columns: str) -> Table:
    """Return an empty table: the first column is a name, the others are numbers."""
    table = Table(title=Text(title))
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", justify="right" if place else "left")
    return table


def as_text(table: Table) -> str:
    """Return a table as plain text, without colours."""
    console = Console(width=WIDTH, no_color=True, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip()


def percent(value: float | None) -> str:
    """Return a share as people read it; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.1%}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with some significant digits; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}g}"


def listed(numbers: Any, most: int = 8) -> str:
    """Return channel numbers in words: "0, 3, 5", the first ones where there are many."""
    found = [str(int(each)) for each in numbers]
    return ", ".join(found) if len(found) <= most else f"{', '.join(found[:most])}, … ({len(found)})"


def plain(value: Any) -> Any:
    """Return a value ready for JSON: arrays as lists, what is not finite as None.

    Example:
        >>> plain({"a": np.array([1.0, np.nan]), "b": (np.int64(2),)})
        {'a': [1.0, None], 'b': [2]}
    """
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value
