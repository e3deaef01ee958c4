"""`tfprune partition`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from tfprune.cli.app import AsJson, Overwrite, app, print_json
from tfprune.cli.inputs import load_arrays, load_model
from tfprune.console import console
from tfprune.errors import InputError

__all__ = ["partition"]

EXAMPLES = """Example: [bold]tfprune partition model.keras --devices devices.yaml --out stages/ --run[/bold]

Example: [bold]tfprune partition model.keras --devices devices.yaml --objective throughput --dry-run[/bold]"""


@app.command(epilog=EXAMPLES)
def partition(
    model: Annotated[Path, typer.Argument(help="A .keras file.", metavar="MODEL.keras")],
    devices: Annotated[Path, typer.Option(help="A .yaml file with devices and the links between them.")],
    out: Annotated[
        Path | None, typer.Option(help="The folder to write: stage_1.keras, stage_1.tflite, …, manifest.json.")
    ] = None,
    objective: Annotated[
        str, typer.Option(help="latency of one sample, or throughput of a pipeline of all devices.")
    ] = "latency",
    stages: Annotated[int | None, typer.Option(help="How many devices have to do something; any number else.")] = None,
    solver: Annotated[
        str, typer.Option(help="exact, min_cut, merge_split, or a strategy of tfprune.search such as evolution.")
    ] = "exact",
    latency: Annotated[
        str, typer.Option(help="measured: operations are timed on this machine; macs: a quick estimate.")
    ] = "measured",
    trials: Annotated[int, typer.Option(help="Partitions that an explorer looks at.")] = 400,
    seed: Annotated[int, typer.Option(help="Seed of an explorer, and of made-up samples.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    run: Annotated[
        bool, typer.Option("--run", help="Run the stages here, each in its own process, with devices emulated.")
    ] = False,
    exits: Annotated[
        float | None,
        typer.Option(help="Add exits behind all stages but the last; a sample leaves if one is so sure of its class."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Samples for --run and --exits: .npz with x (and labels y for --exits), or .npy."),
    ] = None,
    samples: Annotated[int, typer.Option(help="Samples that --run takes.")] = 20,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Split a network into stages that run on several devices, one after the other or as a pipeline."""
    from tfprune.partition.manifest import check_folder

    if out is None and not dry_run and not run:
        raise InputError("Nothing would be written or run; give a folder with --out, or --dry-run or --run.")
    if out is not None:
        check_folder(out, overwrite=overwrite)
    if samples < 1:
        raise InputError(f"--samples is {samples}; give a number from 1.")
    if data is not None and not run and exits is None:
        raise InputError("--data are samples for --run and --exits; give one of these too.")
    if exits is not None and data is None:
        raise InputError(
            "Exits are fitted to samples; give --data, an .npz file with x, and with labels y if there are."
        )
    if exits is not None and not 0 < exits <= 1:
        raise InputError(f"--exits is {exits}; give a probability in (0, 1].")
    given = None if data is None else load_arrays(data, "x|x_train|images|arr_0", "y|y_train|labels?")
    from tfprune.partition.devices import Devices

    row = Devices.load(devices)
    loaded = load_model(model)
    from tfprune.console import counted
    from tfprune.partition.exits import add_exits
    from tfprune.partition.planning import plan_partition
    from tfprune.partition.runner import run_stages
    from tfprune.partition.stages import partition as make_stages
    from tfprune.partition.stages import sample_inputs

    plan = plan_partition(
        loaded, row, objective=objective, stages=stages, solver=solver, latency=latency, seed=seed, trials=trials,
        progress=not as_json,
    )  # fmt: skip
    if not as_json:
        console().print(plan.table())
        print(plan)
    if dry_run:
        print_json({"out": None, **plan.to_dict()}) if as_json else print("tfprune: nothing is written")
        return
    made = make_stages(loaded, plan)
    written: Any = made
    if exits is not None and given is not None:
        written = add_exits(made, (given[0], given[1]) if len(given) > 1 else given[0], confidence=exits)
    result: Any = None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "stages" if out is None else out
        written.save(folder, overwrite=overwrite)
        if run:
            result = run_stages(folder, sample_inputs(made, samples, seed) if given is None else given[0][:samples])
    if as_json:
        told = None if result is None else result.to_dict()
        print_json({"out": None if out is None else str(out), **plan.to_dict(), "run": told})
        return
    if result is not None:
        console().print(result.table())
        print(result)
    if out is not None:
        print(f"tfprune: wrote {counted(len(made), 'stage')} to {out}")
