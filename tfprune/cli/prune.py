"""`tfprune prune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tfprune.cli.app import AsJson, Overwrite, app
from tfprune.cli.calibrated import run_calibrated, run_zeros
from tfprune.cli.for_target import choose
from tfprune.cli.inputs import parse_granularity
from tfprune.cli.trained import run_trained
from tfprune.errors import InputError
from tfprune.files import check_destination

__all__ = ["prune"]

EXAMPLES = """Example: [bold]tfprune prune model.keras --out pruned.keras --data train.npz --epochs 5[/bold]

Example: [bold]tfprune prune model.keras --out small.keras --budget macs=0.5 --calibrate images.npz[/bold]

Example: [bold]tfprune prune model.keras --out small.keras --granularity filter --budget macs=0.5 --round-to 8[/bold]"""


@app.command(epilog=EXAMPLES)
def prune(
    model: Annotated[Path, typer.Argument(help="A .keras file.", metavar="MODEL.keras")],
    out: Annotated[Path, typer.Option(help="The .keras file to write.")],
    sparsity: Annotated[
        float | None, typer.Option(help="Fraction that goes; else 0.8 of the weights, 0.5 of filters, 0.25 of layers.")
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(help="With filter: macs=0.5, params=0.2, bytes=100000, latency=0.5; may be given often."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            help="Prune and refit what is left, no labels, no training: .npz with x; with y, accuracy is shown."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="Samples used at most, with --calibrate.")] = 1024,
    criterion: Annotated[
        str | None,
        typer.Option(help="magnitude (the default), obs (that of --calibrate), taylor, … any of tfprune.criteria."),
    ] = None,
    granularity: Annotated[
        str | None,
        typer.Option(
            help="weight, a block as 1x4, a pattern as 2:4, filter, head, or layer (residual block); else filter with "
            "--budget or --calibrate, weight without."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Prune what pays on android-cpu, arm-cpu, x86-cpu or microcontroller, and say why."),
    ] = None,
    scope: Annotated[
        str | None, typer.Option(help="layer, global, isomorphic, erk; with --calibrate also sensitivity, greedy.")
    ] = None,
    layer: Annotated[list[str] | None, typer.Option(help="Prune this layer; may be given often.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave this layer alone; may be given often.")] = None,
    round_to: Annotated[
        int | None,
        typer.Option(
            help="With filter: keep multiples of this; by default 1, with a budget of latency what is fast here."
        ),
    ] = None,
    min_channels: Annotated[int, typer.Option(help="With filter: keep at least so many.")] = 1,
    data: Annotated[
        Path | None, typer.Option(help="Train while pruning: .npz with x and y; the model must be compiled.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Epochs to train, with --data.")] = 5,
    batch_size: Annotated[int, typer.Option(help="Samples in a batch, with --data.")] = 32,
    schedule: Annotated[
        str, typer.Option(help="polynomial, linear, cosine, exponential or constant, with --data.")
    ] = "polynomial",
    seed: Annotated[int, typer.Option(help="Seed of criteria that draw random numbers.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be pruned, and stop.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Set the weights that matter least to zero, or remove filters, heads and layers: at once, or while training."""
    if epochs < 1 or batch_size < 1:
        raise InputError(f"epochs is {epochs} and batch_size {batch_size}; give numbers from 1.")
    if out.suffix != ".keras":
        raise InputError(f"{out} does not end in .keras; give a path that does.")
    check_destination(out, overwrite=overwrite)
    from tfprune.cost.budget import parse_budget

    bounds = parse_budget(budget)
    if bounds is not None and sparsity is not None:
        raise InputError("Both --budget and --sparsity are given; give one of them.")
    if target is not None:
        wanted = bounds if bounds is not None else sparsity
        choice = choose(model, target, granularity, wanted, layer or None, round_to, quiet=as_json)
        granularity, sparsity, round_to = choice.granularity, choice.sparsity, choice.round_to
        layer = choice.layers
    granularity = granularity or ("weight" if bounds is None and calibrate is None else "filter")
    if calibrate is not None:
        if data is not None:
            raise InputError("--calibrate prunes without training, --data while training: give one of them.")
        if granularity != "filter":
            if bounds is not None or round_to is not None or min_channels != 1:
                raise InputError(f"--budget, --round-to and --min-channels are for filters, not {granularity}.")
            run_zeros(
                model, calibrate, out, sparsity, dry_run=dry_run, as_json=as_json,
                criterion=criterion or "magnitude", granularity=parse_granularity(granularity),
                scope=scope or "layer", layers=layer or None, skip=skip or None, samples=samples, seed=seed,
            )  # fmt: skip
            return
        run_calibrated(
            model, calibrate, out, bounds if bounds is not None else sparsity, dry_run=dry_run, as_json=as_json,
            samples=samples, criterion=criterion, scope=scope, layers=layer or None, skip=skip or None,
            round_to=round_to, min_channels=min_channels, seed=seed,
        )  # fmt: skip
        return
    pattern: Any = parse_granularity(granularity)
    if pattern in ("filter", "head"):
        from tfprune.granularity import Filter, Head

        pattern = (Filter if pattern == "filter" else Head)(round_to=round_to, min_channels=min_channels)
    elif round_to is not None or min_channels != 1 or bounds is not None:
        raise InputError(f"--budget, --round-to and --min-channels are for --granularity filter, not {granularity}.")
    run_trained(
        model, data, out, bounds if bounds is not None else sparsity, dry_run=dry_run, as_json=as_json, epochs=epochs,
        batch_size=batch_size, schedule=schedule, criterion=criterion or "magnitude", granularity=pattern,
        scope=scope or "layer", layers=layer or None, skip=skip or None, seed=seed,
    )  # fmt: skip
