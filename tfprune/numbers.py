"""What counts as a number: Python's and NumPy's, but not a bool."""

from __future__ import annotations

import numbers

__all__ = ["is_integer", "is_real"]


def is_integer(value: object) -> bool:
    """Whether `value` is an integer of any kind, and not a bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Whether `value` is a real number of any kind, and not a bool."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
