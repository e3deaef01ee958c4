"""`tfprune benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfprune.cli.app import AsJson, app
from tfprune.console import console

__all__ = ["benchmark"]


@app.command(epilog="Example: [bold]tfprune benchmark dense.tflite small.tflite --threads 2[/bold]")
def benchmark(
    models: Annotated[
        list[Path], typer.Argument(help=".tflite files; the first is the baseline.", metavar="MODEL.tflite…")
    ],
    threads: Annotated[int, typer.Option(help="Threads of the interpreter.")] = 1,
    runs: Annotated[int, typer.Option(help="At least so many inferences of each.")] = 50,
    min_seconds: Annotated[float, typer.Option(help="At least so many seconds of each.")] = 1.0,
    max_seconds: Annotated[float, typer.Option(help="At most so many seconds of each.")] = 150.0,
    warmup: Annotated[int, typer.Option(help="At least so many inferences before that.")] = 1,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which one step counts as hung.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random inputs.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Time models with the LiteRT interpreter, interleaved, each in a process of its own."""
    import tfprune.benchmark

    report = tfprune.benchmark.run(
        [str(path) for path in models],
        threads=threads,
        runs=runs,
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        warmup=warmup,
        timeout=timeout,
        seed=seed,
    )
    if as_json:
        print(report.to_json())
        return
    print(report)
    console().print(report.table())
