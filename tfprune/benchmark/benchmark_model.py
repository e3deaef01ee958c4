"""LiteRT's native `benchmark_model`: its arguments, and what it prints.

The names of the options are those of `benchmark_model.cc` and `benchmark_tflite_model.cc` in TensorFlow's sources, the
forms of the output those of recordings (tests/benchmark/recordings).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprune.benchmark.configurations import Configuration
from tfprune.benchmark.layer_names import layer_names
from tfprune.benchmark.layer_report import LayerReport, LayerTime
from tfprune.benchmark.records import Delegation, Latency, Memory
from tfprune.benchmark.rendering import printable
from tfprune.benchmark.settings import Settings
from tfprune.errors import BenchmarkError

__all__ = ["Output", "Profile", "command", "failure", "parse_output", "parse_profile", "profile_report"]

_NUMBER = r"([-+.\deE]+)"
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}, "
    rf"Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}"
)
_COUNTS = re.compile(r"\bcount=\d+ .*\bavg=.*")
_FIELD = re.compile(rf"\b(\w+)={_NUMBER}")
_MEMORY = re.compile(rf"Memory footprint delta from the start of the tool \(MB\): init={_NUMBER} overall={_NUMBER}")
_PEAK = re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: {_NUMBER}")
_REPLACED = re.compile(
    r"Replacing (\d+) out of (\d+) node\(s\) with delegate \(TfLiteXNNPackDelegate\) node, yielding (\d+)"
)
_ROW = re.compile(
    r"^\s*(?P<type>.+?),\s*(?P<first>[\d.eE+-]+),\s*(?P<avg>[\d.eE+-]+),\s*[\d.eE+-]+%,\s*[\d.eE+-]+%,"
    r"\s*[\d.eE+-]+,\s*(?P<called>\d+),\s*(?P<name>.*?)\s*$"
)
_HEADER = re.compile(r"^\s*node type,\s*first,\s*avg_ms,.*name\s*$")
_MEGABYTE = 1 << 20
_TOO_OLD = "It is older than those that tell percentiles: get a newer one"
_WHOLE = "TfLiteXNNPackDelegate"  # a row for all that the delegate does, where its own operations have rows as well
_LINES_KEPT = 200


@dataclass(frozen=True)
class Output:
    """What `benchmark_model` tells of a model."""

    latency: Latency
    memory: Memory
    delegation: Delegation | None


@dataclass(frozen=True)
class Profile:
    """The table of operations of `benchmark_model`, in the order in which they ran.

    Args:
        rows: Of each operation its type, its name and its average time in milliseconds.
        runs: How often the model was run; 0 where the output does not tell.
    """

    rows: tuple[tuple[str, str, float], ...]
    runs: int


def command(
    binary: str, graph: str, configuration: Configuration, settings: Settings, profile: str | None = None
) -> list[str]:
    """Return the words of a call of `benchmark_model`.

    Args:
        binary: The program.
        graph: The path of the model, where the program runs.
        configuration: Threads, and whether XNNPACK is allowed.
        settings: How long to measure.
        profile: The path of a CSV file for the times of single operations, or None not to measure them.

    Example:
        >>> from tfprune.benchmark.configurations import Configuration
        >>> from tfprune.benchmark.settings import Settings
        >>> command("benchmark_model", "m.tflite", Configuration(2), Settings(1, 50, 1.0, 150.0, 0.5, None, 0))[:4]
        ['benchmark_model', '--graph=m.tflite', '--num_threads=2', '--use_xnnpack=true']
    """
    words = [
        binary,
        f"--graph={graph}",
        f"--num_threads={configuration.threads}",
        f"--use_xnnpack={'true' if configuration.delegate else 'false'}",
        f"--num_runs={settings.runs}",
        f"--min_secs={settings.min_seconds:g}",
        f"--max_secs={settings.max_seconds:g}",
        f"--warmup_runs={settings.warmup}",
        f"--warmup_min_secs={settings.warmup_seconds:g}",
    ]
    if profile is not None:
        words += [
            "--enable_op_profiling=true",
            "--op_profiling_output_mode=csv",
            f"--op_profiling_output_file={profile}",
        ]
    return words


def parse_output(text: str) -> Output:
    """Read the times, memory and delegation from what `benchmark_model` printed, on either stream or to logcat.

    Raises:
        BenchmarkError: If it has no times in it.
    """
    timings = _TIMINGS.search(text)
    counts = [dict(_FIELD.findall(line)) for line in _COUNTS.findall(text)]
    if timings is None or not counts:
        raise BenchmarkError("benchmark_model printed no times; check that it is TFLite's and fits the device.")
    warmup, measured = (counts[-2] if len(counts) > 1 else {"count": 0}), counts[-1]
    if not {"median", "p5", "p95", "min", "max", "avg", "std"} <= measured.keys():
        raise BenchmarkError(f"This benchmark_model tells {', '.join(measured)} only. {_TOO_OLD}.")
    init, first, warm, _ = (float(number) / 1e3 for number in timings.groups())
    of = {name: float(number) / 1e3 for name, number in measured.items()}
    memory, peak = _MEMORY.search(text), _PEAK.search(text)
    return Output(
        Latency(
            init_ms=init,
            first_ms=first,
            warmup_ms=warm,
            avg_ms=of["avg"],
            median_ms=of["median"],
            p5_ms=of["p5"],
            p95_ms=of["p95"],
            min_ms=of["min"],
            max_ms=of["max"],
            std_ms=of["std"],
            cpu_min_ms=None,
            cpu_median_ms=None,
            num_runs=int(measured["count"]),
            num_warmup_runs=int(warmup["count"]),
        ),
        Memory(
            peak_bytes=None if peak is None else round(float(peak.group(1)) * _MEGABYTE),
            model_bytes=None if memory is None else round(float(memory.group(2)) * _MEGABYTE),
        ),
        _delegation(text),
    )


def parse_profile(table: str, output: str = "") -> Profile:
    """Read the CSV table of operations.

    A comma in the name of a type is not quoted ("Convolution (NHWC, F32) IGEMM"), one in a name of an operation is a
    tab, so rows are read from their end. Of the tables in the file the last one in run order is taken: the one before
    is about loading the model.

    Args:
        table: What `benchmark_model` wrote to the CSV file.
        output: What it printed.

    Raises:
        BenchmarkError: If there is no such table.
    """
    parts = table.split("= Run Order =")[1:]
    rows: list[tuple[str, str, float]] = []
    for line in (parts[-1] if parts else table).splitlines():
        if rows and (not line.strip() or line.lstrip().startswith("=")):
            break
        if not _HEADER.match(line) and (found := _ROW.match(line)):
            name = found["name"].replace("\t", ",")
            rows.append((found["type"], name, float(found["avg"]) * int(found["called"])))
    if any(name.startswith("Delegate/") for _, name, _ in rows):
        rows = [row for row in rows if not row[0].startswith(_WHOLE)]
    if not rows:
        raise BenchmarkError("benchmark_model wrote no profile of operations; take one that is built with profiling.")
    counts = [dict(_FIELD.findall(line)) for line in _COUNTS.findall(output)]
    return Profile(tuple(rows), int(counts[-1]["count"]) if counts else 0)


def profile_report(
    model: str, profile: Profile, configuration: Configuration, device: str, versions: Mapping[str, str]
) -> LayerReport:
    """Return a profile as a report."""
    total = sum(ms for *_, ms in profile.rows)
    names = layer_names([_tensors(name) for _, name, _ in profile.rows])
    layers = tuple(
        LayerTime((kind,), found, None, None, ms, ms / total if total else 0.0)
        for (kind, _, ms), found in zip(profile.rows, names, strict=True)
    )
    note = (
        "Times are of benchmark_model's profile, averages over its runs; profiling adds to them. An operation that "
        "XNNPACK has fused into another has no row, and rows of XNNPACK do not tell the layer."
    )
    return LayerReport(
        model=model,
        layers=layers,
        total_ms=total,
        method="benchmark_model",
        device=device,
        threads=configuration.threads,
        versions=dict(versions),
        clock="wall",
        rounds=profile.runs,
        notes=(note,),
    )


def failure(binary: str, model: Path, output: str) -> BenchmarkError:
    """Return an error with the last words of a program that failed."""
    lines = [line.strip() for line in output.splitlines()[-_LINES_KEPT:] if line.strip()]
    told = [line for line in lines if line.startswith("ERROR")] or lines
    said = f" ({printable(told[-1])[:300]})" if told else ""
    return BenchmarkError(
        f"{model} can't be run by {binary}{said}. The file is damaged, or this binary lacks an operation or does not "
        "fit the device: convert the model again, or take another benchmark_model."
    )


def _delegation(text: str) -> Delegation | None:
    found = _REPLACED.findall(text)
    if not found:
        return None
    taken, total, partitions = map(int, found[0])
    return Delegation(taken, total - taken, partitions)


def _tensors(name: str) -> list[str]:
    """The tensors that a row of an operation of TFLite's own names: "[net/conv/Relu, net/conv/Relu1]:3"."""
    listed = name[1 : name.rindex("]")] if name.startswith("[") and "]" in name else ""
    return [tensor.strip() for tensor in listed.split(",") if tensor.strip()]
