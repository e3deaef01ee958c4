"""The table of layers: sorted by what a reader asks for, filtered by name."""

from __future__ import annotations

from collections.abc import Sequence

from tfprune.report.html.svg import place
from tfprune.report.parts import File, Layer
from tfprune.report.words import number, percent, text, titled, value

__all__ = ["file_table", "layer_table"]


def layer_table(rows: Sequence[Layer]) -> str:
    """Return the table; columns of which nothing is known are left out."""
    heads = [("Layer", "text"), ("Parameters", "number"), ("MACs", "number"), ("Channels", "number")]
    shown = [
        ("Zeros", any(row.zeros for row in rows)),
        ("Score left", any(row.score is not None and row.score < 1 for row in rows)),
        ("Time", any(row.share is not None for row in rows)),
        ("Predicted error", any(row.predicted is not None for row in rows)),
        ("Note", any(row.reason for row in rows)),
    ]
    extra = [name for name, wanted in shown if wanted]
    heads += [(name, "text" if name == "Note" else "number") for name in extra]
    head = "".join(
        f'<th scope="col" class="{kind}"><button type="button">{name}<span class="arrow" aria-hidden="true"></span>'
        "</button></th>"
        for name, kind in heads
    )
    tops = [max((max(a or 0, b or 0) for a, b in pairs), default=0) for pairs in (
        [(row.before, row.after) for row in rows], [(row.macs_before, row.macs_after) for row in rows]
    )]  # fmt: skip
    body = "".join(_row(row, extra, tops) for row in rows)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of layers">'
        f'<table class="layers" id="layer-rows"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(row: Layer, extra: Sequence[str], tops: Sequence[int]) -> str:
    cells = [
        f'<th scope="row"{titled(row.name, 44)}>{text(row.name, 44)}'
        f'<span class="kind">{text(row.kind, 30)}{f" × {row.factors}" if row.factors > 1 else ""}</span></th>',
        _pair(row.before, row.after, tops[0]),
        _pair(row.macs_before, row.macs_after, tops[1]),
        _channels(row),
    ]
    for name in extra:
        if name == "Zeros":
            cells.append(_cell(row.sparsity, "" if not row.sparsity else percent(row.sparsity)))
        elif name == "Score left":
            cells.append(_cell(row.score, "" if row.score is None else percent(row.score)))
        elif name == "Time":
            cells.append(_cell(row.share, "" if row.share is None else percent(row.share)))
        elif name == "Predicted error":
            cells.append(_cell(row.predicted, "" if row.predicted is None else f"{row.predicted:.4f}"))
        else:
            cells.append(f'<td class="why">{text(row.reason, 90)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _cell(sort_by: float | None, content: str, class_: str = "") -> str:
    own = "" if sort_by is None else f' data-v="{sort_by:.6g}"'
    return f"<td{own}{class_}>{content}</td>"


def _pair(before: int | None, after: int | None, top: int) -> str:
    """Return a cell with the number now, what it was, and both as bars."""
    if after is None and before is None:
        return "<td></td>"
    now = after or 0
    changed = before is not None and before != now
    was = f'<span class="was">{number(before)}</span> ' if changed and before is not None else ""
    bar = ""
    if top:
        wide, slim = (100 * (one or 0) / top for one in (before, now))
        bar = '<svg class="mini" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        bar += f'<rect width="{place(wide)}" height="4" class="before"/>' if changed else ""
        bar += f'<rect width="{place(max(slim, 0.4))}" height="4" class="after"/></svg>'
    return _cell(float(now), f"{was}{number(now)}{bar}", ' class="pair2"')


def _channels(row: Layer) -> str:
    if row.units_before is None and row.units_after is None:
        return "<td></td>"
    if row.units_after is None:
        return _cell(0.0, f'<span class="was">{row.units_before:,}</span> 0')
    if row.units_before is None or row.units_before == row.units_after:
        return _cell(float(row.units_after), f"{row.units_after:,}")
    return _cell(float(row.units_after), f'<span class="was">{row.units_before:,}</span> {row.units_after:,}')


def file_table(files: Sequence[File]) -> str:
    """Return the exported files: size, accuracy, time, and how they agree with Keras."""
    columns = [("Size", [value(float(file.bytes), "bytes") for file in files])]
    columns.append(("Top class right", ["" if file.right is None else percent(file.right, 2) for file in files]))
    columns.append(("Time", ["" if file.ms is None else value(file.ms, "ms") for file in files]))
    columns.append(("Speed-up", ["" if file.speedup is None else f"{file.speedup:.2f}×" for file in files]))
    columns = [(name, cells) for name, cells in columns if any(cells)]
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("File", *(name for name, _ in columns), "Agreement with Keras")
    )
    rows = "".join(
        f'<tr><th scope="row"><code>{text(file.name)}</code></th>'
        f"{''.join(f'<td>{cells[n]}</td>' for _, cells in columns)}"
        f'<td class="why">{text(file.agreement, 200)}</td></tr>'
        for n, file in enumerate(files)
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of files"><table class="files">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
