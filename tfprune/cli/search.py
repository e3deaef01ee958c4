"""`tfprune search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tfprune.cli.app import AsJson, Overwrite, app, goes_on_in, print_json
from tfprune.cli.calibrated import load_samples
from tfprune.cli.inputs import load_arrays, load_model
from tfprune.errors import InputError

__all__ = ["search"]

EXAMPLES = """Example: [bold]tfprune search model.keras --data x.npz --budget latency=0.5 --out found/[/bold]

Example: [bold]tfprune search model.keras --data x.npz --objective latency --objective bytes --strategy nsga2
--precision float32 --precision int8 --val val.npz --workers 4 --out found/[/bold]

Example, on another machine that sees the folder: [bold]tfprune search --join found/[/bold]"""


@app.command(epilog=EXAMPLES)
def search(
    model: Annotated[Path | None, typer.Argument(help="A .keras file.", metavar="MODEL.keras")] = None,
    data: Annotated[Path | None, typer.Option(help="Samples, no labels needed: .npz with x, or .npy.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder; the same command goes on where it was stopped.")] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(help="macs=0.5, params=0.2, bytes=100000, latency=0.5 or latency=0.8ms; may be given often."),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(help="Besides the error: latency, macs, params, bytes or memory; may be given often."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="random, greedy, netadapt, backtracking, evolution, nsga2, moead, swarm, annealing, progressive, amc, "
            "tpe, bayesian."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Plans that are estimated at most.")] = 1000,
    climb: Annotated[int, typer.Option(help="Plans that are made and measured.")] = 8,
    tune: Annotated[int, typer.Option(help="Plans of these that are trained a little, with --val and labels.")] = 0,
    epochs: Annotated[int, typer.Option(help="How long, with --tune.")] = 1,
    channels: Annotated[bool, typer.Option(help="Choose channels.")] = True,
    forms: Annotated[bool, typer.Option(help="Choose forms of factorisation.")] = True,
    precision: Annotated[
        list[str] | None, typer.Option(help="float32, float16, dynamic or int8; may be given often.")
    ] = None,
    val: Annotated[Path | None, typer.Option(help="A .npz file with x and y to judge accuracy on.")] = None,
    samples: Annotated[int, typer.Option(help="Samples used at most.")] = 1024,
    layer: Annotated[list[str] | None, typer.Option(help="Only this layer; may be given often.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave this layer alone; may be given often.")] = None,
    round_to: Annotated[
        int | None,
        typer.Option(help="Channels and ranks are multiples of this; with latencies what is fast here, else 1."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that make plans; more than one needs Optuna.")] = 1,
    join: Annotated[Path | None, typer.Option(help="Work for the search in this folder, and do nothing else.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that draws random numbers.")] = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Search for the best plan: channels to keep, forms of layers, precision; one budget or a whole front."""
    if join is not None:
        run_worker(join)
        return
    if model is None or data is None or out is None:
        raise InputError("Give a model, --data and --out; or --join FOLDER to work for a search that runs.")
    from tfprune.cost.budget import parse_budget

    bounds = parse_budget(budget)
    kinds = [name for name, wanted in (("channels", channels), ("forms", forms)) if wanted]
    given = load_samples(data)
    judged = None if val is None else tuple(load_arrays(val, "x|x_val|x_test", "y|y_val|y_test"))
    if tune and (judged is None or not isinstance(given, tuple)):
        raise InputError("--tune trains; give --val, and --data with x and y.")
    loaded = load_model(model, compile_model=True)
    from tfprune.search import run

    more: dict[str, Any] = {"rungs": ("estimate", "refit", "tune"), "train": given} if tune else {}
    with goes_on_in(out):
        found = run(
            loaded, given, bounds, objectives=("error", *(objective or ())), strategy=strategy, trials=trials,
            climb=(climb, tune) if tune else (climb,), choose_from=kinds, precisions=precision or ("float32",),
            val=judged, epochs=epochs, samples=samples, layers=layer or None, skip=skip or None, round_to=round_to,
            folder=out, overwrite=overwrite, workers=workers, seed=seed, verbose=0 if as_json else 1, **more,
        )  # fmt: skip
    if as_json:
        print_json({"out": str(out), **found.to_dict()})


def run_worker(folder: Path) -> None:
    """Look at plans for the search in a folder until it ends.

    Raises:
        InputError: If there is none.
    """
    from tfprune.search.worker import work

    if not (folder / "job").is_dir():
        raise InputError(f"{folder} has no search that workers could join; start one there with --workers 2 or more.")
    print(f"tfprune: looked at {work(folder / 'job', folder / 'models')} plans")
