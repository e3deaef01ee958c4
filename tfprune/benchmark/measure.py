"""`run`: measure one model, or several in turn so that their ratios hold on a busy machine."""

from __future__ import annotations

import contextlib
import itertools
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfprune.benchmark import host
from tfprune.benchmark.child import Child
from tfprune.benchmark.data_folder import Inputs, data_folder
from tfprune.benchmark.model_file import PathLike, check_model_file, gzip_bytes
from tfprune.benchmark.results import Environment, Memory, ModelResult, Report
from tfprune.benchmark.settings import Settings
from tfprune.benchmark.timing import Samples, latency, speedup
from tfprune.errors import InputError

__all__ = ["run"]

_BURST_SECONDS = 0.05


@dataclass
class _Entrant:
    """One model in its worker process, and what is known of it so far."""

    child: Child
    init_ns: int
    sparse: bool
    warmup_ns: list[int]
    samples: Samples


def run(
    paths: PathLike | Sequence[PathLike],
    *,
    threads: int = 1,
    warmup: int = 1,
    runs: int = 50,
    min_seconds: float = 1.0,
    max_seconds: float = 150.0,
    warmup_seconds: float = 0.5,
    timeout: float | None = None,
    seed: int = 0,
    inputs: Inputs | None = None,
) -> Report:
    """Measure how long .tflite models take on this machine, how much memory they need and how large they are.

    Each model runs in a process of its own, so a damaged one can't take this program along. Several models take turns
    of about 50 ms, in changing order, and are compared round by round with the first one.

    Args:
        paths: One .tflite file, or several; the first is the one that the others are compared with.
        threads: Threads of the interpreter.
        warmup: Inferences before the measurement, at least.
        runs: Measured inferences, at least.
        min_seconds: Measured time of each model, at least.
        max_seconds: Measured time of each model after which it is stopped, however few its inferences.
        warmup_seconds: Time of the warm-up, at least.
        timeout: Seconds that one step of one model (loading it, one inference) may take; None for 60.
        seed: Of the made-up inputs: floats in [0, 1), small integers over their range, tokens 0 or 1.
        inputs: Real inputs instead, as for `predict`; the first sample is used.

    Returns:
        A report with one result for each path.

    Raises:
        InputError: If a file is no .tflite file, or an argument makes no sense.
        BenchmarkError: If a model can't be run, crashes its process or exceeds the time limit.

    Example:
        >>> import tfprune.benchmark
        >>> report = tfprune.benchmark.run(["dense.tflite", "small.tflite"], threads=1, min_seconds=0.1)
        >>> print(report[0].latency)
        Inference timings in us: Init: ..., First inference: ..., Warmup (avg): ..., Inference (avg): ...
    """
    settings = Settings(threads, warmup, runs, min_seconds, max_seconds, warmup_seconds, timeout, seed)
    files = _files(paths)
    load_average = host.load_average()  # before we add to it
    packed = [gzip_bytes(path) for path in files]
    with contextlib.ExitStack() as stack:
        data = None if inputs is None else stack.enter_context(data_folder(inputs)).message()
        children = [stack.enter_context(Child(path, timeout)) for path in files]
        runtimes = [child.hello() for child in children]
        entrants = [_warm_up(child, settings, data) for child in children]
        _take_turns(entrants, settings)
        memories = [entrant.child.ask("memory", "reading its memory") for entrant in entrants]
    environment = Environment(
        device="cpu",
        threads=threads,
        **runtimes[0],
        platform=platform.platform(),
        cpu=host.cpu_model(),
        cpu_flags=host.cpu_flags(),
        cores=host.cores(),
        load_average=load_average,
    )
    results = tuple(
        ModelResult(
            model=str(path),
            file_bytes=path.stat().st_size,
            gzip_bytes=size,
            latency=latency(entrant.init_ns, entrant.warmup_ns, entrant.samples),
            memory=Memory(**memory),
            speedup=None if entrant is entrants[0] else speedup(entrants[0].samples, entrant.samples),
        )
        for path, size, entrant, memory in zip(files, packed, entrants, memories, strict=True)
    )
    return Report(results, environment, _notes(environment, any(entrant.sparse for entrant in entrants)))


def _files(paths: PathLike | Sequence[PathLike]) -> list[Path]:
    given = list(paths) if isinstance(paths, Sequence) and not isinstance(paths, str) else [paths]
    if not given:
        raise InputError("No model was given; give the path of a .tflite file, or several.")
    for path in given:
        if not hasattr(path, "__fspath__") and not isinstance(path, str):
            raise InputError(f"A model is given by its path, not as {type(path).__name__}; export it first.")
    return [check_model_file(path) for path in given]


def _warm_up(child: Child, settings: Settings, data: dict[str, Any] | None) -> _Entrant:
    model = child.ask(
        "load", "loading it", path=str(child.path), threads=settings.threads, seed=settings.seed, data=data
    )
    times = list(child.ask("burst", "running it for the first time", seconds=0.0)["wall_ns"])
    while len(times) < settings.warmup or sum(times) < settings.warmup_seconds * 1e9:
        left = max(settings.warmup_seconds - sum(times) / 1e9, 0.0)
        times += _burst(child, min(left, _BURST_SECONDS))["wall_ns"]
    return _Entrant(child, model["init_ns"], model["sparse"], times, Samples())


def _take_turns(entrants: list[_Entrant], settings: Settings) -> None:
    """Let the models run in turn until each has had enough; one that has had too much sits out."""
    seconds = min(_BURST_SECONDS, settings.min_seconds / 10)
    for number in itertools.count():
        if all(settings.is_enough(entrant.samples) for entrant in entrants):
            return
        shift = number % len(entrants)
        for entrant in entrants[shift:] + entrants[:shift]:
            if entrant.samples.seconds < settings.max_seconds:
                times = _burst(entrant.child, seconds)
                entrant.samples.add(number, times["wall_ns"], times["cpu_ns"])


def _burst(child: Child, seconds: float) -> dict[str, Any]:
    return child.ask("burst", "running it", extra_seconds=seconds, seconds=seconds)


def _notes(environment: Environment, sparse: bool) -> tuple[str, ...]:
    notes = []
    if sparse and "avx" in environment.cpu_flags:
        notes.append(
            "This CPU has AVX, with which XNNPACK's sparse convolutions never engage: zeros bring no speed here; on "
            "ARM they may."
        )
    if environment.load_average is not None and environment.load_average > environment.cores:
        notes.append("The machine was busy: trust the speed-ups and the CPU times rather than the wall times.")
    return tuple(notes)
