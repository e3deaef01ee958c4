"""Pictures of results, as SVG: lines, bars, and dots with their spread, one beside the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

COLOURS = ("#0b6e4f", "#3a6ea5", "#d1495b", "#e09f3e", "#8d99ae", "#6d597a", "#2a9d8f", "#444444")
SETTINGS: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "tfprune", "font.family": "sans-serif"}
PICTURES: dict[str, Callable[[], Picture]] = {}
"""What makes the picture of a benchmark, by the name of its result."""


@dataclass(frozen=True)
class Lines:
    """Curves over one axis.

    Attributes:
        title: What the panel is about.
        x: What is drawn to the right.
        y: What is drawn upwards.
        curves: The points (x, y) of each curve, by its name.
        whole: A value that is drawn as a line: that of the whole network.
        doubling: Whether each step to the right doubles.
    """

    title: str
    x: str
    y: str
    curves: dict[str, list[tuple[float, float]]]
    whole: float | None = None
    doubling: bool = False


@dataclass(frozen=True)
class Bars:
    """A group of bars to the right for each row.

    Attributes:
        title: What the panel is about.
        x: What the bars show.
        rows: The values of each row by the name of what they show, by the row's name.
        line: A value that is drawn as a line: a goal, or what is compared with.
        digits: How many digits a value is written with behind the point.
    """

    title: str
    x: str
    rows: dict[str, dict[str, float]]
    line: float | None = None
    digits: int = 2


@dataclass(frozen=True)
class Dots:
    """The mean of each method, with the standard deviation of its seeds.

    Attributes:
        title: What the panel is about.
        x: What is drawn to the right.
        groups: The values of each method, one for each seed, by name; each group has its colour.
        whole: A value that is drawn as a line: that of the whole network.
    """

    title: str
    x: str
    groups: tuple[dict[str, list[float]], ...]
    whole: float | None = None


Panel = Lines | Bars | Dots


@dataclass(frozen=True)
class Picture:
    """Panels of one kind beside each other.

    Attributes:
        title: What the picture shows, in a sentence.
        panels: What is drawn.
    """

    title: str
    panels: tuple[Panel, ...]

    def colours(self) -> dict[str, str]:
        """Return the colour of each curve or kind of bar: one for one name in all panels."""
        names: dict[str, None] = {}
        for panel in self.panels:
            if isinstance(panel, Lines):
                names |= dict.fromkeys(panel.curves)
            elif isinstance(panel, Bars):
                names |= dict.fromkeys(name for row in panel.rows.values() for name in row)
        return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}

    def shares_rows(self) -> bool:
        """Return whether all panels have the same rows, so that these are named once."""
        rows = [
            tuple(panel.rows) if isinstance(panel, Bars) else
            tuple(map(tuple, panel.groups)) if isinstance(panel, Dots) else None
            for panel in self.panels
        ]  # fmt: skip
        return rows[0] is not None and len(set(rows)) == 1

    def digest(self) -> str:
        """Return what tells these values from others; the file has it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def picture(make: Callable[[], Picture]) -> Callable[[], Picture]:
    """Register a function that returns a benchmark's picture; it has the name of the result."""
    PICTURES[make.__name__] = make
    return make


def draw(shown: Picture, path: Path) -> None:
    """Write a picture as SVG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    first = shown.panels[0]
    colours = shown.colours()
    height = 3.6 if isinstance(first, Lines) else 0.27 * rows_of(first) + 1.5
    width = min(11.0, 7.0 + 2.0 * (len(shown.panels) - 1))
    with pyplot.rc_context(SETTINGS):
        figure, columns = pyplot.subplots(
            1, len(shown.panels), figsize=(width, height), squeeze=False, sharey=shown.shares_rows()
        )
        for axes, panel in zip(columns[0], shown.panels, strict=True):
            if isinstance(panel, Lines):
                draw_lines(axes, panel, colours)
            elif isinstance(panel, Bars):
                draw_bars(axes, panel, colours)
            else:
                draw_dots(axes, panel)
            axes.set_title(panel.title, fontsize=10)
            axes.set_xlabel(panel.x, fontsize=9)
            for side in ("top", "right") if isinstance(panel, Lines) else ("top", "right", "left"):
                axes.spines[side].set_visible(False)
        names: dict[str, Any] = {}
        for axes in columns[0]:
            names |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        if len(names) > 1 or (names and isinstance(first, Lines)):
            figure.legend(
                names.values(), names, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=min(4, len(names)),
                fontsize=9, frameon=False,
            )  # fmt: skip
        figure.suptitle(shown.title, x=0.01, ha="left", fontsize=11)
        figure.tight_layout()
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None, "Description": shown.digest()})
        pyplot.close(figure)


def rows_of(panel: Bars | Dots) -> float:
    """Return how many rows high a panel is."""
    if isinstance(panel, Dots):
        return sum(map(len, panel.groups))
    return sum(0.5 + 0.75 * len(row) for row in panel.rows.values())


def draw_lines(axes: Any, panel: Lines, colours: dict[str, str]) -> None:
    """Draw curves."""
    if panel.whole is not None:
        axes.axhline(panel.whole, color="#444444", linewidth=0.9, linestyle=(0, (4, 3)))
    for number, (name, points) in enumerate(panel.curves.items()):
        style = {"color": colours[name], "linewidth": 1.5 if number else 2.4}
        axes.plot(*zip(*sorted(points), strict=True), marker="o", markersize=4, label=name, **style)
    if panel.doubling:
        places = sorted({x for points in panel.curves.values() for x, _ in points})
        axes.set_xscale("log", base=2)
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.minorticks_off()
    axes.set_ylabel(panel.y, fontsize=9)
    axes.grid(alpha=0.25)


def draw_bars(axes: Any, panel: Bars, colours: dict[str, str]) -> None:
    """Draw groups of bars."""
    if panel.line is not None:
        axes.axvline(panel.line, color="#444444", linewidth=0.9, linestyle=(0, (4, 3)))
    place, places, named = 0.0, [], set()
    for row in panel.rows.values():
        begin = place
        for name in (name for name in colours if name in row):
            value, colour = row[name], colours[name]
            axes.barh(place, value, height=0.65, color=colour, label=None if name in named else name)
            axes.annotate(
                f"{value:,.{panel.digits}f}", (max(value, 0.0), place), (4, 0), textcoords="offset points",
                va="center", fontsize=8, color=colour, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
            )  # fmt: skip
            named.add(name)
            place -= 0.75
        places.append((begin + place + 0.75) / 2)
        place -= 0.5
    longest = max(max(row.values()) for row in panel.rows.values())
    axes.set_yticks(places, list(panel.rows), fontsize=9)
    axes.set_xlim(right=1.15 * max(longest, panel.line or 0.0))
    axes.set_ylim(place + 0.6, 0.7)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)


def draw_dots(axes: Any, panel: Dots) -> None:
    """Draw a dot with its spread for each method."""
    names = [name for group in panel.groups for name in group]
    gaps = [number for number, group in enumerate(panel.groups) for _ in group]
    places = [-row - 0.6 * gap for row, gap in enumerate(gaps)]
    if panel.whole is not None:
        axes.axvline(panel.whole, color="#444444", linewidth=0.9, linestyle=(0, (4, 3)))
    every = [values for group in panel.groups for values in group.values()]
    for place, gap, values in zip(places, gaps, every, strict=True):
        style = {"color": COLOURS[gap], "markersize": 6, "capsize": 2.5, "linewidth": 1.4}
        axes.errorbar(mean(values), place, xerr=stdev(values), fmt="o", **style)
        axes.annotate(
            f"{mean(values):.1f}", (mean(values), place), (0, 5), textcoords="offset points", ha="center",
            fontsize=7.5, color=COLOURS[gap],
        )  # fmt: skip
    axes.set_yticks(places, names)
    axes.set_ylim(places[-1] - 0.8, 1.0)
    axes.margins(x=0.12)
    axes.grid(axis="x", alpha=0.25)
    axes.tick_params(axis="y", length=0)
