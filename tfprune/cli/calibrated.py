"""`tfprune prune --calibrate`: what is left after pruning is refitted, on samples without labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.cli.app import print_json
from tfprune.cli.inputs import load_arrays, load_model
from tfprune.console import console
from tfprune.files import atomic_path

if TYPE_CHECKING:
    from tfprune.cost import Budget

__all__ = ["run_calibrated", "run_zeros"]

DEFAULT_SPARSITY = 0.5


def run_calibrated(
    path: Path,
    samples_file: Path,
    out: Path,
    budget: Budget | float | None,
    *,
    dry_run: bool,
    as_json: bool,
    **choices: Any,
) -> None:
    """Remove filters of a model, refit the rest, write it and say what that did.

    Args:
        path: The .keras file.
        samples_file: An .npz or .npy file with samples, and labels if it has any.
        out: The .keras file to write.
        budget: What the network may cost, or the fraction of filters to remove.
        dry_run: Whether to stop once it is known what would go.
        as_json: Whether to print JSON.
        **choices: As for `plan_filters`.
    """
    data = load_samples(samples_file)
    model = load_model(path, compile_model=True)
    from tfprune.pruning import plan_filters

    wanted = DEFAULT_SPARSITY if budget is None else budget
    plan = plan_filters(model, wanted, data=data, verbose=0 if as_json else 1, **choices)
    if dry_run:
        print_json({"out": None, **plan.to_dict()}) if as_json else console().print(plan.table())
        return
    result = plan.repair(progress=not as_json)
    with atomic_path(out) as temporary:
        result.model.save(temporary)
    if as_json:
        print_json({"out": str(out), **plan.to_dict(), "refit": result.to_dict()})
        return
    console().print(result.table(plan.predicted_layers))
    print(plan)
    print(result)
    for line in plan.unlabelled.accuracies(model, result.model) if plan.unlabelled is not None else ():
        print(line)
    print(f"tfprune: wrote {out}")


def run_zeros(
    path: Path,
    samples_file: Path,
    out: Path,
    sparsity: float | None,
    *,
    dry_run: bool,
    as_json: bool,
    **choices: Any,
) -> None:
    """Set weights of a model to zero, refit the rest, write it and say what that did.

    Args:
        path: The .keras file.
        samples_file: An .npz or .npy file with samples.
        out: The .keras file to write.
        sparsity: The fraction that goes; by default what suits the granularity.
        dry_run: Whether to write nothing.
        as_json: Whether to print JSON.
        **choices: As for `tfprune.prune`.
    """
    data = load_samples(samples_file)
    model = load_model(path, compile_model=True)
    from tfprune import granularity as granularities
    from tfprune.one_call import prune
    from tfprune.surgery import shrink

    pattern = granularities.get(choices["granularity"])
    done = prune(model, pattern.default_sparsity if sparsity is None else sparsity, data=data, refit=data, **choices)
    made = shrink(model) if isinstance(pattern, granularities.Filter | granularities.Depth) else model
    if not dry_run:
        with atomic_path(out) as temporary:
            made.save(temporary)
    told = None if dry_run else str(out)
    if as_json:
        refit = None if done.refit is None else done.refit.to_dict()
        print_json({"out": told, "sparsity": done.sparsity, "refit": refit})
        return
    if done.refit is not None:
        console().print(done.refit.table())
    print(done)
    print("tfprune: nothing is written" if told is None else f"tfprune: wrote {told}")


def load_samples(path: Path) -> Any:
    """Return the samples of a file, with their labels if it has any."""
    from tfprune.errors import InputError

    (x,) = load_arrays(path, "x|x_train|images|arr_0")
    try:
        (y,) = load_arrays(path, "y|y_train|labels|arr_1")
    except InputError:
        return x
    return (x, y) if len(y) == len(x) else x
