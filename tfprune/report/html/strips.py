"""Kept-channel strips: a bar for each group of channels, with gaps where channels have gone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tfprune.report.html.svg import element, place, svg
from tfprune.report.parts import Channels
from tfprune.report.words import clipped, text, titled

__all__ = ["drawn_runs", "strips"]

SINGLE = 128
"""Strips of at most so many channels show them one by one,"""

FEW = 6000
"""if there are at most so many in all."""

MOST = 256


def strips(groups: Sequence[Channels]) -> str:
    """Return a row for each group: its name, the strip, and how many channels are left."""
    single = sum(group.size for group in groups) <= FEW
    most = MOST if len(groups) <= 150 else MOST // 4
    rows = "".join(_row(group, single=single, most=most) for group in groups)
    return f'<ol class="strips" id="group-rows">{rows}</ol>'


def _row(group: Channels, *, single: bool, most: int) -> str:
    counted = f"{group.size:,}" if group.left is None else f"{group.left:,} of {group.size:,}"
    told = (
        ""
        if group.left is None or group.left == group.size
        else f" <span class='part'>{group.left / group.size:.0%}</span>"
    )
    why = group.reason or ("zero, but still there" if group.silent else "")
    if not group.runs and group.left is not None and group.left < group.size:
        why = "which ones is not recorded"
    note = f'<span class="why">{text(why, 90)}</span>' if why else ""
    tip = f"{clipped(group.name)}: {counted} {group.kind}s left{f'; {why}' if why else ''}"
    return (
        f'<li><span class="name"{titled(group.name, 44)}>'
        f"{text(group.name, 44)}{note}</span>{_strip(group, tip, single=single, most=most)}"
        f'<span class="count">{counted}{told}</span></li>'
    )


def _strip(group: Channels, tip: str, *, single: bool, most: int) -> str:
    if group.left is None:
        return "<span></span>"
    if not group.runs:
        bar = element("rect", x=0.0, y=0.0, width=float(group.left), height=10.0, class_="unsure")
        return _picture(group.size, bar, tip)
    runs, scale = drawn_runs(group.runs, most)
    path, at = "", 0.0
    for number, length in enumerate(runs):
        if number % 2 == 0 and length:
            if single and group.size <= SINGLE:
                path += "".join(f"M{place((at + n) * scale + 0.07)} 0h.86v10h-.86z" for n in range(length))
            else:
                path += f"M{place(at * scale)} 0h{place(length * scale)}v10H{place(at * scale)}z"
        at += length
    return _picture(group.size, element("path", d=path, class_="silent" if group.silent else "kept"), tip)


def _picture(size: int, content: str, tip: str) -> str:
    return svg(size, 10, content, tip, class_="strip", preserveAspectRatio="none", data_tip=tip)


def drawn_runs(runs: Sequence[int], most: int) -> tuple[list[int], float]:
    """Return runs of at most `most` cells, and how many channels a cell is; a cell is kept if half of it is.

    Example:
        >>> drawn_runs((2, 1, 5), 4)
        ([4], 2.0)
    """
    size = sum(runs)
    if size <= most:
        return list(runs), 1.0
    channels = [number % 2 == 0 for number, length in enumerate(runs) for _ in range(length)]
    edges = [round(cell * size / most) for cell in range(most + 1)]
    cells = [2 * sum(channels[low:high]) >= high - low for low, high in pairwise(edges)]
    found, current = [0], True
    for cell in cells:
        if cell != current:
            found.append(0)
            current = cell
        found[-1] += 1
    return found, size / most
