"""Names and numbers as people read them, safe to show: names come from files that anybody may have written."""

from __future__ import annotations

import html
import math
import re
import unicodedata

__all__ = [
    "attribute",
    "block",
    "clipped",
    "number",
    "percent",
    "short",
    "signed",
    "text",
    "titled",
    "value",
    "visible",
]

LONGEST = 72
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that show nothing, or change how others are shown."""


def visible(name: str, *, lines: bool = False) -> str:
    r"""Return text with a visible sign for each character that is none.

    Example:
        >>> visible("a\x00b")
        'a�b'
    """
    return "".join(
        sign if unicodedata.category(sign) not in UNSEEN or (lines and sign in "\n\t") else "�" for sign in name
    )


def clipped(name: str, most: int = LONGEST) -> str:
    """Return a name of at most so many characters, with its beginning and its end.

    Example:
        >>> clipped("abcdefghij", 5)
        'ab…ij'
    """
    short = name if len(name) <= most else f"{name[: most // 2]}…{name[-(most // 2) :]}"
    return visible(short)


def text(name: str, most: int = LONGEST) -> str:
    """Return a name for a page: clipped, visible and escaped."""
    return html.escape(clipped(name, most))


def attribute(name: str, most: int = 300) -> str:
    """Return a name for an attribute in double quotes; longer than in the text."""
    return html.escape(clipped(name, most))


def titled(name: str, most: int) -> str:
    """Return the attribute that tells a name in full, if it does not fit where it is shown."""
    return "" if len(name) <= most else f' title="{attribute(name)}"'


def block(content: str, most: int = 40_000) -> str:
    """Return text of several lines for a page."""
    cut = content if len(content) <= most else f"{content[:most]}\n…"
    return html.escape(visible(cut, lines=True))


def number(count: float) -> str:
    """Return a number with three digits that count, and a unit of thousands where that is shorter.

    Example:
        >>> number(950), number(24_282), number(1_919_872), number(0.0314159)
        ('950', '24.3 k', '1.92 M', '0.0314')
    """
    if count == 0 or not math.isfinite(count):
        return "0" if count == 0 else "–"
    size, sign = abs(count), "−" if count < 0 else ""
    for unit, name in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k")):
        if size >= unit:
            scaled = size / (1e3 if unit == 1e4 else unit)
            return f"{sign}{scaled:.{digits(scaled)}f}{name}"
    if size >= 1 and float(size).is_integer():
        return f"{sign}{size:,.0f}"
    return f"{sign}{size:,.{digits(size)}f}"


def digits(size: float) -> int:
    """Return how many places after the point leave three digits that count."""
    return max(0, min(2 - math.floor(math.log10(size)), 8)) if size > 0 else 0


def percent(share: float, places: int = 1) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.{places}f} %"


def value(amount: float, unit: str) -> str:
    """Return an amount with its unit.

    Example:
        >>> value(0.8456, "share"), value(395_112, "bytes"), value(0.034532, "ms"), value(1.3, "ms")
        ('84.6 %', '395 kB', '34.5 µs', '1.30 ms')
    """
    if unit == "share":
        return percent(amount)
    if unit == "bytes":
        for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
            if amount >= size:
                return f"{amount / size:.{digits(amount / size)}f} {name}"
        return f"{amount:.0f} B"
    if unit == "ms":
        return f"{number(1000 * amount)} µs" if 0 < amount < 0.1 else f"{number(amount)} ms"
    return number(amount)


def short(amount: float, unit: str) -> str:
    """Return an amount for an axis, without zeros at its end.

    Example:
        >>> short(0.6, ""), short(0.8, "share"), short(400_000, "")
        ('0.6', '80 %', '400 k')
    """
    return re.sub(r"(\.\d*?)0+(?!\d)", r"\1", value(amount, unit)).replace(". ", " ").removesuffix(".")


def signed(share: float, places: int = 1) -> str:
    """Return a number with its sign, the minus as typographers set it."""
    rounded = f"{abs(share):.{places}f}"
    return rounded if float(rounded) == 0 else f"{'−' if share < 0 else '+'}{rounded}"
