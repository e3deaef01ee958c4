"""`tfprune prune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tfprune.cli.app import AsJson, Overwrite, app, print_json
from tfprune.cli.inputs import load_arrays, load_model, parse_granularity
from tfprune.errors import InputError
from tfprune.files import atomic_path, check_destination

__all__ = ["prune"]


@app.command(epilog="Example: [bold]tfprune prune model.keras --out pruned.keras --data train.npz --epochs 5[/bold]")
def prune(
    model: Annotated[Path, typer.Argument(help="A .keras file.", metavar="MODEL.keras")],
    out: Annotated[Path, typer.Option(help="The .keras file to write.")],
    sparsity: Annotated[float | None, typer.Option(help="Fraction of zeros; 0.8 unless a pattern says it.")] = None,
    criterion: Annotated[str, typer.Option(help="magnitude, l2 or random.")] = "magnitude",
    granularity: Annotated[str, typer.Option(help="weight, a block such as 1x4, or a pattern such as 2:4.")] = "weight",
    scope: Annotated[str, typer.Option(help="layer or global.")] = "layer",
    layer: Annotated[list[str] | None, typer.Option(help="Prune this layer; may be given often.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave this layer alone; may be given often.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Train while pruning: .npz with x and y; the model must be compiled.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Epochs to train, with --data.")] = 5,
    batch_size: Annotated[int, typer.Option(help="Samples in a batch, with --data.")] = 32,
    schedule: Annotated[
        str, typer.Option(help="polynomial, cosine, exponential or constant, with --data.")
    ] = "polynomial",
    seed: Annotated[int, typer.Option(help="Seed of criteria that draw random numbers.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be pruned, and stop.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Set the weights that matter least to zero: at once, or while training on --data."""
    if epochs < 1 or batch_size < 1:
        raise InputError(f"epochs is {epochs} and batch_size {batch_size}; give numbers from 1.")
    if out.suffix != ".keras":
        raise InputError(f"{out} does not end in .keras; give a path that does.")
    check_destination(out, overwrite=overwrite)
    arrays = None if data is None else load_arrays(data, "x|x_train", "y|y_train")
    choices: dict[str, Any] = {
        "criterion": criterion,
        "granularity": parse_granularity(granularity),
        "scope": scope,
        "layers": layer or None,
        "skip": skip or None,
        "seed": seed,
    }
    loaded = load_model(model, compile_model=True)
    from tfprune.callbacks import PruneCallback
    from tfprune.pruning import Pruner
    from tfprune.pruning.oneshot import prune as prune_once
    from tfprune.pruning.plan import describe
    from tfprune.report import summarise

    planned = Pruner(loaded, sparsity, schedule="constant" if arrays is None else schedule, **choices)
    if not as_json:
        print(describe(planned))
    if not dry_run:
        if arrays is None:
            prune_once(loaded, planned.schedule.final_sparsity, **choices)
        else:
            check_trainable(loaded, model, *arrays)
            callback = PruneCallback(sparsity, schedule=schedule, verbose=0, **choices)
            loaded.fit(*arrays, batch_size=batch_size, epochs=epochs, verbose=0 if as_json else 2, callbacks=[callback])
        with atomic_path(out) as temporary:
            loaded.save(temporary)
    paths = {target.path for target in planned.targets}
    result = {
        "out": None if dry_run else str(out),
        "sparsity": planned.measure(),
        "pruned": [row for row in summarise(loaded).to_dict()["kernels"] if row["path"] in paths],
        "skipped": [{"path": entry.path, "reason": entry.reason} for entry in planned.skipped],
    }
    if as_json:
        print_json(result)
    elif not dry_run:
        print(f"tfprune: {planned.measure():.2%} of the pruned weights are zero; wrote {out}")


def check_trainable(model: Any, path: Path, x: Any, y: Any) -> None:
    """Raise InputError if the model can't be trained on the data as it is."""
    if not model.compiled or model.optimizer is None:
        raise InputError(
            f"{path} is not compiled, so it can't be trained; compile it and save it, or leave out --data."
        )
    if len(x) != len(y):
        raise InputError(f"x has {len(x)} samples and y {len(y)}; give as many of each.")
    expected = tuple(model.inputs[0].shape[1:]) if getattr(model, "inputs", None) else None
    if expected and (
        len(expected) != x.ndim - 1 or any(n not in (None, m) for n, m in zip(expected, x.shape[1:], strict=True))
    ):
        raise InputError(
            f"A sample of x has shape {x.shape[1:]}, but the model takes {expected}; give data of that shape."
        )
