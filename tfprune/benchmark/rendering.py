"""A report as text and as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.benchmark.records import Failure, ModelResult
from tfprune.benchmark.results import Report
from tfprune.sizes import readable

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["as_table", "as_text", "printable"]


def as_text(report: Report) -> str:
    """Return a report as lines of text: for each model its times, then how they compare, then where they hold."""
    names = _names(report)
    lines = []
    for name, model in zip(names, report, strict=False):
        lines += [f"{name}: {_size(model.file_bytes)}, {_size(model.gzip_bytes)} gzip", str(model)]
        lines.append(_details(model))
        lines += [f"{model.delegation}"] * (model.delegation is not None)
    for name, model in zip(names, report, strict=False):
        if model.speedup is not None:
            lines.append(f"Speed-up of {name} over {names[0]}: {model.speedup}")
    for name, failure in zip(names[len(report) :], report.failures, strict=True):
        lines.append(f"Not measured: {name}: {printable(failure.error)}")
    lines.append(_where(report))
    return "\n".join(lines + [f"Note: {note}" for note in report.notes])


def as_table(report: Report) -> Table:
    """Return a report as a rich table."""
    from rich.table import Table
    from rich.text import Text

    table = Table(caption=_where(report), caption_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("size", "gzip", "median", "p5-p90", "CPU min", "XNNPACK", "speed-up", "peak memory"):
        table.add_column(heading, justify="right")
    names = _names(report)
    for i, (name, model) in enumerate(zip(names, report, strict=False)):
        times, taken = model.latency, model.delegation
        high = times.p95_ms if times.p90_ms is None else times.p90_ms
        table.add_row(
            Text(name),
            _size(model.file_bytes),
            _size(model.gzip_bytes),
            f"{times.median_ms:.3f} ms",
            f"{times.p5_ms:.3f}-{high:.3f} ms" + " (p95)" * (times.p90_ms is None),
            "" if times.cpu_min_ms is None else f"{times.cpu_min_ms:.3f} ms",
            "" if taken is None else f"{taken.taken} of {taken.taken + taken.left}",
            f"{model.speedup.median:.2f}x" if model.speedup else "1.00x" if i == 0 else "",
            _size(model.memory.peak_bytes),
        )
    for name in names[len(report) :]:
        table.add_row(Text(name), "", "", "failed")
    return table


def _size(count: int | None) -> str:
    """Return a number of bytes for people, which may not be known."""
    return "unknown" if count is None else readable(count)


def printable(text: str) -> str:
    """Return text with a question mark for every character that can't be printed, on one line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _details(model: ModelResult) -> str:
    times, memory = model.latency, model.memory
    p90 = "" if times.p90_ms is None else f"p90 {times.p90_ms * 1e3:.1f} us, "
    cpu = (
        f"; thread CPU min {times.cpu_min_ms * 1e3:.1f} us, p50 {times.cpu_median_ms * 1e3:.1f} us"
        if times.cpu_min_ms is not None and times.cpu_median_ms is not None
        else ""
    )
    return (
        f"Median {times.median_ms * 1e3:.1f} us, {p90}p5-p95 {times.p5_ms * 1e3:.1f}-{times.p95_ms * 1e3:.1f} us over "
        f"{times.num_runs} runs{cpu}; "
        f"peak memory {_size(memory.peak_bytes)}, of which the model {_size(memory.model_bytes)}"
    )


def _where(report: Report) -> str:
    env = report.environment
    flags = f" ({' '.join(env.cpu_flags)})" if env.cpu_flags else ""
    cores = "" if env.cores is None else f" on {env.cores} cores"
    load = "" if env.load_average is None else f", load {env.load_average:g}{cores}"
    interpreters = dict.fromkeys(_interpreter(model) for model in report)
    counts = sorted({model.threads for model in report})
    threads = " or ".join(map(str, counts)) + (" thread" if counts == [1] else " threads")
    return printable(f"{', '.join(interpreters)}, {threads}, {env.cpu}{flags}{load}")


def _interpreter(model: ModelResult) -> str:
    return f"{model.interpreter} {model.versions.get(model.interpreter, '')}".strip()


def _names(report: Report) -> list[str]:
    """What tells results and failures apart, the results first: file names, or paths, and the settings that vary."""
    rows: list[ModelResult | Failure] = [*report.models, *report.failures]
    short = {row.model: Path(row.model).name for row in rows}
    unique = len(set(short.values())) == len(short)
    varying = [name for name in ("interpreter", "threads", "delegate") if len({getattr(row, name) for row in rows}) > 1]
    return [printable((short[row.model] if unique else row.model) + _setting(row, varying)) for row in rows]


def _setting(row: ModelResult | Failure, varying: list[str]) -> str:
    words = {
        "interpreter": row.interpreter,
        "threads": f"{row.threads} thread{'s' * (row.threads != 1)}",
        "delegate": "XNNPACK" if row.delegate else "no delegate",
    }
    told = [words[name] for name in varying]
    return f" ({', '.join(told)})" if told else ""
