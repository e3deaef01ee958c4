"""Small charts side by side: what each stage of a recipe, or each epoch of a training, came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfprune.report.html.svg import element, line, linear, place, svg, words
from tfprune.report.parts import Stage
from tfprune.report.words import clipped, text, value

__all__ = ["history_charts", "stage_charts", "stage_of"]

WIDTH, HEIGHT = 280.0, 168.0
LEFT, RIGHT, TOP, BOTTOM = 10.0, 14.0, 52.0, 30.0
UNITS = {"bytes": "bytes"}
NAMES = {"macs": "MACs", "bytes": "bytes of weights", "zeros": "zeros among the weights"}


def stage_charts(stages: Sequence[Stage]) -> str:
    """Return a chart for each number that was measured after each stage."""
    names = [name for name in stages[0].values if all(name in stage.values for stage in stages)]
    labels = [stage.name for stage in stages]
    marks = [stage.kept for stage in stages]
    charts = []
    for name in names:
        column = [stage.values[name] for stage in stages]
        if name == "zeros":
            column = [
                zeros / max(stage.values.get("parameters", 0), 1) for zeros, stage in zip(column, stages, strict=True)
            ]
            if max(column) < 0.001:
                continue
        unit = "share" if "acc" in name or name == "zeros" else UNITS.get(name, "")
        from_zero = name in ("parameters", "macs", "bytes", "zeros")
        charts.append(_chart(NAMES.get(name, name), unit, column, labels, marks, from_zero=from_zero))
    return f'<div class="multiples">{"".join(charts)}</div>'


def history_charts(history: Mapping[str, Sequence[float | None]], epochs: Sequence[str] = ()) -> str:
    """Return a chart for each value of a training; what was validated is drawn in the chart of the same name.

    Args:
        history: Values by epoch, by name; None where an epoch has none.
        epochs: What the epochs are called; by default they are numbered.
    """
    charts = []
    for name, column in history.items():
        if name.startswith("val_") and name.removeprefix("val_") in history:
            continue
        if all(one is None for one in column):
            continue
        share = "acc" in name or "sparsity" in name or "zero" in name or name == "gates_open"
        labels = list(epochs) or [f"epoch {number}" for number in range(1, len(column) + 1)]
        beside = history.get(f"val_{name}")
        charts.append(
            _chart(name, "share" if share else "", column, labels, None, beside=beside, breaks=starts(labels))
        )
    return f'<div class="multiples">{"".join(charts)}</div>'


def stage_of(label: str) -> str:
    """Return the stage that an epoch belongs to.

    Example:
        >>> stage_of("prune, epoch 2"), stage_of("epoch 2")
        ('prune', '')
    """
    return label.rpartition(", ")[0]


def starts(labels: Sequence[str]) -> list[int]:
    """Return the numbers of the epochs at which another stage begins."""
    return [n for n in range(1, len(labels)) if stage_of(labels[n]) != stage_of(labels[n - 1])]


def runs(column: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the parts without a gap.

    Example:
        >>> runs([1.0, None, 2.0, 3.0])
        [[(0, 1.0)], [(2, 2.0), (3, 3.0)]]
    """
    found: list[list[tuple[int, float]]] = [[]]
    for number, one in enumerate(column):
        if one is not None:
            found[-1].append((number, one))
        elif found[-1]:
            found.append([])
    return [run for run in found if run]


def _chart(
    name: str,
    unit: str,
    column: Sequence[float | None],
    labels: Sequence[str],
    kept: Sequence[bool] | None,
    *,
    from_zero: bool = False,
    beside: Sequence[float | None] | None = None,
    breaks: Sequence[int] = (),
) -> str:
    known = [one for one in column if one is not None]
    every = [*known, *(one for one in beside or () if one is not None)]
    low, high = (0.0 if from_zero else min(every)), max(every)
    x = linear(0, max(len(column) - 1, 1), LEFT + 6, WIDTH - RIGHT)
    base = HEIGHT - BOTTOM + 8
    y = linear(low, high if high > low else low + 1, base if from_zero else HEIGHT - BOTTOM, TOP + 16)
    parts = [element("path", d=f"M{LEFT:.0f} {base:.0f}H{WIDTH - RIGHT + 6:.0f}", class_="axis")]
    parts += [element("path", d=f"M{place(x(n - 0.5))} {TOP:.0f}V{base:.0f}", class_="break") for n in breaks]
    validated = runs(beside or ())
    parts += [line([(x(number), y(one)) for number, one in run], "series other") for run in validated]
    if validated:
        parts.append(words(WIDTH - RIGHT, y(validated[-1][-1][1]) + 16, "validation", "tick other", "end"))
    for run in runs(column):
        points = [(x(number), y(one)) for number, one in run]
        if from_zero and len(points) > 1:
            parts.append(line([(points[0][0], base), *points, (points[-1][0], base)], "area"))
        parts.append(line(points, "series"))
        parts += [
            _dot(number, one, x(number), y(one), unit, labels, kept, many=len(column) > 40) for number, one in run
        ]
    parts.append(words(LEFT, 16, text(name, 34), "axisname"))
    parts.append(
        words(LEFT, 40, f"{value(known[0], unit)} → <tspan class='strong'>{value(known[-1], unit)}</tspan>", "label")
    )
    parts.append(words(LEFT, HEIGHT - 6, text(labels[0], 18), "tick"))
    if len(labels) > 1:
        parts.append(words(WIDTH - RIGHT + 6, HEIGHT - 6, text(labels[-1], 18), "tick", "end"))
    if max(map(len, labels)) * 6.6 < (WIDTH - LEFT - RIGHT) / max(len(labels) - 1, 1):
        parts += [
            words(x(number), HEIGHT - 6, text(labels[number], 12), "tick", "middle")
            for number in range(1, len(labels) - 1)
        ]
    told = f"{name}: {', '.join(value(one, unit) for one in known[:50])}"
    return svg(WIDTH, HEIGHT, "".join(parts), told, kind="group", class_="chart")


def _dot(
    number: int,
    one: float,
    x: float,
    y: float,
    unit: str,
    labels: Sequence[str],
    kept: Sequence[bool] | None,
    *,
    many: bool,
) -> str:
    fine = kept is None or kept[number]
    tip = f"{clipped(labels[number])}: {value(one, unit)}{'' if fine else ', below the floor'}"
    return element(
        "circle",
        cx=x,
        cy=y,
        r=2.0 if many else 4.0,
        class_="point front" if fine else "point below",
        data_tip=tip,
        tabindex=None if many else "0",
        role="img",
        aria_label=tip,
    )
