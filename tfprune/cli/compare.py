"""`tfprune compare` and `tfprune overlay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tfprune.cli.app import AsJson, Overwrite, app, print_json
from tfprune.cli.calibrated import load_samples
from tfprune.cli.inputs import load_model
from tfprune.console import console
from tfprune.errors import InputError
from tfprune.files import check_destination, existing_file

__all__ = ["compare", "overlay"]


@app.command(epilog="Example: [bold]tfprune compare dense.keras small.keras small.tflite --data val.npz[/bold]")
def compare(
    models: Annotated[list[Path], typer.Argument(help=".keras and .tflite files, the first one to compare with.")],
    data: Annotated[Path | None, typer.Option(help="A .npz file with x, and y for accuracy.")] = None,
    samples: Annotated[int, typer.Option(help="Samples used at most.")] = 1024,
    latency: Annotated[bool, typer.Option(help="Time them, taking turns.")] = True,
    threads: Annotated[int, typer.Option(help="Threads of the interpreter.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare models side by side: what they answer, how large and how fast they are."""
    for path in models:
        existing_file(path, ".keras", ".tflite")
    if len(set(models)) < len(models):
        raise InputError("A file is given twice; give each once.")
    given = None if data is None else load_samples(data)
    found: dict[str, Any] = {
        str(path): str(path) if path.suffix == ".tflite" else load_model(path) for path in models
    }  # fmt: skip
    from tfprune.analysis import compare as side_by_side

    result = side_by_side(found, given, samples=samples, latency=latency, threads=threads)
    if as_json:
        print_json(result.to_dict())
    else:
        console().print(str(result), highlight=False, markup=False, soft_wrap=True)


@app.command(
    epilog="Example: [bold]tfprune overlay small.tflite --latency --csv small.csv --node-data nodes.json[/bold]"
)
def overlay(
    model: Annotated[Path, typer.Argument(help="A .tflite file.", metavar="MODEL.tflite")],
    latency: Annotated[bool, typer.Option("--latency", help="Time it operation by operation; up to a minute.")] = False,
    csv: Annotated[Path | None, typer.Option(help="A file for all values, by the names that Netron shows.")] = None,
    node_data: Annotated[Path | None, typer.Option(help="A .json file for Model Explorer.")] = None,
    value: Annotated[
        str, typer.Option(help="What Model Explorer shows: sparsity, weights, bytes, macs or latency_ms.")
    ] = "sparsity",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Show what each operation of a file holds and costs, also laid over its graph in Model Explorer or Netron."""
    existing_file(model, ".tflite")
    for path in (csv, node_data):
        if path is not None:
            check_destination(path, overwrite=overwrite)
    from tfprune import benchmark
    from tfprune.analysis import operation_overlay

    found = operation_overlay(model, latency=benchmark.layers(model) if latency else None)
    written = []
    if node_data is not None:
        written.append(found.write_node_data(node_data, value, overwrite=overwrite))
    if csv is not None:
        written.append(found.write_csv(csv, overwrite=overwrite))
    if as_json:
        print_json(found.to_dict())
        return
    console().print(found.table())
    for path in written:
        print(f"tfprune: wrote {path}")
