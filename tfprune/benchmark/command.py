"""What the two command lines share: the options as words, and which function they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfprune.benchmark.android import ON_PHONE, layers_on_android, on_android
from tfprune.benchmark.layer_report import LayerReport
from tfprune.benchmark.measure import run
from tfprune.benchmark.model_file import PathLike
from tfprune.benchmark.per_layer import layers
from tfprune.benchmark.results import Report
from tfprune.errors import InputError

__all__ = ["measure"]


def measure(
    models: Sequence[PathLike],
    *,
    threads: str = "1",
    no_delegate: bool = False,
    both_delegates: bool = False,
    interpreter: str | None = None,
    per_layer: bool = False,
    points: int | None = None,
    adb: bool = False,
    device: str | None = None,
    benchmark_model: PathLike | None = None,
    seed: int = 0,
    **settings: Any,
) -> Report | LayerReport:
    """Do what a command line asks for.

    Args:
        models: The paths of .tflite files.
        threads: A number of threads, or several with commas between them.
        no_delegate: Whether to run without XNNPACK.
        both_delegates: Whether to run with and without XNNPACK, side by side.
        interpreter: The name of an interpreter, several with commas between them, or "all".
        per_layer: Whether to time single layers.
        points: In how many parts.
        adb: Whether to measure on a phone.
        device: Which phone.
        benchmark_model: LiteRT's native program.
        seed: Of the made-up inputs.
        **settings: How long to measure, as for `run`.

    Raises:
        InputError: If options don't go together, or one makes no sense.
        BenchmarkError: If a model can't be run.

    Example:
        >>> measure(["dense.tflite"], threads="1,2", min_seconds=0.05)[1].threads
        2
    """
    counts = [_whole(word) for word in threads.split(",")]
    _check(
        [
            (no_delegate and both_delegates, "--no-delegate and --both-delegates", "give one of them"),
            (device is not None and not adb, "--device without --adb", "add --adb"),
            (points is not None and not (per_layer and not adb), "--points", "it is for --layers on this machine"),
            (
                benchmark_model is not None and not (adb or per_layer),
                "--benchmark-model",
                "it is for --adb or --layers",
            ),
            (interpreter is not None and adb, "--interpreter with --adb", "a phone runs benchmark_model"),
            (per_layer and len(models) > 1, f"--layers and {len(models)} models", "give one model"),
            ((adb or per_layer) and len(counts) > 1, "several --threads", "give one number with --adb or --layers"),
            ((adb or per_layer) and both_delegates, "--both-delegates", "it does not go with --adb or --layers"),
        ]
    )
    if adb:
        there: dict[str, Any] = {"device": device, "benchmark_model": benchmark_model or ON_PHONE, **settings}
        if per_layer:
            return layers_on_android(models[0], threads=counts[0], delegate=not no_delegate, **there)
        return on_android(models, threads=counts[0], delegate=not no_delegate, **there)
    if per_layer:
        return layers(
            models[0],
            threads=counts[0],
            delegate=not no_delegate,
            interpreter=interpreter,
            points=points,
            benchmark_model=benchmark_model,
            seed=seed,
            **settings,
        )
    names = None if interpreter is None else [name.strip() for name in interpreter.split(",")]
    delegates = [True, False] if both_delegates else [not no_delegate]
    return run(models, threads=counts, delegate=delegates, interpreter=names, seed=seed, **settings)


def _whole(word: str) -> int:
    try:
        return int(word)
    except ValueError as error:
        raise InputError(f"--threads {word!r} is not possible; give whole numbers, such as 2 or 1,2,4.") from error


def _check(rules: list[tuple[bool, str, str]]) -> None:
    for broken, given, advice in rules:
        if broken:
            raise InputError(f"{given} is not possible: {advice}.")
