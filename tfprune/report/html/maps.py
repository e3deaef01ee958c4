"""Weights as pictures: a map of each of the largest kernels, and a histogram before and after."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tfprune.report.html.svg import element, place, svg, words
from tfprune.report.parts import Weights
from tfprune.report.words import attribute, clipped, number, percent, text, titled

__all__ = ["weight_cards"]

WIDTH, HEIGHT = 280.0, 96.0


def weight_cards(pictures: Sequence[Weights]) -> str:
    """Return a card for each kernel."""
    return f'<div class="cards">{"".join(_card(picture) for picture in pictures)}</div>'


def _card(weights: Weights) -> str:
    shape = " × ".join(map(str, weights.shape))
    zeros = f"{percent(weights.zeros)} zeros" if weights.zeros >= 0.0005 else "no zeros"
    return (
        f'<figure class="card"><figcaption><b{titled(weights.name, 40)}>{text(weights.name, 40)}</b>'
        f'<span class="muted">{shape} · {zeros}</span></figcaption>{_map(weights)}{_histogram(weights)}</figure>'
    )


def _map(weights: Weights) -> str:
    levels: dict[str, str] = {}
    for y, row in enumerate(weights.picture):
        x = 0
        for level, same in groupby(row):
            length = len(list(same))
            if level != ".":
                levels[level] = levels.get(level, "") + f"M{x} {y}h{length}v1h-{length}z"
            x += length
    paths = "".join(element("path", d=path, class_=f"l{level}") for level, path in sorted(levels.items()))
    rows, columns = len(weights.picture), max(map(len, weights.picture), default=1)
    label = f"Mean magnitude of the weights of {clipped(weights.name)}, inputs down, outputs across"
    return svg(columns, rows, paths, label, class_="map", preserveAspectRatio="none")


def _histogram(weights: Weights) -> str:
    bins, base = len(weights.after), HEIGHT - 18
    top = max(*weights.after, *(weights.before or (0,)), 1)
    step = WIDTH / bins
    bars = []
    for n, count in enumerate(weights.after):
        low, high = (weights.limit * (2 * (n + side) / bins - 1) for side in (0, 1))
        height = count / top * (base - 6)
        was = f", before {weights.before[n]:,}" if weights.before else ""
        if count or (weights.before and weights.before[n]):
            tip = f"{low:.3g} to {high:.3g}: {count:,} weights{was}"
            bars.append(
                f'<rect x="{place(n * step + 0.4)}" y="{place(base - height)}" width="{place(step - 0.8)}" '
                f'height="{place(height)}" class="after"/>'
                f'<rect x="{place(n * step)}" y="0" width="{place(step)}" height="{place(base)}" class="reach" '
                f'data-tip="{attribute(tip)}"/>'
            )
    if weights.before:
        path = f"M0 {base:.1f}"
        for n, count in enumerate(weights.before):
            path += f"V{place(base - count / top * (base - 6))}H{place((n + 1) * step)}"
        bars.insert(0, element("path", d=f"{path}V{place(base)}", class_="outline"))
    axis = element("path", d=f"M0 {base:.0f}H{WIDTH:.0f}", class_="axis")
    ends = words(0, HEIGHT - 4, f"−{number(weights.limit)}", "tick")
    ends += words(WIDTH / 2, HEIGHT - 4, "0", "tick", "middle") + words(
        WIDTH, HEIGHT - 4, number(weights.limit), "tick", "end"
    )
    label = f"Histogram of the weights of {clipped(weights.name)} that are not zero"
    return svg(WIDTH, HEIGHT, "".join(bars) + axis + ends, label, class_="chart")
