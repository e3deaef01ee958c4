"""`tfprune export`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfprune.cli.app import AsJson, Overwrite, app, print_json
from tfprune.cli.inputs import load_arrays, load_model, one_of
from tfprune.errors import InputError
from tfprune.files import check_destination, existing_file

if TYPE_CHECKING:
    from tfprune.export import ExportResult

__all__ = ["export"]

EXAMPLES = """Example: [bold]tfprune export model.keras --out model.tflite --quantize int8 --data x.npz[/bold]

Example: [bold]tfprune export m.keras --out m.tflite --quantize int8 --io-dtype int8 --data x.npz --c-array m.h[/bold]

Example: [bold]tfprune export model.tflite --c-array model.h[/bold]

Example: [bold]tfprune export model.keras --android app-assets/ --labels labels.txt[/bold]"""

FOR_MICRO = (None, "float32", "int8", "int16x8")


@app.command(epilog=EXAMPLES)
def export(
    model: Annotated[
        Path, typer.Argument(help="A .keras file; or a .tflite file, for --c-array and --android.", metavar="MODEL")
    ],
    out: Annotated[Path | None, typer.Option(help="The .tflite file to write, of a .keras file.")] = None,
    quantize: Annotated[
        str | None,
        typer.Option(help="float32, float16, dynamic, int8 or int16x8; else float32, or float16 with --sparse."),
    ] = None,
    sparse: Annotated[bool, typer.Option("--sparse", help="Leave zeros out of the file.")] = False,
    data: Annotated[Path | None, typer.Option(help="Typical inputs: .npy, or .npz with an array x.")] = None,
    target: Annotated[
        str | None, typer.Option(help="The device: android-cpu, arm-cpu, x86-cpu or microcontroller.")
    ] = None,
    io_dtype: Annotated[str, typer.Option(help="float32, int8 or uint8 inputs and outputs.")] = "float32",
    card: Annotated[bool, typer.Option("--card", help="Write a model card beside the file.")] = False,
    c_array: Annotated[
        Path | None, typer.Option(help="Write C++ for microcontrollers too: this .h file, and a .cc file beside it.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the array is called, with --c-array.")] = "model",
    android: Annotated[
        Path | None, typer.Option(help="Write what an Android app needs to this folder: assets and Kotlin.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Names of the classes, one a line, with --android.")] = None,
    package: Annotated[str, typer.Option(help="The Kotlin package, with --android.")] = "com.example.tfprune",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Convert a Keras model to TFLite and compare the two; or write what devices need of a .tflite file."""
    one_of(quantize, ("float32", "float16", "dynamic", "int8", "int16x8"), "quantization")
    check_devices(c_array, android, labels, package, quantize, sparse=sparse, overwrite=overwrite)
    said: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="tfprune-export-") as scratch:
        source = model
        if model.suffix.lower() == ".tflite":
            existing_file(model)
            given = {"--out": out, "--quantize": quantize, "--sparse": sparse, "--data": data, "--card": card}
            wrong = [option for option, value in given.items() if value]
            if wrong or (c_array is None and android is None):
                raise InputError(
                    f"{model} is converted already, so that {' and '.join(wrong) or 'export alone'} has no meaning; "
                    "give --c-array or --android, or a .keras file."
                )
        else:
            if out is None and ((c_array is None and android is None) or card):
                raise InputError("There is no --out; give the .tflite file to write.")
            source = Path(scratch) / "model.tflite" if out is None else out
            result = convert(
                model, source, quantize=quantize, sparse=sparse, data=data, target=target, io_dtype=io_dtype,
                overwrite=overwrite,
            )  # fmt: skip
            if card:
                result.save_card(overwrite=overwrite)
            said = {**result.to_dict(), "path": None if out is None else str(out)}
            if not as_json:
                print(result)
        for what, made, facts in for_devices(source, c_array, name, android, labels, package, overwrite=overwrite):
            said[what] = facts
            if not as_json:
                print(made)
    if as_json:
        print_json(said)


def check_devices(
    c_array: Path | None,
    android: Path | None,
    labels: Path | None,
    package: str,
    quantize: str | None,
    *,
    sparse: bool,
    overwrite: bool,
) -> None:
    """Check what can be checked of files for devices before a model is loaded.

    Raises:
        InputError: If they can't be written, or not of such a model.
    """
    if c_array is not None:
        from tfprune.micro.c_array import c_array_paths

        c_array_paths(c_array, overwrite=overwrite)
        if sparse or quantize not in FOR_MICRO:
            raise InputError(
                "--c-array is for TensorFlow Lite Micro, which runs neither sparse nor float16 nor dynamic files; give "
                "--quantize int8 --io-dtype int8."
            )
    if android is not None:
        from tfprune.export.android import check_android, read_labels

        check_android(android, package, overwrite=overwrite)
        if labels is not None:
            read_labels(labels)
    elif labels is not None:
        raise InputError("--labels is for --android; give both, or neither.")


def for_devices(
    source: Path,
    c_array: Path | None,
    name: str,
    android: Path | None,
    labels: Path | None,
    package: str,
    *,
    overwrite: bool,
) -> Iterator[tuple[str, object, dict[str, Any]]]:
    """Write what devices need of a .tflite file; give for each what it is called, what it is, and plain facts."""
    from tfprune.export import to_android, to_c_array

    if c_array is not None:
        array = to_c_array(source, c_array, name=name, overwrite=overwrite)
        yield "c_array", array, {**vars(array), "header": str(array.header), "source": str(array.source)}
    if android is not None:
        app_files = to_android(source, android, labels=labels, package=package, overwrite=overwrite)
        yield "android", app_files, {"folder": str(app_files.folder), **app_files.metadata}


def convert(
    model: Path,
    out: Path,
    *,
    quantize: str | None,
    sparse: bool,
    data: Path | None,
    target: str | None,
    io_dtype: str,
    overwrite: bool,
) -> ExportResult:
    """Convert a .keras file, with arguments as `tfprune.to_tflite` takes them."""
    check_destination(out, overwrite=overwrite)
    inputs = None if data is None else load_arrays(data, "x|x_train|x_test")[0]
    loaded = load_model(model)
    from tfprune.export import to_tflite

    return to_tflite(
        loaded,
        out,
        quantize=quantize or "auto",
        sparse=sparse or None,
        representative_data=inputs,
        target=target,
        io_dtype=io_dtype,
        overwrite=overwrite,
    )  # fmt: skip
