"""A report as a Markdown card: the numbers, for a model's page or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tfprune.report.data import Report
from tfprune.report.html.lead import difference, sentence
from tfprune.report.words import clipped, number, percent, value, visible

__all__ = ["card"]

MOST = 20
"""The largest layers are in the card, at most so many."""


def card(report: Report) -> str:
    """Return the card of a report."""
    lines = [f"# {plain(report.title)}", ""]
    lines += [f"{re.sub('</?b>', '**', sentence(report))}", ""] if sentence(report) else []
    lines += [plain(report.about, 600), ""] if report.about else []
    lines += table(
        ("", "before", "after", "change", ""),
        (
            (
                plain(change.name),
                "" if change.before is None else value(change.before, change.unit),
                value(change.after, change.unit) + _spread(change.after_range, change.unit),
                difference(change)[0],
                plain(change.note),
            )
            for change in report.headline
        ),
        right=(1, 2, 3),
    )
    if len(report.stages) > 1:
        names = [name for name in report.stages[0].values if all(name in one.values for one in report.stages)]
        rows = [
            (plain(one.name), *(_told(name, one.values[name]) for name in names), "" if one.kept else "below the floor")
            for one in report.stages
        ]
        lines += ["## Stages", "", *table(("stage", *map(plain, names), ""), rows, right=range(1, len(names) + 1))]
    lines += _front(report)
    if report.files:
        rows = [
            (
                f"`{plain(file.name)}`",
                value(float(file.bytes), "bytes"),
                "" if file.right is None else percent(file.right, 2),
                "" if file.ms is None else value(file.ms, "ms"),
            )
            for file in report.files
        ]
        lines += ["## Files", "", *table(("file", "size", "top class right", "time"), rows, right=(1, 2, 3))]
    lines += _layers(report)
    for name, content, kind in (("Recipe", report.recipe, "yaml"), ("Command", report.command, "")):
        if content:
            fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", content)), 3)
            lines += [f"## {name}", "", f"{fence}{kind}", visible(content, lines=True).rstrip(), fence, ""]
    lines += [f"- {plain(note, 400)}" for note in report.notes] + ([""] if report.notes else [])
    made = ", ".join(f"{plain(name)} {plain(held)}" for name, held in report.environment.items())
    lines += [f"Made with {made}{f', {plain(report.date)}' if report.date else ''}."] if made else []
    return "\n".join(lines).rstrip() + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Return a Markdown table, followed by an empty line; columns without content are left out."""
    everything = [list(row) for row in rows]
    shown = [n for n in range(len(heads)) if n == 0 or any(row[n] for row in everything)]
    sides = set(right)
    lines = [
        f"| {' | '.join(heads[n] for n in shown)} |",
        f"| {' | '.join('---:' if n in sides else '---' for n in shown)} |",
    ]
    return [*lines, *(f"| {' | '.join(row[n] for n in shown)} |" for row in everything), ""]


def plain(name: str, most: int = 72) -> str:
    r"""Return a name in which nothing means anything to Markdown or HTML.

    Example:
        >>> plain("a|b <i>")
        'a\\|b &lt;i&gt;'
    """
    safe = clipped(name, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|])", r"\\\1", safe)


def _front(report: Report) -> list[str]:
    if report.front is None:
        return []
    front = report.front
    units = {"latency": "ms", "accuracy": "share", "bytes": "bytes", "memory": "bytes"}
    shown = sorted((point for point in front.points if point.role != "trial"), key=lambda point: point.x)
    rows = [
        (
            value(point.x, units.get(front.x, "")),
            value(point.y, units.get(front.y, "")),
            point.role.replace("front", ""),
        )
        for point in shown
    ]
    return ["## Front", "", *table((plain(front.x), plain(front.y), ""), rows, right=(0, 1))]


def _layers(report: Report) -> list[str]:
    largest = sorted(report.layers, key=lambda row: -(row.before or row.after or 0))[:MOST]
    wanted = [row for row in report.layers if row in largest]
    if not wanted:
        return []
    rows = [
        (
            plain(row.name),
            _both(row.before, row.after),
            _both(row.macs_before, row.macs_after),
            _both(row.units_before, row.units_after),
            percent(row.sparsity) if row.sparsity else "",
            plain(row.reason),
        )
        for row in wanted
    ]
    more = len(report.layers) - len(wanted)
    told = [f"And {more} smaller layers.", ""] if more else []
    heads = ("layer", "parameters", "MACs", "channels", "zeros", "note")
    return ["## Layers", "", *table(heads, rows, right=(1, 2, 3, 4)), *told]


def _both(before: int | None, after: int | None) -> str:
    if after is None:
        return ""
    return number(after) if before is None or before == after else f"{number(before)} → {number(after)}"


def _told(name: str, amount: float) -> str:
    return value(amount, "share" if "acc" in name else "bytes" if name == "bytes" else "")


def _spread(band: tuple[float, float] | None, unit: str) -> str:
    return "" if band is None else f" ({value(band[0], unit)} – {value(band[1], unit)})"
