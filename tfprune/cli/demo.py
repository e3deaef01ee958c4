"""`tfprune demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tfprune.cli.app import AsJson, Overwrite, app, print_json
from tfprune.console import console

__all__ = ["demo"]


@app.command(epilog="Example: [bold]tfprune demo --sparsity 0.9 --out my-demo[/bold]")
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write the .tflite files and the model card to.")] = Path(
        "tfprune-demo"
    ),
    dataset: Annotated[
        str, typer.Option(help="fashion_mnist_small (comes with tfprune) or fashion_mnist (all of it).")
    ] = "fashion_mnist_small",
    data_dir: Annotated[Path | None, typer.Option(help="Folder with Fashion-MNIST's idx.gz files.")] = None,
    sparsity: Annotated[float, typer.Option(help="Fraction of zeros.")] = 0.8,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each training.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, data order and masks.")] = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train, halve, prune, convert, compare and time a network on real images; three minutes on two cores."""
    from tfprune.demo import run_demo

    verbose = 0 if as_json else 1 if sys.stdout.isatty() else 2
    result = run_demo(
        out,
        dataset=dataset,
        data_dir=data_dir,
        sparsity=sparsity,
        epochs=epochs,
        seed=seed,
        verbose=verbose,
        overwrite=overwrite,
    )
    if as_json:
        print_json(result.to_dict())
        return
    print()
    console().print(result.table())
    host = result.environment
    print(f"Accuracy on {result.test_images:,} test images; one thread on {host['cpu']}; {host['interpreter']}.")
    print(f"Wrote the .tflite files, README.md and results.json to {out}/.")
