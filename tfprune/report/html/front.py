"""The Pareto front of a search, with the plan that was chosen."""

from __future__ import annotations

from tfprune.report.html.svg import Scale, element, line, linear, svg, ticks, words
from tfprune.report.parts import Front, Point
from tfprune.report.words import short, text, value

__all__ = ["front_chart"]

WIDTH, HEIGHT = 720.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 24.0, 34.0, 46.0
UNITS = {"latency": "ms", "bytes": "bytes", "memory": "bytes", "accuracy": "share"}
NAMES = {"latency": "latency", "bytes": "bytes of weights", "memory": "bytes of activations", "macs": "MACs"}
NAMES |= {"params": "parameters"}
LABELS = {"whole": "dense", "chosen": "chosen"}
RADII = {"trial": 3.5, "front": 5.0, "whole": 6.5, "chosen": 7.5}


def front_chart(front: Front) -> str:
    """Return the chart: cost across, worth up, the front as a line, the chosen network and the dense one by name."""
    xs, ys = [point.x for point in front.points], [point.y for point in front.points]
    x = padded(min(xs), max(xs), LEFT, WIDTH - RIGHT, zero=True)
    y = padded(min(ys), max(ys), HEIGHT - BOTTOM, TOP)
    parts = [_grid(front, x, y, (min(xs), max(xs)), (min(ys), max(ys)))]
    best = sorted((point for point in front.points if point.role in ("front", "chosen")), key=lambda one: one.x)
    if len(best) > 1:
        parts.append(line([(x(point.x), y(point.y)) for point in best], "frontline"))
    order = {"trial": 0, "front": 1, "whole": 2, "chosen": 3}
    marked = sorted(front.points, key=lambda one: order.get(one.role, 0))
    parts += [_mark(point, front, x(point.x), y(point.y)) for point in marked]
    parts += [_label(point, front, x(point.x), y(point.y)) for point in marked if point.role in LABELS]
    told = f"{len(front.points)} networks by {front.x} and {front.y}; {len(best)} of them are on the front"
    return svg(WIDTH, HEIGHT, "".join(parts), told, kind="group", class_="chart wide")


def padded(low: float, high: float, start: float, end: float, *, zero: bool = False) -> Scale:
    """Return a scale with some room at both ends; from zero, if that does not waste most of the room."""
    if zero and low >= 0 and low < 0.6 * high:
        low = 0.0
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return linear(0.0 if zero and low == 0 else low - room, high + room, start, end)


def _grid(front: Front, x: Scale, y: Scale, across: tuple[float, float], up: tuple[float, float]) -> str:
    parts = []
    for value_, at in ((one, y(one)) for one in ticks(*_opened(up), 5)):
        if TOP - 2 <= at <= HEIGHT - BOTTOM + 2:
            parts.append(element("path", d=f"M{LEFT:.0f} {at:.1f}H{WIDTH - RIGHT:.0f}", class_="grid"))
            parts.append(words(LEFT - 8, at + 4, short(value_, UNITS.get(front.y, "")), "tick", "end"))
    for value_, at in ((one, x(one)) for one in ticks(0.0 if x(0.0) >= LEFT - 1 else across[0], across[1], 5)):
        if LEFT - 2 <= at <= WIDTH - RIGHT + 2:
            parts.append(words(at, HEIGHT - BOTTOM + 18, short(value_, UNITS.get(front.x, "")), "tick", "middle"))
    parts.append(element("path", d=f"M{LEFT:.0f} {HEIGHT - BOTTOM:.0f}H{WIDTH - RIGHT:.0f}", class_="axis"))
    better = "higher" if front.more else "lower"
    parts.append(words(LEFT - 56, 16, f"{text(front.y)} <tspan class='muted'>{better} is better</tspan>", "axisname"))
    name = NAMES.get(front.x, front.x)
    left = f"<tspan class='muted'>← less is better</tspan> {text(name)}"
    parts.append(words(WIDTH - RIGHT, HEIGHT - 8, left, "axisname", "end"))
    return "".join(parts)


def _opened(band: tuple[float, float]) -> tuple[float, float]:
    room = 0.08 * (band[1] - band[0]) or 0.05 * abs(band[1]) or 1.0
    return band[0] - room, band[1] + room


def _mark(point: Point, front: Front, x: float, y: float) -> str:
    tip = _tip(point, front)
    return element(
        "circle", cx=x, cy=y, r=RADII.get(point.role, 3.5), class_=f"point {point.role}", data_tip=tip, tabindex="0",
        role="img", aria_label=tip,
    )  # fmt: skip


def _tip(point: Point, front: Front) -> str:
    name = {"whole": "The dense network", "chosen": "Chosen", "front": "On the front"}.get(point.role, "Beaten")
    told = f"{front.y} {value(point.y, UNITS.get(front.y, ''))}, {front.x} {value(point.x, UNITS.get(front.x, ''))}"
    return f"{name}: {point.detail or told}"


def _label(point: Point, front: Front, x: float, y: float) -> str:
    right = x < WIDTH - 190
    at = x + 13 if right else x - 13
    told = f"{value(point.y, UNITS.get(front.y, ''))} at {value(point.x, UNITS.get(front.x, ''))}"
    content = f"<tspan class='strong'>{LABELS[point.role]}</tspan> {told}"
    return words(at, y - 10, content, f"label {point.role}", "start" if right else "end")
