"""What `tfprune prune` does without `--calibrate`: prune at once, or while training on data with labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.cli.app import print_json
from tfprune.cli.inputs import load_arrays, load_model
from tfprune.console import console
from tfprune.errors import InputError
from tfprune.files import atomic_path

if TYPE_CHECKING:
    import keras

    from tfprune.pruning import Pruner

__all__ = ["run_trained"]


def run_trained(
    path: Path,
    data: Path | None,
    out: Path,
    wanted: Any,
    *,
    dry_run: bool,
    as_json: bool,
    epochs: int,
    batch_size: int,
    schedule: str,
    **choices: Any,
) -> None:
    """Prune a model, write it, and say what has gone.

    Args:
        path: The `.keras` file.
        data: An `.npz` file with x and y to train on meanwhile; None prunes at once.
        out: The `.keras` file to write.
        wanted: A fraction or a budget.
        dry_run: Whether nothing is written, and nothing trained.
        as_json: Whether what has gone is printed as JSON.
        epochs: Epochs to train.
        batch_size: Samples in a batch.
        schedule: How the sparsity grows meanwhile.
        choices: What else a `PruneCallback` takes.
    """
    arrays = None if data is None else load_arrays(data, "x|x_train", "y|y_train")
    choices["data"] = None if arrays is None else tuple(arrays)
    model = load_model(path, compile_model=True)
    from tfprune.callbacks import PruneCallback
    from tfprune.pruning import Pruner
    from tfprune.pruning.plan import describe

    planned = Pruner(model, wanted, schedule="constant" if arrays is None else schedule, **choices)
    if not as_json:
        print(describe(planned))
    if arrays is not None and not dry_run:
        check_trainable(model, path, *arrays)
        callback = PruneCallback(wanted, schedule=schedule, verbose=0, **choices)
        model.fit(*arrays, batch_size=batch_size, epochs=epochs, verbose=0 if as_json else 2, callbacks=[callback])
    else:
        planned.start()
        planned.finish()  # all of the schedule at once
    made = shrunk(model) if is_whole(choices["granularity"]) else model
    if not dry_run:
        with atomic_path(out) as temporary:
            made.save(temporary)
    report(planned, model, made, None if dry_run else out, as_json=as_json)


def is_whole(granularity: Any) -> bool:
    """Whether something whole goes, which can be taken out of the network."""
    from tfprune.granularity import Depth, Filter

    return isinstance(granularity, Filter | Depth) or granularity == "layer"


def shrunk(model: keras.Model) -> keras.Model:
    """Return a model without what is zero in it."""
    from tfprune.surgery import shrink

    return shrink(model)


def report(planned: Pruner, model: keras.Model, made: keras.Model, out: Path | None, *, as_json: bool) -> None:
    """Print what has been pruned, and what it cost and costs."""
    from tfprune.report.change import change_table, describe_change

    if as_json:
        change = describe_change(planned, model, made)
        print_json({"out": None if out is None else str(out), "sparsity": planned.measure(), **change})
        return
    if made is not model:
        console().print(change_table(model, made, planned.source.measure_each()))
    if out is not None:
        print(f"tfprune: {planned.measure():.2%} of what is pruned is zero; wrote {out}")


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
