"""Where tables are printed."""

from __future__ import annotations

from rich.console import Console

__all__ = ["console"]

WIDTH_OF_FILES = 120


def console() -> Console:
    """Return a console as wide as the terminal, or 120 columns where output goes to a file."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH_OF_FILES)
