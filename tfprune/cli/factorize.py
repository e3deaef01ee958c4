"""`tfprune factorize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tfprune.cli.app import AsJson, Overwrite, app, print_json
from tfprune.cli.calibrated import load_samples
from tfprune.cli.inputs import load_model
from tfprune.console import console
from tfprune.errors import InputError
from tfprune.files import atomic_path, check_destination

__all__ = ["factorize"]

EXAMPLES = """Example: [bold]tfprune factorize model.keras --out small.keras --budget latency=0.5 --data x.npz[/bold]

Example: [bold]tfprune factorize model.keras --out small.keras --energy 0.9 --form spatial --form svd[/bold]"""


@app.command(epilog=EXAMPLES)
def factorize(
    model: Annotated[Path, typer.Argument(help="A .keras file.", metavar="MODEL.keras")],
    out: Annotated[Path, typer.Option(help="The .keras file to write.")],
    budget: Annotated[
        list[str] | None,
        typer.Option(help="macs=0.5, params=0.2, bytes=100000, latency=0.5 or latency=0.8ms; may be given often."),
    ] = None,
    rank: Annotated[
        str | None, typer.Option(help="Instead, the rank of every layer: a number, a fraction as 0.25, or vbmf.")
    ] = None,
    energy: Annotated[
        float | None, typer.Option(help="Instead, the part of the squared singular values that every layer keeps.")
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(help="svd, spatial, channel_in, channel_out, tucker, cp, depthwise, grouped; may be given often."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Samples, no labels needed: .npz with x, or .npy; factors are chosen and refitted on them."),
    ] = None,
    samples: Annotated[int, typer.Option(help="Samples used at most, with --data.")] = 1024,
    refit: Annotated[bool, typer.Option(help="Refit layer by layer, with --data.")] = True,
    layer: Annotated[list[str] | None, typer.Option(help="Factorise this layer; may be given often.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave this layer alone; may be given often.")] = None,
    round_to: Annotated[int, typer.Option(help="Ranks are multiples of this.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the choice of rows that layers are seen with.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write layers as chains of smaller ones: low rank, chosen layer by layer within a budget."""
    if out.suffix != ".keras":
        raise InputError(f"{out} does not end in .keras; give a path that does.")
    check_destination(out, overwrite=overwrite)
    from tfprune.cost.budget import parse_budget

    bounds = parse_budget(budget)
    if (bounds is not None) + (rank is not None) + (energy is not None) != 1:
        raise InputError("Give one of --budget, --rank and --energy.")
    given = None if data is None else load_samples(data)
    loaded = load_model(model, compile_model=True)
    from tfprune.factorization import plan_factorization

    plan = plan_factorization(
        loaded, bounds, form=form or None, rank=parse_rank(rank), energy=energy, data=given, samples=samples,
        layers=layer or None, skip=skip or None, round_to=round_to, seed=seed, verbose=0 if as_json else 1,
    )  # fmt: skip
    if not as_json:
        console().print(plan.table())
    if dry_run:
        print_json({"out": None, **plan.to_dict()}) if as_json else print("tfprune: nothing is written")
        return
    result = plan.repair(progress=not as_json) if given is not None and refit else None
    made = plan.apply() if result is None else result.model
    with atomic_path(out) as temporary:
        made.save(temporary)
    if as_json:
        print_json({"out": str(out), **plan.to_dict(), "refit": None if result is None else result.to_dict()})
        return
    if result is not None:
        print(result)
    for line in plan.unlabelled.accuracies(loaded, made) if plan.unlabelled is not None else ():
        print(line)
    print(f"tfprune: wrote {out}")


def parse_rank(text: str | None) -> Any:
    """Return a rank: an int, a float or `"vbmf"`.

    Raises:
        InputError: If it is none of these.

    Example:
        >>> parse_rank("8"), parse_rank("0.25"), parse_rank("vbmf")
        (8, 0.25, 'vbmf')
    """
    if text is None or text == "vbmf":
        return text
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        raise InputError(f"{text!r} is no rank; give a number, a fraction such as 0.25, or vbmf.") from None
