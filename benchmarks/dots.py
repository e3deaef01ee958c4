"""Dots with their spread: how methods compare in several settings, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

COLOURS = ("#0b6e4f", "#3a6ea5", "#8d99ae")


@dataclass(frozen=True)
class Panel:
    """A setting: one column of dots.

    Attributes:
        title: What it is called.
        whole: A value that is drawn as a line: that of the whole network.
        values: The values of each method, one for each seed, by name, in groups.
    """

    title: str
    whole: float
    values: tuple[dict[str, list[float]], ...]


def draw(path: Path, title: str, panels: list[Panel], label: str) -> None:
    """Draw a row for each method, and a column for each setting; a colour for each group."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "tfprune", "font.family": "sans-serif"}
    names = [name for group in panels[0].values for name in group]
    gaps = [number for number, group in enumerate(panels[0].values) for _ in group]
    places = [-row - 0.6 * gap for row, gap in enumerate(gaps)]
    with pyplot.rc_context(settings):
        figure, columns = pyplot.subplots(1, len(panels), figsize=(11, 0.27 * len(names) + 1.5), sharey=True)
        for axes, panel in zip(columns, panels, strict=True):
            axes.axvline(panel.whole, color="#444444", linewidth=0.9, linestyle=(0, (4, 3)))
            every = [values for group in panel.values for values in group.values()]
            for place, gap, values in zip(places, gaps, every, strict=True):
                style = {"color": COLOURS[gap], "markersize": 6, "capsize": 2.5, "linewidth": 1.4}
                axes.errorbar(mean(values), place, xerr=stdev(values), fmt="o", **style)
                axes.annotate(
                    f"{mean(values):.1f}", (mean(values), place), (0, 5), textcoords="offset points", ha="center",
                    fontsize=7.5, color=COLOURS[gap],
                )  # fmt: skip
            axes.set_title(panel.title, fontsize=10)
            axes.set_yticks(places, names)
            axes.set_ylim(places[-1] - 0.8, 1.0)
            axes.margins(x=0.12)
            axes.grid(axis="x", alpha=0.25)
            axes.tick_params(axis="y", length=0)
            for side in ("top", "right", "left"):
                axes.spines[side].set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        figure.supxlabel(label, fontsize=9)
        figure.tight_layout()
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
