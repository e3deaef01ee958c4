"""Where tables and progress are printed, and how numbers of things are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

__all__ = ["console", "counted", "track"]

WIDTH_OF_FILES = 120
T = TypeVar("T")


def console() -> Console:
    """Return a console as wide as the terminal, or 120 columns where output goes to a file."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH_OF_FILES)


def track(items: Iterable[T], total: int, what: str, show: bool) -> Iterator[T]:
    """Yield items while a progress bar is shown on a terminal; it goes when it is done.

    Args:
        items: What is worked on.
        total: How many items there are.
        what: What is done.
        show: Whether to show anything.
    """
    bar = Console(stderr=True)
    if not show or not bar.is_terminal:
        yield from items
    else:
        yield from rich_track(items, what, total=total, console=bar, transient=True)


def counted(count: int, what: str) -> str:
    """Return a number of things in words.

    Example:
        >>> counted(1, "stage"), counted(3, "stage")
        ('1 stage', '3 stages')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"
