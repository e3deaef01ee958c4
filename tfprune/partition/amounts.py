"""Bandwidths and delays as people write them: 1250000, "10MB/s", "100 Mbit/s"; 0.002, "2 ms"."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from tfprune.errors import InputError
from tfprune.numbers import is_real

__all__ = ["bandwidth_of", "delay_of", "duration"]

RATES = {
    "": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1024.0, "mib": 1024.0**2, "gib": 1024.0**3,
    "bit": 1 / 8, "kbit": 1e3 / 8, "mbit": 1e6 / 8, "gbit": 1e9 / 8,
}  # fmt: skip
"""Bytes a second of each unit, which is followed by "/s"."""

TIMES = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
"""Seconds of each unit."""

WRITTEN = re.compile(r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*([A-Za-zµ]*)(/s)?\s*")


def bandwidth_of(value: Any, what: str) -> float:
    """Return a bandwidth in bytes per second.

    Args:
        value: A number, which is bytes per second, or a string: "10MB/s" (bytes) or "80 Mbit/s" (bits).
        what: What it is called in messages.

    Raises:
        InputError: If it is neither, or not above 0.

    Example:
        >>> bandwidth_of("10MB/s", "bandwidth"), bandwidth_of("80 Mbit/s", "bandwidth")
        (10000000.0, 10000000.0)
    """
    found = amount(value, RATES, per_second=True)
    if found is None or found <= 0:
        raise InputError(
            f"{what} is {value!r}; give bytes per second as a number above 0, or a string such as '10MB/s' (1 MB is "
            "1,000,000 bytes) or '80Mbit/s'."
        )
    return found


def delay_of(value: Any, what: str) -> float:
    """Return a delay in seconds.

    Args:
        value: A number, which is seconds, or a string: "2 ms", "300us", "0.1 s".
        what: What it is called in messages.

    Raises:
        InputError: If it is neither, or below 0.

    Example:
        >>> delay_of("2 ms", "delay"), delay_of(0, "delay")
        (0.002, 0.0)
    """
    found = amount(value, TIMES, per_second=False)
    if found is None:
        raise InputError(
            f"{what} is {value!r}; give seconds as a number from 0, or a string such as '2 ms' or '0.1 s'."
        )
    return found


def amount(value: Any, units: Mapping[str, float], *, per_second: bool) -> float | None:
    """Return a number, or that of a string times its unit; None if it is neither, below 0 or without end."""
    if is_real(value):
        number = float(value)
    else:
        found = WRITTEN.fullmatch(value) if isinstance(value, str) else None
        factor = None if found is None else units.get(found[2].lower())
        if found is None or factor is None or (found[3] is not None) != (per_second and found[2] != ""):
            return None
        number = float(found[1]) * factor
    return number if math.isfinite(number) and number >= 0 else None


def duration(milliseconds: float) -> str:
    """Return a time as people read it.

    Example:
        >>> duration(0.0123), duration(4.5), duration(2500)
        ('12.3 µs', '4.50 ms', '2.50 s')
    """
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    return f"{milliseconds:.2f} ms" if milliseconds >= 0.1 else f"{1000 * milliseconds:.1f} µs"
