"""The pictures of the page as PNG files, by matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.files import atomic_path
from tfprune.report.data import Report
from tfprune.report.words import clipped, value

__all__ = ["save_pictures"]

BEFORE, AFTER, MARK, INK = "#b9b6ad", "#0b66ae", "#c2500a", "#1d2126"
STYLE: Any = {
    "font.size": 9, "axes.edgecolor": "#8a8f98", "axes.labelcolor": INK, "text.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "xtick.color": "#5d646d", "ytick.color": "#5d646d", "figure.facecolor": "white",
    "text.usetex": False, "text.parse_math": False, "svg.hashsalt": "tfprune", "axes.titlesize": 10,
    "axes.titleweight": "bold", "axes.titlelocation": "left",
}  # fmt: skip
MOST = 40
"""Rows of channel strips and bars of layers in a picture, at most."""


def save_pictures(report: Report, folder: Path) -> list[Path]:
    """Write the pictures that there are data for; see `Report.save_pictures`."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("Pictures need matplotlib; pip install 'tfprune[report]'.") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} can't be made ({error.strerror}); give another one.") from error
    written = []
    for name, draw in PICTURES.items():
        with rc_context(STYLE):
            figure = Figure(layout="constrained")
            if draw(report, figure):
                with atomic_path(folder / f"{name}.png") as temporary:
                    figure.savefig(temporary, dpi=160, metadata={"Software": None})
                written.append(folder / f"{name}.png")
    return written


def headline(report: Report, figure: Any) -> bool:
    """Draw before and after of each number as bars."""
    shown = [change for change in report.headline if change.before is not None and change.before > 0]
    if not shown:
        return False
    figure.set_size_inches(2.1 * len(shown), 2.4)
    for axes, change in zip(np.ravel(figure.subplots(1, len(shown))), shown, strict=True):
        before = change.before or 0.0
        axes.bar([0, 1], [before, change.after], color=[BEFORE, AFTER], width=0.7)
        for at, band, height in ((0, change.before_range, before), (1, change.after_range, change.after)):
            if band is not None:
                axes.plot([at, at], band, color=INK, linewidth=1.2)
            axes.annotate(
                value(height, change.unit),
                (at, max(height, *(band or (0,)))),
                (0, 3),
                textcoords="offset points",
                ha="center",
            )
        axes.set_title(clipped(change.name, 24))
        axes.set_xticks([0, 1], ["before", "after"])
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.margins(y=0.15)
    return True


def front(report: Report, figure: Any) -> bool:
    """Draw the front."""
    if report.front is None or not report.front.points:
        return False
    figure.set_size_inches(7, 4)
    axes, points = figure.subplots(), report.front.points
    best = sorted((one for one in points if one.role in ("front", "chosen")), key=lambda one: one.x)
    axes.plot([one.x for one in best], [one.y for one in best], color=AFTER, linewidth=1.2, zorder=1)
    for role, colour, edge, size in (
        ("trial", BEFORE, "white", 22), ("front", AFTER, "white", 38), ("whole", "white", INK, 55),
        ("chosen", MARK, "white", 75),
    ):  # fmt: skip
        own = [one for one in points if one.role == role]
        axes.scatter([one.x for one in own], [one.y for one in own], s=size, c=colour, edgecolors=edge, zorder=2)
        if role in ("whole", "chosen"):
            for one in own:
                told = "dense" if role == "whole" else "chosen"
                axes.annotate(
                    told, (one.x, one.y), (7, 7), textcoords="offset points", color=INK if role == "whole" else MARK
                )
    axes.set_xlabel(clipped(report.front.x))
    axes.set_title(clipped(report.front.y))
    return True


def stages(report: Report, figure: Any) -> bool:
    """Draw what was measured after each stage."""
    if len(report.stages) < 2:
        return False
    names = [name for name in report.stages[0].values if all(name in one.values for one in report.stages)]
    columns = {name: [stage.values[name] for stage in report.stages] for name in names}
    return curves(figure, columns, [clipped(stage.name, 14) for stage in report.stages])


def training(report: Report, figure: Any) -> bool:
    """Draw the values of a training by epoch."""
    columns = {
        name: [float("nan") if one is None else one for one in column] for name, column in report.history.items()
    }
    return curves(figure, columns, None)


def curves(figure: Any, columns: Mapping[str, Sequence[float]], labels: Sequence[str] | None) -> bool:
    """Draw a small chart for each column that is not zero all along."""
    shown = {name: column for name, column in columns.items() if np.nansum(np.abs(column)) > 0}
    if not shown:
        return False
    rows = -(-len(shown) // 3)
    figure.set_size_inches(9, 2.3 * rows)
    every = np.ravel(figure.subplots(rows, 3, squeeze=False))
    for axes, (name, column) in zip(every, shown.items(), strict=False):
        places = range(len(column)) if labels is not None else range(1, len(column) + 1)
        axes.plot(places, column, color=AFTER, marker="o" if len(column) < 40 else None, markersize=4)
        axes.set_title(clipped(name, 30))
        if labels is None:
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        else:
            axes.set_xticks(range(len(labels)), labels, rotation=30 if len(labels) > 4 else 0)
    for axes in every[len(shown) :]:
        axes.set_visible(False)
    return True


def layers(report: Report, figure: Any) -> bool:
    """Draw the parameters of the largest layers before and after."""
    kernels = [row for row in report.layers if row.weights or row.units_before]
    largest = sorted(kernels, key=lambda row: -max(row.before or 0, row.after or 0))[:MOST]
    shown = [row for row in kernels if row in largest]
    if not shown:
        return False
    figure.set_size_inches(7, 0.6 + 0.24 * len(shown))
    axes = figure.subplots()
    at = np.arange(len(shown))
    axes.barh(at, [row.before or 0 for row in shown], color=BEFORE, height=0.8, label="before")
    axes.barh(at, [row.after or 0 for row in shown], color=AFTER, height=0.5, label="after")
    axes.set_yticks(at, [clipped(row.name, 32) for row in shown])
    axes.invert_yaxis()
    axes.legend(frameon=False)
    axes.set_title("parameters")
    return True


def channels(report: Report, figure: Any) -> bool:
    """Draw the strips of the first groups."""
    shown = [group for group in report.channels if group.runs][:MOST]
    if not shown:
        return False
    figure.set_size_inches(7, 0.6 + 0.26 * len(shown))
    axes = figure.subplots()
    for row, group in enumerate(shown):
        ends = np.cumsum([0, *group.runs]) / group.size
        axes.barh(row, 1, color="#f1eee7", height=0.7)
        axes.barh([row] * len(ends[:-1:2]), (ends[1:] - ends[:-1])[::2], left=ends[:-1:2], color=AFTER, height=0.7)
        axes.annotate(f"{group.left} of {group.size}", (1.01, row), va="center")
    axes.set_yticks(range(len(shown)), [clipped(group.name, 32) for group in shown])
    axes.set_xticks([])
    axes.set_xlim(0, 1.16)
    axes.invert_yaxis()
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title("channels that are left")
    return True


def weights(report: Report, figure: Any) -> bool:
    """Draw maps and histograms."""
    if not report.weights:
        return False
    from matplotlib.colors import ListedColormap

    shades = ListedColormap(["#ffffff", "#f1eee7", "#cfe0ef", "#a5c7e3", "#7badd6", "#4f92c9", "#2a7bbc", AFTER])
    figure.set_size_inches(2.8 * len(report.weights), 3.6)
    above, below = figure.subplots(2, len(report.weights), squeeze=False, height_ratios=[2, 1])
    for top, bottom, kernel in zip(above, below, report.weights, strict=True):
        top.imshow(
            [[-1 if level == "." else int(level) for level in row] for row in kernel.picture],
            cmap=shades, vmin=-1, vmax=6, aspect="auto", interpolation="nearest",
        )  # fmt: skip
        top.set_xticks([])
        top.set_yticks([])
        top.set_title(clipped(kernel.name, 28))
        edges = np.linspace(-kernel.limit, kernel.limit, len(kernel.after) + 1)
        if kernel.before:
            bottom.stairs(kernel.before, edges, fill=True, color=BEFORE, alpha=0.5)
        bottom.stairs(kernel.after, edges, fill=True, color=AFTER)
        bottom.set_yticks([])
    return True


def time(report: Report, figure: Any) -> bool:
    """Draw where the time goes."""
    if not report.waterfalls:
        return False
    figure.set_size_inches(7, 0.8 + 0.2 * sum(len(fall.parts) for fall in report.waterfalls))
    sizes = [max(len(fall.parts), 2) for fall in report.waterfalls]
    every = figure.subplots(len(sizes), 1, squeeze=False, sharex=True, height_ratios=sizes)[:, 0]
    for number, (axes, fall) in enumerate(zip(every, report.waterfalls, strict=True)):
        times = np.array([part.ms for part in fall.parts])
        starts = np.concatenate([[0.0], np.cumsum(times)[:-1]])
        axes.barh(range(len(times)), times, left=starts, color=AFTER if number == len(sizes) - 1 else BEFORE)
        axes.set_yticks(range(len(times)), [clipped(part.name, 32) for part in fall.parts])
        axes.invert_yaxis()
        axes.set_title(f"{clipped(fall.name, 40)}: {value(fall.total, 'ms')}")
    every[-1].set_xlabel("ms")
    return True


PICTURES: dict[str, Callable[[Report, Any], bool]] = {
    "headline": headline, "front": front, "stages": stages, "training": training, "layers": layers,
    "channels": channels, "weights": weights, "time": time,
}  # fmt: skip
