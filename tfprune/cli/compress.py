"""`tfprune compress` and `tfprune recipes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tfprune.cli.app import AsJson, Overwrite, app, goes_on_in, print_json
from tfprune.cli.inputs import load_arrays, load_model
from tfprune.errors import InputError

__all__ = ["compress", "recipes"]

EXAMPLES = """Example: [bold]tfprune compress model.keras --data train.npz --recipe mobile --out out/[/bold]

Example: [bold]tfprune recipes mobile > mine.yaml[/bold], change it, then
[bold]tfprune compress model.keras --data train.npz --recipe mine.yaml --out out/[/bold]

Example: [bold]tfprune compress model.keras --data train.npz --recipe tiny --budget flash=256kB --budget ram=64kB
--out out/[/bold]"""

PART_TO_MEASURE = 5
"""One sample of so many is kept apart to measure on where a file has no validation data."""


@app.command(epilog=EXAMPLES)
def compress(
    model: Annotated[Path, typer.Argument(help="A compiled .keras file.", metavar="MODEL.keras")],
    data: Annotated[
        Path,
        typer.Option(help="A .npz file with x and y (or x_train, y_train), and x_val and y_val (or x_test, y_test)."),
    ],
    out: Annotated[Path, typer.Option(help="The folder for models, files, metrics and the log.")],
    recipe: Annotated[str, typer.Option(help="A name (see tfprune recipes), or a .yaml file.")] = "moderate",
    budget: Annotated[
        list[str] | None, typer.Option(help="With --recipe tiny: flash=256kB, ram=128kB; may be given often.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Run all stages of a recipe: prune, factorise, distil, quantise, export; goes on where it was stopped."""
    if budget and recipe != "tiny":
        raise InputError(
            f"--budget is for --recipe tiny, not {recipe}; in a .yaml file each stage has a budget of its own, "
            "fit_device one of flash and RAM."
        )
    train, val = load_data(data)
    loaded = load_model(model, compile_model=True)
    from tfprune.recipe import compress as run
    from tfprune.recipe import find_recipe, tiny

    chosen = tiny(budget=budget) if budget else find_recipe(recipe)
    with goes_on_in(out):
        result = run(loaded, train, val, chosen, out, overwrite=overwrite, verbose=0 if as_json else 1)
    if as_json:
        print_json({"out": str(out), "recipe": result.recipe.get_config(), **result.state})


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this one as YAML.")] = None,
) -> None:
    """List the recipes that have a name, or print one as YAML to begin with."""
    from tfprune.recipe import NAMED, find_recipe

    if name is not None:
        print(find_recipe(name).to_yaml(), end="")
        return
    for make in NAMED.values():
        print(make())


def load_data(path: Path) -> tuple[Any, Any]:
    """Return training and validation data of a .npz file, with every fifth sample to measure on if it has no others."""
    x, y = load_arrays(path, "x|x_train", "y|y_train")
    if len(x) != len(y):
        raise InputError(f"{path} has {len(x)} inputs and {len(y)} targets; give as many.")
    try:
        val = tuple(load_arrays(path, "x_val|x_test", "y_val|y_test"))
    except InputError:
        measured = slice(None, None, PART_TO_MEASURE)
        trained = [n for n in range(len(x)) if n % PART_TO_MEASURE]
        return (x[trained], y[trained]), (x[measured], y[measured])
    return (x, y), val
