"""Where the time goes: a waterfall of the operations of each file, on one scale."""

from __future__ import annotations

from collections.abc import Sequence

from tfprune.report.html.svg import element, svg
from tfprune.report.parts import Part, Waterfall
from tfprune.report.words import clipped, text, titled, value

__all__ = ["waterfalls"]

WIDTH = 600.0


def waterfalls(falls: Sequence[Waterfall]) -> str:
    """Return the waterfalls, one under the other."""
    whole = max(max(fall.total, sum(part.ms for part in fall.parts)) for fall in falls) or 1.0
    return "".join(_one(fall, whole, small=n == len(falls) - 1) for n, fall in enumerate(falls))


def _one(fall: Waterfall, whole: float, *, small: bool) -> str:
    rows, at = [], 0.0
    for part in fall.parts:
        rows.append(_row(part, at, whole, "after" if small else "before"))
        at += part.ms
    return (
        f'<figure class="fall"><figcaption><b>{text(fall.name)}</b> <span class="big2">{value(fall.total, "ms")}</span>'
        f'<span class="muted">{text(fall.where, 120)}</span></figcaption><ol>{"".join(rows)}</ol></figure>'
    )


def _row(part: Part, at: float, whole: float, class_: str) -> str:
    spread = (
        ""
        if part.low is None or part.high is None
        else f", 5–95 %: {value(max(part.low, 0.0), 'ms')} – {value(part.high, 'ms')}"
    )
    tip = f"{clipped(part.name)}: {value(part.ms, 'ms')}{spread}"
    x = at / whole * WIDTH
    bar = element("path", d=f"M0 7H{x:.1f}", class_="lead") if x > 1 else ""
    bar += element("rect", x=x, y=1.0, width=max(part.ms / whole * WIDTH, 1.0), height=12.0, class_=class_)
    return (
        f'<li><span class="name"{titled(part.name, 40)}>{text(part.name, 40)}</span>'
        f"{svg(WIDTH, 14, bar, tip, class_='step', preserveAspectRatio='none', data_tip=tip)}"
        f'<span class="count">{value(part.ms, "ms")}</span></li>'
    )
