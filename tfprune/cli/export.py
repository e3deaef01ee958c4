"""`tfprune export`."""

from __future__ import annotations

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

Example: [bold]tfprune export model.tflite --c-array model.h[/bold]"""

FOR_MICRO = (None, "int8", "int16x8")


@app.command(epilog=EXAMPLES)
def export(
    model: Annotated[Path, typer.Argument(help="A .keras file; or a .tflite file, for --c-array.", metavar="MODEL")],
    out: Annotated[Path | None, typer.Option(help="The .tflite file to write, of a .keras file.")] = None,
    quantize: Annotated[str | None, typer.Option(help="float16, dynamic, int8 or int16x8.")] = None,
    sparse: Annotated[bool, typer.Option("--sparse", help="Leave zeros out of the file.")] = False,
    data: Annotated[Path | None, typer.Option(help="Typical inputs: .npy, or .npz with an array x.")] = None,
    io_dtype: Annotated[str, typer.Option(help="float32, int8 or uint8 inputs and outputs.")] = "float32",
    card: Annotated[bool, typer.Option("--card", help="Write a model card beside the file.")] = False,
    c_array: Annotated[
        Path | None, typer.Option(help="Write C++ for microcontrollers too: this .h file, and a .cc file beside it.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the array is called, with --c-array.")] = "model",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Convert a Keras model to TFLite and compare the two; or write what devices need of a .tflite file."""
    one_of(quantize, ("float16", "dynamic", "int8", "int16x8"), "quantization")
    if c_array is not None:
        from tfprune.micro.c_array import c_array_paths

        c_array_paths(c_array, overwrite=overwrite)
        if sparse or quantize not in FOR_MICRO:
            raise InputError(
                "--c-array is for TensorFlow Lite Micro, which runs neither sparse nor float16 nor dynamic files; give "
                "--quantize int8 --io-dtype int8."
            )
    said: dict[str, Any] = {}
    if model.suffix.lower() == ".tflite":
        existing_file(model)
        given = {"--out": out, "--quantize": quantize, "--sparse": sparse, "--data": data, "--card": card}
        wrong = [option for option, value in given.items() if value]
        if wrong or c_array is None:
            raise InputError(
                f"{model} is converted already, so that {' and '.join(wrong) or 'export alone'} has no meaning; give "
                "--c-array, or a .keras file."
            )
    else:
        if out is None:
            raise InputError("There is no --out; give the .tflite file to write.")
        result = convert(
            model, out, quantize=quantize, sparse=sparse, data=data, io_dtype=io_dtype, overwrite=overwrite
        )
        if card:
            result.save_card(overwrite=overwrite)
        said = result.to_dict()
        if not as_json:
            print(result)
    source = model if out is None else out
    if c_array is not None:
        from tfprune.export import to_c_array

        made = to_c_array(source, c_array, name=name, overwrite=overwrite)
        said["c_array"] = {**vars(made), "header": str(made.header), "source": str(made.source)}
        if not as_json:
            print(made)
    if as_json:
        print_json(said)


def convert(
    model: Path,
    out: Path,
    *,
    quantize: str | None,
    sparse: bool,
    data: Path | None,
    io_dtype: str,
    overwrite: bool,
) -> ExportResult:
    """Convert a .keras file, with arguments as `tfprune.to_tflite` takes them."""
    check_destination(out, overwrite=overwrite)
    inputs = None if data is None else load_arrays(data, "x|x_train|x_test")[0]
    loaded = load_model(model)
    from tfprune.export import to_tflite

    return to_tflite(
        loaded, out, quantize=quantize, sparse=sparse or None, representative_data=inputs, io_dtype=io_dtype,
        overwrite=overwrite,
    )  # fmt: skip
