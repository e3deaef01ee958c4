"""A model inside an interpreter; lives in the worker process only."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from tfprune.benchmark.delegation import count_delegated
from tfprune.benchmark.runtime import Runtime
from tfprune.benchmark.tensors import Array, Tensor, random_values, short_name
from tfprune.errors import InputError

__all__ = ["LoadedModel", "shape_for"]


class LoadedModel:
    """An interpreter with a model, whose construction and allocation are timed.

    Args:
        runtime: The interpreter's class.
        source: The path of the .tflite file, or the bytes in it.
        threads: The number of threads of the interpreter.
        delegate: Whether its default delegate may take operations.
    """

    def __init__(self, runtime: Runtime, source: str | bytes, threads: int, delegate: bool = True) -> None:
        start = time.perf_counter_ns()
        self._interpreter = runtime.open(source, threads, delegate)
        self.init_ns = time.perf_counter_ns() - start
        self.invoke: Callable[[], None] = self._interpreter.invoke
        # The operations of the file itself: allocating adds a delegate's, asking for the signature may allocate.
        self.operations = self._operations()
        self.inputs = [_tensor(details) for details in self._interpreter.get_input_details()]
        self.outputs = [_tensor(details) for details in self._interpreter.get_output_details()]

    def allocate(self, shapes: dict[int, tuple[int, ...]]) -> None:
        """Fix open sizes and allocate the tensors; `shapes` is by tensor index.

        The time is added to `init_ns`.
        """
        start = time.perf_counter_ns()
        for tensor in self.inputs:
            if shapes[tensor.index] != tensor.shape:
                self._interpreter.resize_tensor_input(tensor.index, shapes[tensor.index])
        self._interpreter.allocate_tensors()
        self.init_ns += time.perf_counter_ns() - start

    def delegation(self) -> dict[str, int] | None:
        """Return how many operations a delegate took once tensors are allocated, or None if that can't be told."""
        with contextlib.suppress(Exception):  # a private method, which an interpreter may lack
            return count_delegated(self._interpreter._get_ops_details())
        return None

    def has_int8(self) -> bool:
        """Whether any of its values are int8: weights at least."""
        return any(np.dtype(details["dtype"]) == np.int8 for details in self._interpreter.get_tensor_details())

    def fill(self, shapes: dict[int, tuple[int, ...]], seed: int) -> None:
        """Put made-up values into every input."""
        generator = np.random.default_rng(seed)
        for tensor in self.inputs:
            self.set(tensor, np.ascontiguousarray(random_values(shapes[tensor.index], tensor, generator)))

    def set(self, tensor: Tensor, values: Array) -> None:
        """Copy values into an input."""
        self._interpreter.set_tensor(tensor.index, values)

    def get(self, tensor: Tensor) -> Array:
        """Copy the values out of an output."""
        values: Array = self._interpreter.get_tensor(tensor.index)
        return values

    def use_signature(self) -> None:
        """Take names, and the order of the outputs, from the signature if the file has one.

        Keras names its outputs output_0, output_1, ... in its own order; the file keeps them in another.
        """
        with contextlib.suppress(Exception):  # old runtimes and odd files have no usable signature
            runner = self._interpreter.get_signature_runner()
            self.inputs = _renamed(self.inputs, runner.get_input_details())
            self.outputs = _renamed(self.outputs, runner.get_output_details())
            places = [re.fullmatch(r"output_(\d+)", tensor.name) for tensor in self.outputs]
            numbers = {t.index: int(place.group(1)) for t, place in zip(self.outputs, places, strict=True) if place}
            if len(numbers) == len(self.outputs):
                self.outputs.sort(key=lambda tensor: numbers[tensor.index])

    def _operations(self) -> dict[str, int]:
        with contextlib.suppress(Exception):  # a private method, which an interpreter may lack
            return dict(Counter(str(op["op_name"]) for op in self._interpreter._get_ops_details()).most_common())
        return {}


def shape_for(tensor: Tensor, sample: tuple[int, ...] | None, batch: int) -> tuple[int, ...]:
    """Return the full shape to give an input: `batch` samples of shape `sample`, or 1 for each open size.

    Raises:
        InputError: If samples of that shape don't fit.
    """
    if sample is None:
        return tuple(1 if size is None else size for size in tensor.shape)
    wanted = tensor.shape[1:]
    if len(wanted) != len(sample) or any(w not in (None, s) for w, s in zip(wanted, sample, strict=True)):
        takes = "(" + ", ".join("any" if size is None else str(size) for size in wanted) + ")"
        raise InputError(
            f"Input {tensor.name!r} takes a batch of samples of shape {takes}, and the data's samples have the shape "
            f"{sample}; reshape it (a single sample needs a batch axis: x[None])."
        )
    return (batch if tensor.shape[0] is None else tensor.shape[0], *sample)


def _tensor(details: dict[str, Any]) -> Tensor:
    shape = [int(size) for size in details["shape"]]
    signature = [int(size) for size in details.get("shape_signature", ())]
    if len(signature) != len(shape):
        signature = shape
    dtype = np.dtype(details["dtype"])
    scales = details["quantization_parameters"]["scales"]
    zeros = details["quantization_parameters"]["zero_points"]
    quantized = len(scales) == 1 and len(zeros) == 1 and float(scales[0]) > 0
    return Tensor(
        name=short_name(details["name"]),
        file_name=str(details["name"]),
        index=int(details["index"]),
        shape=tuple(size if size >= 0 else None for size in signature),
        dtype=dtype.name if dtype.kind in "biufc" else "string",
        scale=float(scales[0]) if quantized else None,
        zero_point=int(zeros[0]) if quantized else 0,
    )


def _renamed(tensors: list[Tensor], signature: dict[str, dict[str, Any]]) -> list[Tensor]:
    names = {int(details["index"]): str(name) for name, details in signature.items()}
    return [dataclasses.replace(tensor, name=names.get(tensor.index, tensor.name)) for tensor in tensors]
