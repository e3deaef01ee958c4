"""What the interpreter takes for the files, whole and layer by layer; measured in child processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras

from tfprune.benchmark.layer_report import LayerReport
from tfprune.benchmark.measure import run
from tfprune.benchmark.per_layer import layers
from tfprune.report.parts import Change, Layer, Part, Waterfall

__all__ = ["latency_change", "shared", "timed_files", "waterfalls_of"]

Options = Mapping[str, float | int]


BRIEF: Options = {"points": 32, "runs": 6, "min_seconds": 0.04, "warmup_seconds": 0.01}
"""Enough for a picture: the spread of the parts is shown."""


def timed_files(models: Sequence[keras.Model], folder: Path) -> list[Path]:
    """Write models as .tflite files of float32 and return their paths."""
    from tfprune.export import to_tflite

    paths = [folder / f"{name}.tflite" for name in ("dense", "small")[-len(models) :]]
    for model, path in zip(models, paths, strict=True):
        to_tflite(model, path, overwrite=True, verify=False)
    return paths


def latency_change(paths: Sequence[Path], options: Options | None = None) -> Change:
    """Return how long the last file takes, beside the first one if there are two, taking turns.

    Args:
        paths: One .tflite file, or the dense one and the small one.
        options: Of `tfprune.benchmark.run`; by default each is run for half a second.
    """
    taken = {"min_seconds": 0.5, "warmup_seconds": 0.2, **(options or {})}
    times = [one.latency for one in run(list(paths), threads=1, **taken)]  # type: ignore[arg-type]
    before, after = (times[0] if len(times) > 1 else None), times[-1]
    return Change(
        "latency",
        "ms",
        after.median_ms,
        None if before is None else before.median_ms,
        (after.p5_ms, after.p95_ms),
        None if before is None else (before.p5_ms, before.p95_ms),
        note=f"{Path(paths[-1]).name}, median of {after.num_runs:,} runs with one thread",
    )


def waterfalls_of(paths: Iterable[Path], options: Options | None = None) -> tuple[Waterfall, ...]:
    """Return where the time of each file goes.

    Args:
        paths: .tflite files.
        options: Of `tfprune.benchmark.layers`; by default each part is timed for 40 ms.
    """
    return tuple(_waterfall(layers(path, **{**BRIEF, **(options or {})})) for path in paths)  # type: ignore[arg-type]


def _waterfall(found: LayerReport) -> Waterfall:
    parts = tuple(
        Part(", ".join(dict.fromkeys(one.layers)) or one.name, one.ms, one.p5_ms, one.p95_ms) for one in found
    )
    clock = "CPU time" if found.clock == "cpu" else "wall time"
    where = f"{clock}, {found.threads} thread{'s' * (found.threads != 1)}, {found.rounds} rounds"
    return Waterfall(Path(found.model).name, found.total_ms, parts, where)


def shared(rows: Sequence[Layer], waterfall: Waterfall) -> tuple[Layer, ...]:
    """Return rows with the part of the time that each layer takes, of those that were timed by themselves.

    The time of operations that come from several layers, as of a convolution with its normalisation, is counted for the
    first of them with a kernel; operations that were timed together for several kernels are left out.
    """
    whole = sum(part.ms for part in waterfall.parts)
    by_name = {row.name.rpartition("/")[2]: row.name for row in rows if row.weights}
    shares: dict[str, float] = {}
    for part in waterfall.parts:
        names = {by_name[short] for name in part.name.split(", ") if (short := name.rpartition("/")[2]) in by_name}
        if len(names) == 1 and whole > 0:
            (name,) = names
            shares[name] = shares.get(name, 0.0) + part.ms / whole
    return tuple(replace(row, share=shares[row.name]) if row.name in shares else row for row in rows)
