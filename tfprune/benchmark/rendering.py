"""A report as text and as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.benchmark.results import ModelResult, Report

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["as_table", "as_text", "human_bytes"]


def as_text(report: Report) -> str:
    """Return a report as lines of text: for each model its times, then how they compare, then where they hold."""
    names = _names(report)
    lines = []
    for name, model in zip(names, report, strict=True):
        lines += [f"{name}: {human_bytes(model.file_bytes)}, {human_bytes(model.gzip_bytes)} gzip", str(model)]
        lines.append(_details(model))
    for name, model in zip(names, report, strict=True):
        if model.speedup is not None:
            lines.append(f"Speed-up of {name} over {names[0]}: {model.speedup}")
    lines.append(_where(report))
    return "\n".join(lines + [f"Note: {note}" for note in report.notes])


def as_table(report: Report) -> Table:
    """Return a report as a rich table."""
    from rich.table import Table
    from rich.text import Text

    table = Table(caption=_where(report), caption_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("size", "gzip", "median", "p5-p95", "speed-up", "peak memory"):
        table.add_column(heading, justify="right")
    for name, model in zip(_names(report), report, strict=True):
        times = model.latency
        cells = (human_bytes(model.file_bytes), human_bytes(model.gzip_bytes), f"{times.median_ms:.3f} ms")
        ratio = f"{model.speedup.median:.2f}x" if model.speedup else "1.00x"
        table.add_row(
            Text(name), *cells, f"{times.p5_ms:.3f}-{times.p95_ms:.3f} ms", ratio, human_bytes(model.memory.peak_bytes)
        )
    return table


def human_bytes(count: int | None) -> str:
    """Return a number of bytes for people: `human_bytes(83_400)` is "83.4 kB"."""
    if count is None:
        return "unknown"
    if abs(count) < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if abs(value) < 999.95 or unit == "GB":
            break
    return f"{value:.1f} {unit}"


def _details(model: ModelResult) -> str:
    times, memory = model.latency, model.memory
    return (
        f"Median {times.median_ms * 1e3:.1f} us, p5-p95 {times.p5_ms * 1e3:.1f}-{times.p95_ms * 1e3:.1f} us over "
        f"{times.num_runs} runs; CPU min {times.cpu_min_ms * 1e3:.1f} us; "
        f"peak memory {human_bytes(memory.peak_bytes)}, of which the model {human_bytes(memory.model_bytes)}"
    )


def _where(report: Report) -> str:
    env = report.environment
    threads = "1 thread" if env.threads == 1 else f"{env.threads} threads"
    flags = f" ({' '.join(env.cpu_flags)})" if env.cpu_flags else ""
    load = "" if env.load_average is None else f", load {env.load_average:g} on {env.cores} cores"
    return f"{env.interpreter} {env.versions[env.interpreter]}, {threads}, {env.cpu}{flags}{load}"


def _names(report: Report) -> list[str]:
    """File names where they are enough to tell the models apart, else paths; always one printable line."""
    short = [Path(model.model).name for model in report]
    names = short if len(set(short)) == len(short) else [model.model for model in report]
    return ["".join(c if c.isprintable() else "?" for c in name) for name in names]
