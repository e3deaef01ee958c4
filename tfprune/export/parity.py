"""The same inputs through Keras and through the .tflite file: how far apart the outputs are."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import BenchmarkError, ExportError
from tfprune.export.result import Parity
from tfprune.inputs.samples import Arrays
from tfprune.inputs.signature import Signature

__all__ = ["agreement", "keras_outputs", "tflite_outputs"]

BATCH = 32
TIMEOUT = 300.0


def keras_outputs(model: Any, signature: Signature, samples: Arrays) -> Arrays:
    """Run a Keras model in inference mode and leave its state as it was.

    Args:
        model: A built Keras model.
        signature: Its inputs.
        samples: An array of samples for each input.

    Returns:
        One float64 array for each output, in the order of `keras.tree.flatten`.
    """
    import keras

    parts: list[Arrays] = []
    step = signature.inputs[0].shape[0] or 1
    batch = step if step > 1 else BATCH
    with _unchanged(model.non_trainable_variables):
        for start in range(0, len(samples[0]), batch):
            chunk = [keras.ops.convert_to_tensor(_padded(array[start : start + batch], step)) for array in samples]
            flat = keras.tree.flatten(model(signature.pack(chunk), training=False))
            kept = min(batch, len(samples[0]) - start)
            parts.append([keras.ops.convert_to_numpy(value)[:kept].astype(np.float64) for value in flat])
    return [np.concatenate([part[index] for part in parts]) for index in range(len(parts[0]))]


def tflite_outputs(
    path: Path, signature: Signature, samples: Arrays, names: Sequence[str], file_names: Sequence[str]
) -> Arrays:
    """Run a .tflite file in a child process.

    Args:
        path: The file.
        signature: Its inputs.
        samples: An array of samples for each input.
        names: The names of the outputs in the order wanted.
        file_names: The same names in the order of the file.

    Returns:
        One float64 array for each output, quantised ones as real values.

    Raises:
        ExportError: If the runtime can't load or run the file.
    """
    from tfprune import benchmark

    inputs = {spec.name: array for spec, array in zip(signature.inputs, samples, strict=True)}
    try:
        answer = benchmark.predict(path, inputs, threads=1, timeout=TIMEOUT)
    except BenchmarkError as error:
        raise ExportError(f"The LiteRT runtime can't run the converted model: {error}") from error
    named = _by_name(answer, list(names), list(file_names))
    return [np.asarray(named[name], np.float64) for name in names]


def agreement(expected: Arrays, actual: Arrays, source: str, tolerance: float | None = None) -> Parity:
    """Compare two sets of outputs.

    Args:
        expected: Keras' outputs.
        actual: The file's outputs.
        source: Which data were used.
        tolerance: The allowed difference relative to the scale of an output, noted in the result.

    Returns:
        The comparison. Values that are not finite count as equal only if they are the same in both.

    Raises:
        ExportError: If shapes differ, or if Keras gives no finite value to compare with.

    Example:
        >>> agreement([np.array([[1.0, 2.0]])], [np.array([[1.0, 2.2]])], "random").top1_agreement
        1.0
    """
    differences, relatives, top1 = [], [], []
    for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
        if left.shape != right.shape:
            raise ExportError(f"Output {index} of the file has the shape {right.shape}; Keras gives {left.shape}.")
        if left.size and not np.isfinite(left).any():
            raise ExportError(
                f"Output {index} of the Keras model is not finite on the {source} data; check its weights."
            )
        difference = _largest_difference(left, right)
        finite = left[np.isfinite(left)]
        scale = float(np.abs(finite).max(initial=0.0)) or 1.0
        differences.append(difference)
        relatives.append(difference / scale)
        if left.ndim >= 2 and left.shape[-1] >= 2:
            top1.append(float(np.mean(left.argmax(-1) == right.argmax(-1))))
    return Parity(source, len(expected[0]), max(differences), max(relatives), min(top1) if top1 else None, tolerance)


def _largest_difference(left: NDArray[Any], right: NDArray[Any]) -> float:
    finite = np.isfinite(left) & np.isfinite(right)
    if not np.array_equal(left[~finite], right[~finite], equal_nan=True):
        return float("inf")
    return float(np.abs(left[finite] - right[finite]).max(initial=0.0))


def _by_name(answer: Any, names: list[str], file_names: list[str]) -> dict[str, Any]:
    """Give each array its name: arrays come in the order of the file, or of the numbers in output_0 and so on."""
    if isinstance(answer, dict):
        return dict(answer)
    arrays = list(answer) if isinstance(answer, list | tuple) else [answer]
    numbered = all(re.fullmatch(r"output_\d+", name) for name in file_names)
    order = sorted(file_names, key=lambda name: int(name.split("_")[1])) if numbered else file_names
    if len(arrays) != len(names):
        raise ExportError(f"The file has {len(arrays)} outputs, the Keras model {len(names)} ({', '.join(names)}).")
    return dict(zip(order, arrays, strict=True))


def _padded(array: NDArray[Any], step: int) -> NDArray[Any]:
    """Fill the last batch of a model with a fixed batch by repeating its last sample."""
    missing = -len(array) % step
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array


@contextlib.contextmanager
def _unchanged(variables: Sequence[Any]) -> Iterator[None]:
    """Put back what inference changed: a layer may count its calls or draw from a seed."""
    import keras

    before = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            if not np.array_equal(keras.ops.convert_to_numpy(variable), value):
                variable.assign(value)
