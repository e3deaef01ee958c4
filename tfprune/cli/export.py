"""`tfprune export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfprune.cli.app import AsJson, Overwrite, app, print_json
from tfprune.cli.inputs import load_arrays, load_model, one_of
from tfprune.files import check_destination

__all__ = ["export"]


@app.command(epilog="Example: [bold]tfprune export model.keras --out model.tflite --quantize int8 --data x.npz[/bold]")
def export(
    model: Annotated[Path, typer.Argument(help="A .keras file.", metavar="MODEL.keras")],
    out: Annotated[Path, typer.Option(help="The .tflite file to write.")],
    quantize: Annotated[
        str, typer.Option(help="float32, float16, dynamic, int8 or int16x8; auto: float32, or float16 if sparse.")
    ] = "auto",
    sparse: Annotated[bool, typer.Option("--sparse", help="Leave zeros out of the file.")] = False,
    data: Annotated[Path | None, typer.Option(help="Typical inputs: .npy, or .npz with an array x.")] = None,
    target: Annotated[
        str | None, typer.Option(help="The device: android-cpu, arm-cpu, x86-cpu or microcontroller.")
    ] = None,
    io_dtype: Annotated[str, typer.Option(help="float32, int8 or uint8 inputs and outputs.")] = "float32",
    card: Annotated[bool, typer.Option("--card", help="Write a model card beside the file.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Convert a Keras model to TFLite and compare the two."""
    one_of(quantize, ("auto", "float32", "float16", "dynamic", "int8", "int16x8"), "quantization")
    check_destination(out, overwrite=overwrite)
    inputs = None if data is None else load_arrays(data, "x|x_train|x_test")[0]
    loaded = load_model(model)
    from tfprune.export import to_tflite

    result = to_tflite(
        loaded,
        out,
        quantize=quantize,
        sparse=sparse or None,
        representative_data=inputs,
        target=target,
        io_dtype=io_dtype,
        overwrite=overwrite,
    )
    if card:
        result.save_card(overwrite=overwrite)
    if as_json:
        print_json(result.to_dict())
    else:
        print(result)
