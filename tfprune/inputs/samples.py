"""Example inputs in any of the usual forms, brought to one: a float32 array of samples for each input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.inputs.signature import InputSpec, Signature

__all__ = ["Arrays", "batches_of", "first_batch", "gather", "random_samples"]

Arrays = list[NDArray[Any]]


def gather(data: Any, signature: Signature, limit: int, what: str = "representative_data") -> Arrays:
    """Collect up to `limit` samples.

    Args:
        data: An array; a tuple, list or dict of arrays for a model of several inputs; an (x, y) tuple; a
            `tf.data.Dataset`, a `keras.utils.PyDataset` or any other iterable of batches. Labels are ignored.
        signature: What the model takes.
        limit: How many samples at most: evenly spaced ones of arrays, the first ones of iterables.
        what: How to call the data in error messages.

    Returns:
        One array for each input, in the signature's order and dtypes, samples first.

    Raises:
        InputError: If the data are empty, not finite, or don't fit the model's inputs.

    Example:
        >>> from tfprune.inputs import signature_of
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> [array.shape for array in gather((np.ones((100, 8)), np.zeros(100)), signature_of(model), 16)]
        [(16, 8)]
    """
    whole = _inputs_of(data, signature)
    if whole is not None:
        count = len(whole[0])
        chosen = np.linspace(0, count - 1, min(limit, count)).round().astype(int) if count > limit else slice(None)
        arrays = [np.asarray(array)[chosen] for array in whole]
    else:
        arrays = _from_batches(data, signature, limit, what)
    return [_checked(array, spec, what) for array, spec in zip(arrays, signature.inputs, strict=True)]


def first_batch(data: Any) -> Any:
    """Return what a model's call would get from one batch of `data`, or None if that can't be told without using it up.

    Used to learn the input shapes of models that don't declare them.

    Args:
        data: Anything `fit` takes; None if there are none.

    Example:
        >>> first_batch((np.ones((100, 8)), np.zeros(100))).shape
        (1, 8)
    """
    if data is None or isinstance(data, Iterator):
        return None
    if isinstance(data, dict):
        return {key: np.asarray(value)[:1] for key, value in data.items()}
    if _is_array(data):
        return np.asarray(data[:1])
    if isinstance(data, tuple) and data and all(_is_array(part) for part in data):
        same_kind = len({np.asarray(part[:1]).ndim for part in data}) == 1 and len(data) > 1
        return [np.asarray(part[:1]) for part in data] if same_kind else np.asarray(data[0][:1])
    for batch in batches_of(data):
        inner = batch[0] if isinstance(batch, tuple | list) and len(batch) and not _is_array(batch) else batch
        if isinstance(inner, dict):
            return {key: np.asarray(value) for key, value in inner.items()}
        if isinstance(inner, tuple | list):
            return [np.asarray(part) for part in inner]
        return np.asarray(inner)
    return None


def random_samples(signature: Signature, count: int, seed: int, vocabulary: int | None = None) -> Arrays:
    """Draw standard normal inputs; whole numbers below `vocabulary` for integer inputs and models that embed.

    Args:
        signature: What the model takes.
        count: How many samples.
        seed: The seed.
        vocabulary: The smallest `input_dim` of the model's Embedding layers, if it has any.

    Returns:
        One array for each input.

    Example:
        >>> from tfprune.inputs import signature_of
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> [(array.shape, array.dtype.name) for array in random_samples(signature_of(model), 4, seed=0)]
        [((4, 8), 'float32')]
    """
    generator = np.random.default_rng(seed)
    arrays: Arrays = []
    for spec in signature.inputs:
        shape = (count, *[axis or 1 for axis in spec.shape[1:]])
        if spec.dtype.startswith("float") and vocabulary is None:
            arrays.append(generator.standard_normal(shape).astype(np.float32))
        else:
            end = vocabulary or (256 if spec.dtype == "uint8" else 2)
            arrays.append(generator.integers(0, end, shape).astype(_numpy_dtype(spec)))
    return arrays


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__getitem__")


def _inputs_of(data: Any, signature: Signature) -> Arrays | None:
    """Return one array for each input if `data` is arrays (of a data set or of a batch), or None if it is not."""
    count = len(signature.inputs)
    if _is_array(data):
        return [np.asarray(data)] if count == 1 else None
    if isinstance(data, dict):
        return _by_name(data, signature)
    if not isinstance(data, tuple | list) or not data:
        return None
    if len(data) == count and all(map(_is_array, data)) and _ranks_fit(data, signature):
        return [np.asarray(part) for part in data]
    if isinstance(data, tuple) or isinstance(data[0], dict | tuple | list):  # (x, y) and (x, y, sample_weight)
        return _inputs_of(data[0], signature) if _is_labelled(data) else None
    return None


def _is_labelled(data: Any) -> bool:
    """Tell (x, y) from a list of batches that are themselves tuples or dicts."""
    return isinstance(data, tuple) and len(data) in (1, 2, 3)


def _ranks_fit(data: Any, signature: Signature) -> bool:
    return all(len(part.shape) == len(spec.shape) for part, spec in zip(data, signature.inputs, strict=True))


def _by_name(data: dict[str, Any], signature: Signature) -> Arrays:
    names = [spec.name for spec in signature.inputs]
    for keys in (signature.aliases(), names):
        if keys and all(key in data for key in keys):
            return [np.asarray(data[key]) for key in keys]
    raise InputError(f"The data have the keys {sorted(data)}, but the model's inputs are {names}; name them alike.")


def batches_of(data: Any) -> Iterator[Any]:
    """Iterate over anything that gives batches, PyDatasets included."""
    if not isinstance(data, list) and hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        for index in range(len(data)):
            yield data[index]
    elif isinstance(data, Iterable):
        yield from data
    else:
        raise InputError(f"Data of type {type(data).__name__} can't be read; give arrays or an iterable of batches.")


def _from_batches(data: Any, signature: Signature, limit: int, what: str) -> Arrays:
    parts: list[Arrays] = []
    count = 0
    for batch in batches_of(data):
        arrays = _inputs_of(batch, signature)
        if arrays is None:
            raise InputError(f"A batch of {what} ({_describe(batch)}) doesn't fit inputs {_wanted(signature)}.")
        rank = len(signature.inputs[0].shape)
        arrays = [array[None] for array in arrays] if arrays[0].ndim == rank - 1 else arrays
        parts.append(arrays)
        count += len(arrays[0])
        if count >= limit:
            break
    if not parts:
        raise InputError(f"{what} holds no batch (an iterator that was used up?); give data that can be iterated.")
    if any(part[i].shape[1:] != parts[0][i].shape[1:] for part in parts for i in range(len(parts[0]))):
        raise InputError(f"The batches of {what} differ in the shape of their samples; give samples of one shape.")
    return [np.concatenate([part[index] for part in parts])[:limit] for index in range(len(parts[0]))]


def _checked(array: NDArray[Any], spec: InputSpec, what: str) -> NDArray[Any]:
    """Return the samples of one input in its dtype, or say why they don't fit."""
    if array.ndim != len(spec.shape) or tuple(array.shape[1:]) != spec.shape[1:]:
        raise InputError(
            f"{what} for input {spec.name!r} has the shape {array.shape}; expected (samples, "
            f"{', '.join(map(str, spec.shape[1:]))})."
        )
    if not len(array):
        raise InputError(f"{what} for input {spec.name!r} is empty; give at least one sample.")
    if array.dtype.kind not in "fiubV":
        raise InputError(f"{what} for input {spec.name!r} has the dtype {array.dtype}; give numbers.")
    if array.dtype.kind in "fV" and not np.isfinite(array.astype(np.float32)).all():
        raise InputError(f"{what} for input {spec.name!r} holds NaN or infinite values; remove them first.")
    return np.ascontiguousarray(array, _numpy_dtype(spec))


def _numpy_dtype(spec: InputSpec) -> np.dtype[Any]:
    return np.dtype(np.float32 if "float" in spec.dtype else spec.dtype)


def _describe(batch: Any) -> str:
    if _is_array(batch):
        return f"array of shape {tuple(batch.shape)}"
    return f"{type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else type(batch).__name__


def _wanted(signature: Signature) -> str:
    return ", ".join(f"{spec.name} {spec.shape}" for spec in signature.inputs)
