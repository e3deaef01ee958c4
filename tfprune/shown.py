"""What a notebook shows of a result: what `print` would, not the fields it is made of."""

from __future__ import annotations

from typing import Any


class Shown:
    """A result with a text of its own, which notebooks show where it is the last thing in a cell."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._repr_pretty_ = Shown._repr_pretty_  # type: ignore[method-assign]  # IPython looks for it beside __repr__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(type(self).__name__ if cycle else str(self))
