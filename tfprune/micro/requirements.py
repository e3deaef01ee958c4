"""Which .tflite files a microcontroller can run at all, said before any run."""

from __future__ import annotations

from tfprune.errors import InputError
from tfprune.export.inspection import Inspected
from tfprune.micro.operations import missing_operations

__all__ = ["check_runs_on_micro"]

MEND = "export the model with quantize='int8', io_dtype='int8', without sparse"


def check_runs_on_micro(found: Inspected) -> None:
    """Refuse what TensorFlow Lite Micro can't run.

    Args:
        found: What a file holds.

    Raises:
        InputError: If weights are sparse, float16, or of 8 bits under float activations; if an operation is missing; or
            if the shape of an input is open.
    """
    name, stored = found.path.name, found.stored
    if stored.sparse_tensors:
        raise InputError(
            f"{name} stores {stored.sparse_tensors} weights sparsely, which TensorFlow Lite Micro can't unpack; {MEND}."
        )
    if "float16" in stored.weight_dtypes:
        raise InputError(f"{name} stores weights in float16, which TensorFlow Lite Micro can't read; {MEND}.")
    if found.dynamic:
        raise InputError(
            f"{name} was quantised dynamically: {', '.join(found.dynamic)} reads 8-bit weights and computes in float, "
            f"for which TensorFlow Lite Micro has no kernel; {MEND}."
        )
    missing = missing_operations(stored.operations)
    if missing:
        raise InputError(
            f"{name} needs {', '.join(missing)}, which TensorFlow Lite Micro has not. Replace the layers that need it, "
            "or move them out of the model."
        )
    for info in stored.inputs:
        if None in info.shape:
            raise InputError(
                f"The input {info.name!r} of {name} has an open axis ({info}); a microcontroller needs fixed shapes: "
                "export the model with batch_size=1."
            )
