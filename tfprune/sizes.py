"""Amounts of memory as people write them: 65536, "256kB", "256 KiB", "1 MB"."""

from __future__ import annotations

import math
import re
from typing import Any

from tfprune.errors import InputError
from tfprune.numbers import is_integer

__all__ = ["bytes_of", "readable"]

UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def bytes_of(value: Any, what: str) -> int:
    """Return an amount of memory in bytes.

    Args:
        value: An int, which is bytes, or a string with a unit: kB is 1000 bytes, KiB is 1024; the case of letters does
            not matter.
        what: What it is called in messages.

    Raises:
        InputError: If it is neither, or less than one byte.

    Example:
        >>> bytes_of("256kB", "flash"), bytes_of("256 KiB", "flash"), bytes_of(1000, "flash")
        (256000, 262144, 1000)
    """
    if is_integer(value) and value >= 1:
        return int(value)
    found = WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if found is not None and found[2].lower() in UNITS:
        size = float(found[1]) * UNITS[found[2].lower()]
        if math.isfinite(size) and size >= 1:
            return int(size)
    raise InputError(
        f"{what} is {value!r}; give bytes as an int, or a string such as '256kB' (1 kB is 1000 bytes, 1 KiB is 1024)."
    )


def readable(size: int) -> str:
    """Return bytes as people read them.

    Example:
        >>> readable(48_112), readable(312), readable(4_398_046_511_104)
        ('48.1 kB', '312 bytes', '4.40 TB')
    """
    for large, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if size >= large:
            return f"{size / large:.2f} {unit}"
    return f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} bytes"
