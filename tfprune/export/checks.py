"""What is checked before and after a conversion, and what is said about it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tfprune.errors import InputError, nearest
from tfprune.export.converter import QUANTIZATIONS, Settings
from tfprune.export.stored import Stored
from tfprune.files import PathLike, check_destination

__all__ = ["allowed_difference", "check_arguments", "check_model", "check_tolerance", "crash_message", "remarks"]

TOLERANCES = {None: 1e-3, "float16": 2e-2}
SOURCE_TOLERANCES = {"float16": 2e-2, "bfloat16": 1e-1, "float64": 1e-3}  # of what Keras itself computes in


def check_arguments(
    path: PathLike, settings: Settings, representative_data: Any, batch_size: int | None, *, overwrite: bool
) -> Path:
    """Check everything that can be checked without looking at the model; return the destination.

    Raises:
        InputError: If an argument can't be used.
    """
    if settings.quantize is not None and settings.quantize not in QUANTIZATIONS:
        raise InputError(
            f"quantize={settings.quantize!r} is not a way to store weights. "
            f"{nearest(settings.quantize, QUANTIZATIONS)} None keeps float32."
        )
    if settings.io_dtype not in ("float32", "int8", "uint8"):
        raise InputError(f"io_dtype={settings.io_dtype!r}. {nearest(settings.io_dtype, ('float32', 'int8', 'uint8'))}")
    if settings.io_dtype != "float32" and settings.quantize != "int8":
        raise InputError(f"io_dtype={settings.io_dtype!r} needs quantize='int8'; got quantize={settings.quantize!r}.")
    if settings.calibrated and representative_data is None:
        raise InputError(
            f"quantize={settings.quantize!r} needs representative_data=, some hundred typical inputs that show the "
            "range of every activation (for example x_train[:200]); 'dynamic' and 'float16' need none."
        )
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise InputError(f"batch_size={batch_size!r}; give a positive whole number, or None to leave it open.")
    if Path(path).suffix.lower() != ".tflite":
        raise InputError(f"{path} does not end in .tflite; give such a path.")
    return check_destination(path, overwrite=overwrite)


def check_tolerance(tolerance: float | None, *, verify: bool) -> None:
    """Check the allowed difference.

    Raises:
        InputError: If it is negative or not finite, or would not be used.
    """
    if tolerance is None:
        return
    if not math.isfinite(tolerance) or tolerance < 0:
        raise InputError(f"tolerance={tolerance!r}; give a number that is not negative, such as 1e-3.")
    if not verify:
        raise InputError("tolerance= has no effect with verify=False; leave one of them out.")


def check_model(model: Any) -> None:
    """Check that a model is one that can be exported.

    Raises:
        InputError: If it is not a Keras 3 model, is not built, has been quantised by Keras, or keeps
            state between calls.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise InputError(f"Expected a Keras 3 model; got {type(model).__module__}.{type(model).__name__}.")
    if not model.built:
        raise InputError(
            f"The model {model.name!r} is not built; call it once on data (or fit it) before exporting it."
        )
    quantized = [layer.name for layer in model._flatten_layers() if getattr(layer, "quantization_mode", None)]
    if quantized:
        raise InputError(
            f"{quantized[0]!r} was quantised by Keras, in a form that TFLite has no operations for; export the model "
            "as it was before, with quantize='int8' or 'dynamic'."
        )
    stateful = [layer.name for layer in model._flatten_layers() if getattr(layer, "stateful", False)]
    if stateful:
        raise InputError(
            f"{stateful[0]!r} is stateful: it remembers from call to call, which the comparison with Keras can't "
            "follow; build it with stateful=False."
        )


def allowed_difference(tolerance: float | None, quantize: str | None, source: str | None) -> float | None:
    """Return the relative difference to allow, or None to report it only.

    Args:
        tolerance: What the user gave.
        quantize: How weights are stored.
        source: The reduced precision in which the Keras model computes, if any.
    """
    if tolerance is not None or quantize not in TOLERANCES:
        return tolerance
    return max(TOLERANCES[quantize], SOURCE_TOLERANCES.get(source or "", 0.0))


def remarks(stored: Stored, settings: Settings) -> list[str]:
    """Say where a file is not what its settings promise.

    Raises:
        InputError: If nothing was stored sparsely.
    """
    if settings.sparse and not stored.sparse_tensors:
        raise InputError(
            "The converter stored no weight sparsely: the kernels with zeros are not of a kind that it can encode "
            "(those of convolutions and Dense layers). Leave sparse out."
        )
    notes = []
    if settings.quantize and set(stored.weight_dtypes) == {"float32"}:
        notes.append(
            f"quantize={settings.quantize!r} left every weight in float32: the converter keeps kernels under 1,024 "
            "values and those of looping recurrent layers (build these with unroll=True)."
        )
    elif settings.calibrated and stored.float_operations:
        notes.append(f"Without an integer kernel, so computed in float: {', '.join(stored.float_operations)}.")
    return notes


def crash_message(model: Any, settings: Settings, what: str) -> str:
    """Say what to do about a crash of the converter, which happens with recurrent layers that loop."""
    import keras

    loops = [
        layer.name
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.RNN) and not getattr(layer, "unroll", False)
    ]
    if not loops:
        return f"{what} Other ways to store the model (quantize='float16', 'dynamic') may work."
    return (
        f"quantize={settings.quantize!r} does not work with looping recurrent layers ({', '.join(map(repr, loops))}): "
        f"build them with unroll=True, or use quantize='float16'. {what}"
    )
