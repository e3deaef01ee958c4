"""Small charts side by side: what each stage of a recipe, or each epoch of a training, came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfprune.report.html.svg import element, line, linear, svg, words
from tfprune.report.parts import Stage
from tfprune.report.words import clipped, text, value

__all__ = ["history_charts", "stage_charts"]

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


def history_charts(history: Mapping[str, Sequence[float]]) -> str:
    """Return a chart for each value of a training; what was validated is drawn in the chart of the same name."""
    charts = []
    for name, column in history.items():
        if name.startswith("val_") and name.removeprefix("val_") in history:
            continue
        unit = "share" if "acc" in name or "sparsity" in name else ""
        labels = [f"epoch {number}" for number in range(1, len(column) + 1)]
        charts.append(_chart(name, unit, column, labels, None, beside=history.get(f"val_{name}")))
    return f'<div class="multiples">{"".join(charts)}</div>'


def _chart(
    name: str,
    unit: str,
    column: Sequence[float],
    labels: Sequence[str],
    kept: Sequence[bool] | None,
    *,
    from_zero: bool = False,
    beside: Sequence[float] | None = None,
) -> str:
    every = [*column, *(beside or ())]
    low, high = (0.0 if from_zero else min(every)), max(every)
    x = linear(0, max(len(column) - 1, 1), LEFT + 6, WIDTH - RIGHT)
    base = HEIGHT - BOTTOM + 8
    y = linear(low, high if high > low else low + 1, base if from_zero else HEIGHT - BOTTOM, TOP + 16)
    points = [(x(number), y(one)) for number, one in enumerate(column)]
    parts = [element("path", d=f"M{LEFT:.0f} {base:.0f}H{WIDTH - RIGHT + 6:.0f}", class_="axis")]
    if beside:
        parts.append(line([(x(number), y(one)) for number, one in enumerate(beside)], "series other"))
        parts.append(words(WIDTH - RIGHT, y(beside[-1]) + 16, "validation", "tick other", "end"))
    if from_zero and len(points) > 1:
        area = [(points[0][0], base), *points, (points[-1][0], base)]
        parts.append(line(area, "area"))
    parts.append(line(points, "series"))
    for number, (px, py) in enumerate(points):
        fine = kept is None or kept[number]
        note = "" if fine else ", below the floor"
        tip = f"{clipped(labels[number])}: {value(column[number], unit)}{note}"
        many = len(points) > 40
        parts.append(
            element(
                "circle",
                cx=px,
                cy=py,
                r=2.0 if many else 4.0,
                class_="point front" if fine else "point below",
                data_tip=tip,
                tabindex=None if many else "0",
                role="img",
                aria_label=tip,
            )
        )
    parts.append(words(LEFT, 16, text(name, 34), "axisname"))
    parts.append(
        words(LEFT, 40, f"{value(column[0], unit)} → <tspan class='strong'>{value(column[-1], unit)}</tspan>", "label")
    )
    parts.append(words(LEFT, HEIGHT - 6, text(labels[0], 16), "tick"))
    if len(labels) > 1:
        parts.append(words(WIDTH - RIGHT + 6, HEIGHT - 6, text(labels[-1], 16), "tick", "end"))
    if max(map(len, labels)) * 6.6 < (WIDTH - LEFT - RIGHT) / max(len(labels) - 1, 1):
        parts += [
            words(x(number), HEIGHT - 6, text(labels[number], 12), "tick", "middle")
            for number in range(1, len(labels) - 1)
        ]
    told = f"{name}: {', '.join(value(one, unit) for one in column[:50])}"
    return svg(WIDTH, HEIGHT, "".join(parts), told, kind="group", class_="chart")
