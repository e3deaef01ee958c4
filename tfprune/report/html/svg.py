"""Drawing: elements of SVG as text, scales, and round numbers for axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tfprune.report.words import attribute

__all__ = ["Scale", "element", "line", "linear", "place", "svg", "ticks", "words"]

Scale = Callable[[float], float]


def place(at: float) -> str:
    """Return a coordinate in as few characters as a picture needs."""
    return f"{at:.2f}".rstrip("0").rstrip(".") if math.isfinite(at) else "0"


def element(name: str, /, content: str = "", **attributes: str | float | None) -> str:
    """Return an element; an underscore in the name of an attribute is a hyphen, one at its end is nothing."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{place(held) if not isinstance(held, str) else shown(key, held)}"'
        for key, held in attributes.items()
        if held is not None
    )
    return f"<{name}{told}>{content}</{name}>" if content or name == "svg" else f"<{name}{told}/>"


def shown(key: str, held: str) -> str:
    """Return an attribute's text: a path is our own and may be long, anything else may have come from a file."""
    return held if key == "d" else attribute(held)


def svg(width: float, height: float, content: str, label: str, *, kind: str = "img", **more: str) -> str:
    """Return a picture that fills the width there is.

    Args:
        width: Of the drawing.
        height: Likewise.
        content: What is in it.
        label: What it shows, for those who can't see it.
        kind: `"img"`, or `"group"` where parts of it can be pointed at one by one.
        **more: Other attributes.
    """
    if more.get("data_tip") == label:
        more["data_tip"] = ""  # the script takes the label
    box = f"0 0 {place(width)} {place(height)}"
    return element("svg", content, viewBox=box, role=kind, aria_label=label, **more)


def words(x: float, y: float, content: str, class_: str = "", anchor: str = "start") -> str:
    """Return text that has been escaped already."""
    own = f' class="{class_}"' if class_ else ""
    at = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{place(x)}" y="{place(y)}"{own}{at}>{content}</text>'


def line(points: Sequence[tuple[float, float]], class_: str) -> str:
    """Return a line through points."""
    path = "".join(f"{'L' if number else 'M'}{place(x)} {place(y)}" for number, (x, y) in enumerate(points))
    return element("path", d=path, class_=class_)


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Return a scale from numbers to places."""
    size = high - low or 1.0
    return lambda value: start + (value - low) / size * (end - start)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers from `low` to `high`, both within.

    Example:
        >>> ticks(0.0, 9.7), ticks(0.81, 0.86, 3)
        ([0.0, 2.0, 4.0, 6.0, 8.0], [0.82, 0.84, 0.86])
    """
    size = max(high - low, abs(high) * 1e-9, 1e-12)
    rough = size / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]
