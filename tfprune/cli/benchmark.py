"""`tfprune benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfprune.cli.app import AsJson, app
from tfprune.console import console

__all__ = ["benchmark"]

EXAMPLES = (
    "Example: [bold]tfprune benchmark dense.tflite small.tflite --threads 1,2[/bold]\n\n"
    "A phone: [bold]tfprune benchmark small.tflite --adb --benchmark-model ./android_aarch64_benchmark_model[/bold]"
)


@app.command(epilog=EXAMPLES)
def benchmark(
    models: Annotated[
        list[Path], typer.Argument(help=".tflite files; the first is the baseline.", metavar="MODEL.tflite…")
    ],
    threads: Annotated[str, typer.Option(help="Threads of the interpreter; several side by side: 1,2,4.")] = "1",
    no_delegate: Annotated[bool, typer.Option("--no-delegate", help="Without XNNPACK.")] = False,
    both_delegates: Annotated[
        bool, typer.Option("--both-delegates", help="With and without XNNPACK, side by side.")
    ] = False,
    interpreter: Annotated[
        str | None, typer.Option(help="ai-edge-litert, tflite-runtime, tensorflow; several with commas; all.")
    ] = None,
    per_layer: Annotated[bool, typer.Option("--layers", help="Time single layers of one model.")] = False,
    points: Annotated[int | None, typer.Option(help="At most so many parts, for --layers.")] = None,
    adb: Annotated[bool, typer.Option("--adb", help="On an Android phone behind adb.")] = False,
    device: Annotated[str | None, typer.Option(help="Serial of the phone, for --adb.")] = None,
    benchmark_model: Annotated[
        str | None,
        typer.Option(help="LiteRT's benchmark_model: a file here, or with --adb a path on the phone."),
    ] = None,
    runs: Annotated[int, typer.Option(help="At least so many inferences of each.")] = 50,
    min_seconds: Annotated[float, typer.Option(help="At least so many seconds of each.")] = 1.0,
    max_seconds: Annotated[float, typer.Option(help="At most so many seconds of each.")] = 150.0,
    warmup: Annotated[int, typer.Option(help="At least so many inferences before that.")] = 1,
    warmup_seconds: Annotated[float, typer.Option(help="At least so many seconds before that.")] = 0.5,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which one step counts as hung.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random inputs.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Time models with the LiteRT interpreter, in turn, each in a process of its own; or layers; or on a phone."""
    from tfprune.benchmark import Report
    from tfprune.benchmark.command import measure

    report = measure(
        [str(path) for path in models],
        threads=threads,
        no_delegate=no_delegate,
        both_delegates=both_delegates,
        interpreter=interpreter,
        per_layer=per_layer,
        points=points,
        adb=adb,
        device=device,
        benchmark_model=benchmark_model,
        runs=runs,
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        warmup=warmup,
        warmup_seconds=warmup_seconds,
        timeout=timeout,
        seed=seed,
    )
    if as_json:
        print(report.to_json())
        return
    print(report)
    if isinstance(report, Report):
        console().print(report.table())
