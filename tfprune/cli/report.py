"""`tfprune report`."""

from __future__ import annotations

import json
import shlex
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfprune.cli.app import AsJson, Overwrite, app, print_json
from tfprune.cli.inputs import check_keras, load_arrays, load_model
from tfprune.errors import InputError
from tfprune.files import check_destination

if TYPE_CHECKING:
    from tfprune.report import Report

__all__ = ["report"]

ENDINGS = (".html", ".md", ".json")

EXAMPLES = """Example: [bold]tfprune report out/ --open[/bold] shows what tfprune compress or tfprune search did.

Example: [bold]tfprune report dense.keras small.keras --val val.npz --latency --out report.html[/bold]"""


@app.command(epilog=EXAMPLES)
def report(
    what: Annotated[
        list[Path], typer.Argument(help="A folder of compress or search; or two .keras files, the dense one first.")
    ],
    dense: Annotated[Path | None, typer.Option(help="With a folder: the .keras file of the dense network.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file: .html, .md or .json. By default report.html, in the folder if given.")
    ] = None,
    val: Annotated[
        Path | None, typer.Option(help="With two models: a .npz file with x and y to judge them on.")
    ] = None,
    latency: Annotated[bool, typer.Option("--latency", help="Time the files, taking turns; seconds.")] = False,
    layers: Annotated[bool, typer.Option("--layers", help="Time them layer by layer, too.")] = False,
    pictures: Annotated[Path | None, typer.Option(help="A folder for the pictures as PNG; needs matplotlib.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Show what a compression did: one HTML page with pictures that needs no network."""
    of_folder = len(what) == 1 and what[0].is_dir()
    if of_folder and val is not None:
        raise InputError("--val is for two models; compress and search have measured on their own data.")
    if not of_folder and (len(what) != 2 or dense is not None):
        raise InputError(
            f"{' and '.join(map(str, what))}: give one folder that exists, or two .keras files (the dense one first), "
            "and --dense with a folder only."
        )
    destination = out or (what[0] / "report.html" if of_folder else Path("report.html"))
    if destination.suffix.lower() not in ENDINGS:
        raise InputError(f"{destination} does not end in .html, .md or .json; give a path that does.")
    check_destination(destination, overwrite=overwrite or (of_folder and out is None))
    made = look(what, dense, val, latency=latency, layers=layers)
    made.save(destination, overwrite=True)
    drawn = [] if pictures is None else made.save_pictures(pictures)
    if as_json:
        print_json({"out": str(destination), "pictures": [str(path) for path in drawn], **json.loads(made.to_json())})
    else:
        for path in (*drawn, destination):
            print(f"tfprune: wrote {path}")
    if show:
        webbrowser.open(destination.resolve().as_uri())


def look(what: list[Path], dense: Path | None, val: Path | None, *, latency: bool, layers: bool) -> Report:
    """Return the report of a folder, or of two models."""
    if len(what) == 1:
        check_keras()
        whole = None if dense is None else load_model(dense)
        from tfprune.report import of_folder

        return of_folder(what[0], dense=whole, latency=latency, layers=layers)
    before, after = (load_model(path, compile_model=val is not None) for path in what)
    data = None if val is None else tuple(load_arrays(val, "x|x_val|x_test", "y|y_val|y_test"))
    from tfprune.report import make

    asked = ["--val", str(val)] if val is not None else []
    asked += ["--latency"] * latency + ["--layers"] * layers
    command = shlex.join(["tfprune", "report", *map(str, what), *asked])
    return make(before, after, val=data, latency=latency, layers=layers, command=command, title=what[1].stem)
