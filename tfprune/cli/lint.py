"""`tfprune lint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfprune.cli.app import AsJson, Overwrite, app, print_json
from tfprune.cli.inputs import load_model
from tfprune.console import console
from tfprune.errors import InputError
from tfprune.files import atomic_path, check_destination

__all__ = ["lint"]


@app.command(epilog="Example: [bold]tfprune lint model.keras --target android-cpu --fix --out ready.keras[/bold]")
def lint(
    model: Annotated[Path, typer.Argument(help="A .keras or .tflite file.", metavar="MODEL")],
    target: Annotated[str, typer.Option(help="android-cpu, arm-cpu, x86-cpu or microcontroller.")] = "android-cpu",
    fix: Annotated[bool, typer.Option("--fix", help="Rewrite what can be, without changing what it computes.")] = False,
    out: Annotated[Path | None, typer.Option(help="The .keras file for the rewritten model.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Say whether zeros make a model faster on a device, what keeps them from it, and what would fail there.

    The exit code is 1 if a sparse file would fail or give wrong numbers on the device.
    """
    if fix and out is None:
        raise InputError("--fix makes another model; say where to write it with --out ready.keras.")
    if out is not None:
        if not fix:
            raise InputError(f"There is nothing to write to {out} without --fix.")
        check_destination(out, overwrite=overwrite)
    from tfprune.linting import lint as look
    from tfprune.targets import find_target

    device = find_target(target)
    report = look(str(model) if model.suffix == ".tflite" else load_model(model), device, fix=fix)
    if out is not None and report.model is not None:
        with atomic_path(out) as temporary:
            report.model.save(temporary)
    if as_json:
        print_json(report.to_dict())
    else:
        console().print(str(report), highlight=False, markup=False, soft_wrap=True)
        if out is not None:
            print(f"wrote {out}")
    if not report.safe:
        raise typer.Exit(1)
