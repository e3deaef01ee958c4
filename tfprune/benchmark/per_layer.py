"""`layers`: how long each layer of a model takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from tfprune.arguments import named_arguments
from tfprune.benchmark import host
from tfprune.benchmark.child import Child
from tfprune.benchmark.configurations import configurations
from tfprune.benchmark.layer_report import LayerReport, LayerTime
from tfprune.benchmark.model_file import PathLike, check_model_file
from tfprune.benchmark.native import profile_here
from tfprune.benchmark.operations import Operation, group_ends
from tfprune.benchmark.settings import Settings, check_number
from tfprune.benchmark.tensors import Array

__all__ = ["layers"]

POINTS = 40
_BYTES = 1 << 30  # weights of all beginnings of a model together are half of that, at most
_LEAST_POINTS = 4
_SHARE_SECONDS = 0.01  # of each beginning in each round
_APPROXIMATE = (
    "The total is exact, its parts are approximate: a time is what the model takes longer when it ends after the "
    "operation rather than before it, and neighbours are fused and scheduled together."
)


@named_arguments(num_threads="give threads=2")
def layers(
    path: PathLike,
    *,
    threads: int = 1,
    delegate: bool = True,
    interpreter: str | None = None,
    points: int | None = None,
    runs: int = 50,
    min_seconds: float = 1.0,
    max_seconds: float = 150.0,
    warmup: int = 1,
    warmup_seconds: float = 0.5,
    timeout: float | None = None,
    seed: int = 0,
    benchmark_model: PathLike | None = None,
) -> LayerReport:
    """Measure how long each layer of a .tflite model takes.

    With the native `benchmark_model` (named, or on PATH) its own profile of single operations is read. It is parsed
    as recordings of it look; it has not been run by the tests of tfprune.

    Without it the model is cut after each operation, and its beginnings, of growing length, take turns in one worker
    process. A layer's time is the difference between two neighbouring beginnings, or 0 where noise makes that less.
    XNNPACK fuses neighbours and schedules them together, so the total is exact and the parts are approximate. The first
    part has the cost of an invocation in it. Of each beginning and round, the fastest inference counts. With one thread
    it is CPU time, which others on the machine hardly disturb. It takes the time of the warm-up and of the measurement
    for each part.

    Args:
        path: The .tflite file.
        threads: Threads of the interpreter.
        delegate: Whether the interpreter's default delegate, XNNPACK, may take operations.
        interpreter: The package to take the interpreter from; None for the first that is installed. For cuts only.
        points: Time at most so many parts; longer models are cut between groups of operations of about the same work.
            None for 40, or fewer for large files, whose beginnings have to fit into memory together. For cuts only.
        runs: Rounds at least, or runs of `benchmark_model`.
        min_seconds: Measured time of each beginning, at least, or of `benchmark_model`.
        max_seconds: Measured time of each beginning after which it is stopped, or of `benchmark_model`.
        warmup: Rounds before that, at least.
        warmup_seconds: Time of the warm-up of each beginning, at least.
        timeout: Seconds that one step may take; None for 60.
        seed: Of the made-up inputs. For cuts only.
        benchmark_model: The path of the native binary; None to look for it on PATH.

    Returns:
        A report with one entry for each operation, or group of them, in the order in which they run.

    Raises:
        InputError: If the file is no .tflite file, or an argument makes no sense.
        BenchmarkError: If the model can't be cut or run.

    Example:
        >>> report = tfprune.benchmark.layers("dense.tflite", points=4, min_seconds=0.05, runs=10)
        >>> len(report), abs(sum(layer.share for layer in report) - 1) < 1e-9
        (4, True)
    """
    model = check_model_file(path)
    (configuration,) = configurations([threads], [delegate], interpreter)
    settings = Settings(warmup, runs, min_seconds, max_seconds, warmup_seconds, timeout, seed)
    if points is not None:
        check_number("points", points, 1, whole=True)
    binary = shutil.which("benchmark_model") if benchmark_model is None else benchmark_model
    if binary is not None:
        return profile_here(model, Path(binary), configuration, settings)
    load_average = host.load_average()
    with Child(model, timeout) as child:
        found = child.hello(configuration.interpreter)
        operations = _operations(child, model)
        ends = group_ends([each.weight for each in operations], points or _points(model))
        for end in ends:
            child.ask("add_prefix", "loading a part of it", count=end, threads=threads, delegate=delegate, seed=seed)
        clock = "cpu" if threads == 1 else "wall"
        _rounds(child, clock, settings.warmup, settings.warmup_seconds, settings.max_seconds, len(ends))
        times = _rounds(child, clock, settings.runs, settings.min_seconds, settings.max_seconds, len(ends))
    busy = load_average is not None and load_average > host.cores()
    return LayerReport(
        model=str(model),
        layers=_layer_times(operations, ends, times),
        total_ms=float(np.median(times[:, -1])),
        method="cuts",
        device="cpu",
        threads=threads,
        versions=found["versions"],
        clock=clock,
        rounds=len(times),
        notes=(_APPROXIMATE, *["The machine was busy: see the spread."] * busy),
    )


def _points(model: Path) -> int:
    return max(_LEAST_POINTS, min(POINTS, _BYTES // max(model.stat().st_size, 1)))


def _operations(child: Child, model: Path) -> list[Operation]:
    told = child.ask("cut", "reading it", path=str(model))["operations"]
    return [Operation(each["name"], tuple(each["layers"]), tuple(each["shape"]), int(each["macs"])) for each in told]


def _rounds(child: Child, clock: str, least: int, min_seconds: float, max_seconds: float, parts: int) -> Array:
    """Let all beginnings take turns; return milliseconds by round and beginning."""
    seconds = min(_SHARE_SECONDS, min_seconds / 10 if min_seconds else _SHARE_SECONDS / 10) * parts
    kept: list[list[int]] = []
    spent = 0.0
    while (len(kept) < least or spent < min_seconds) and spent < max_seconds:
        asked = child.ask("round", "running parts of it", extra_seconds=seconds, seconds=seconds, clock=clock)
        kept.append(asked["ns"])
        spent += max(seconds / parts, sum(kept[-1]) / parts / 1e9)
    return np.array(kept, np.float64).reshape(-1, parts) / 1e6


def _layer_times(operations: list[Operation], ends: list[int], times: Array) -> tuple[LayerTime, ...]:
    begun = np.concatenate([np.zeros((len(times), 1)), times], axis=1)
    p5, p95 = np.percentile(np.diff(begun, axis=1), [5, 95], axis=0)
    parts = np.maximum(np.diff(np.median(begun, axis=0)), 0.0)
    shares = parts / max(parts.sum(), np.finfo(float).tiny)
    found = []
    for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        group = operations[start:end]
        found.append(
            LayerTime(
                operations=tuple(each.name for each in group),
                layers=tuple(dict.fromkeys(layer for each in group for layer in each.layers)),
                shape=group[-1].shape,
                macs=sum(each.macs for each in group),
                ms=float(parts[i]),
                share=float(shares[i]),
                p5_ms=float(p5[i]),
                p95_ms=float(p95[i]),
            )
        )
    return tuple(found)
