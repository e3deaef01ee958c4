"""The head of the page: a sentence with what matters, and a tile for each number."""

from __future__ import annotations

from tfprune.report.data import Report
from tfprune.report.html.svg import element, svg
from tfprune.report.parts import Change
from tfprune.report.words import signed, text, value

__all__ = ["difference", "sentence", "tiles"]

WIDTH, HEIGHT = 240.0, 26.0


def sentence(report: Report) -> str:
    """Return what the compression came to, as escaped HTML."""
    by_name = {change.name: change for change in report.headline if change.before}
    gains = []
    for name in ("file", "weights"):
        if name in by_name and by_name[name].after:
            gains.append(_smaller(by_name[name], "bytes"))
            break
    gains += [_smaller(by_name[name], name) for name in ("parameters", "MACs") if name in by_name]
    latency = by_name.get("latency")
    if latency is not None and latency.before and latency.after:
        gain = latency.before / latency.after
        gains.append(f"<b>{gain:.2f}× {'as fast' if gain >= 1 else 'the speed'}</b>")
    metric = next((change for change in report.headline if change.name == report.metric), None)
    told = [one for one in gains if one]
    if metric is not None and metric.before is not None:
        moved = f"{text(metric.name)} <b>{_moved(metric)}</b>"
        told.append(f"with {moved}" if told else moved)
    if not told:
        return ""
    *first, last = told
    joined = f"{', '.join(first)}{', ' if first else ''}{last}."
    return joined if joined.startswith("<b>") or not joined else joined[0].upper() + joined[1:]


def _smaller(change: Change, name: str) -> str:
    assert change.before
    part = change.after / change.before - 1
    if abs(part) < 0.005:
        return f"the same {text(name)}"
    return f"<b>{abs(part):.0%}</b> {'fewer' if part < 0 else 'more'} {text(name)}".replace("%", " %")


def _moved(change: Change) -> str:
    assert change.before is not None
    if change.unit != "share":
        return f"{value(change.before, change.unit)} → {value(change.after, change.unit)}"
    points = 100 * (change.after - change.before)
    if abs(points) < 0.05:
        return "unchanged"
    return f"{abs(points):.1f} points {'higher' if points > 0 else 'lower'}"


def difference(change: Change) -> tuple[str, str]:
    """Return how much a number has changed, in a few words, and whether that is `"good"`, `"bad"` or `"same"`."""
    if change.before is None:
        return "", "same"
    delta = change.after - change.before
    good = (delta > 0) == change.more
    if change.unit == "share":
        told = f"{signed(100 * delta)} points"
    elif change.before:
        told = f"{signed(100 * delta / change.before, 1 if abs(delta) < abs(change.before) else 0)} %"
    else:
        told = ""
    sure = change.after_range is None or change.before_range is None or not _overlap(change)
    kind = "same" if not delta or not sure else "good" if good else "bad"
    return told, kind


def _overlap(change: Change) -> bool:
    after, before = change.after_range, change.before_range
    assert after is not None
    assert before is not None
    return after[0] <= before[1] and before[0] <= after[1]


def tiles(report: Report) -> str:
    """Return a tile for each number of the headline."""
    columns = {3: " three", 6: " three", 4: " four", 7: " four", 8: " four"}.get(len(report.headline), "")
    return f'<div class="tiles{columns}">{"".join(_tile(change) for change in report.headline)}</div>'


def _tile(change: Change) -> str:
    told, kind = difference(change)
    chip = f'<span class="chip {kind}">{told}</span>' if told else ""
    before = "" if change.before is None else f"from {value(change.before, change.unit)}"
    spread = ""
    if change.after_range is not None:
        alike = "; the ranges overlap" if change.before_range is not None and _overlap(change) else ""
        low, high = (value(one, change.unit) for one in change.after_range)
        spread = f'<p class="spread">{"95 %" if change.unit == "share" else "5–95 %"}: {low} – {high}{alike}</p>'
    note = f'<p class="note">{text(change.note)}</p>' if change.note else ""
    return (
        f'<article class="tile"><h3>{text(change.name)}</h3><p class="big">{value(change.after, change.unit)}</p>'
        f'<p class="from">{before} {chip}</p>{_bar(change)}{spread}{note}</article>'
    )


def _bar(change: Change) -> str:
    """Return before and after as bars from zero, with a line for where each lies."""
    if change.before is None or change.before < 0 or change.after < 0:
        return ""
    ends = [change.before, change.after, *(change.after_range or ()), *(change.before_range or ())]
    top = 1.0 if change.unit == "share" else max(ends)
    if top <= 0:
        return ""
    parts = []
    for y, class_, amount, band in (
        (2.0, "before", change.before, change.before_range), (14.0, "after", change.after, change.after_range)
    ):  # fmt: skip
        parts.append(element("rect", x=0.0, y=y, width=max(amount / top * WIDTH, 0.8), height=9.0, class_=class_))
        if band is not None:
            low, high = (min(one / top, 1.0) * WIDTH for one in band)
            parts.append(element("path", d=f"M{low:.1f} {y + 4.5:.1f}H{max(high, low + 1):.1f}", class_="whisker"))
    told = f"before {value(change.before, change.unit)}, after {value(change.after, change.unit)}"
    return svg(
        WIDTH, HEIGHT, "".join(parts), f"{change.name}: {told}", class_="pair", data_tip=f"{change.name}: {told}"
    )
