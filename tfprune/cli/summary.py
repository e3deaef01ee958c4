"""`tfprune summary`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfprune.cli.app import AsJson, app, print_json
from tfprune.cli.inputs import load_model

__all__ = ["summary"]


@app.command(epilog="Example: [bold]tfprune summary model.keras[/bold]")
def summary(
    model: Annotated[Path, typer.Argument(help="A .keras file.", metavar="MODEL.keras")],
    as_json: AsJson = False,
) -> None:
    """Show each kernel's size, cost and sparsity, and why pruning would skip it."""
    loaded = load_model(model)
    from tfprune import report

    if as_json:
        print_json(report.summarise(loaded).to_dict())
    else:
        report.summary(loaded)
