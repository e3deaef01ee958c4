"""Which tensors of a .tflite file are alive at once: what holds up the memory that it runs in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tfprune.benchmark.flatbuffer import operator_names, tensor_types

__all__ = ["Activation", "Peak", "find_peak"]

ITEM_BYTES = {"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "float16": 2, "int64": 8, "float64": 8}


@dataclass(frozen=True)
class Activation:
    """A tensor that an operation writes, or an input.

    Args:
        name: Its name in the file.
        shape: Its shape; open axes count as 1.
        dtype: Its type.
        bytes: Its size.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int

    def __str__(self) -> str:
        short = self.name.split(";")[0].removeprefix("serving_default_")[:60]
        return f"{short} ({' × '.join(map(str, self.shape))} {self.dtype}, {self.bytes:,} bytes)"


@dataclass(frozen=True)
class Peak:
    """The operation at which most bytes of activations are alive.

    Args:
        operation: Its name.
        number: Which operation of the file it is, from 1.
        bytes: How many bytes are alive while it runs.
        tensors: Which tensors these are, the largest first.
    """

    operation: str
    number: int
    bytes: int
    tensors: tuple[Activation, ...]

    def __str__(self) -> str:
        return f"{self.operation} (operation {self.number}) needs {'; '.join(map(str, self.tensors))}"


def find_peak(model: Any) -> Peak | None:
    """Return where a model's first subgraph needs most memory for activations; None if it has no operation.

    A tensor is alive from the operation that writes it to the last one that reads it; inputs from the beginning,
    outputs to the end. No plan of memory can do with less than the largest sum; one that leaves gaps needs more.

    Args:
        model: A `ModelT`.
    """
    types, names = tensor_types(), operator_names()
    graph = model.subgraphs[0]
    operators = list(graph.operators or [])
    if not operators:
        return None
    first, last = dict.fromkeys(map(int, graph.inputs), 0), dict.fromkeys(map(int, graph.outputs), len(operators) - 1)
    for number, operator in enumerate(operators):
        for index in _used(operator.outputs):
            first.setdefault(index, number)
        for index in [*_used(operator.inputs), *_used(operator.outputs)]:
            last[index] = max(number, last.get(index, 0))
    found = {index: _activation(graph.tensors[index], types) for index in first}
    best: tuple[int, int, list[int]] = (-1, 0, [])
    for number in range(len(operators)):
        alive = [index for index in first if first[index] <= number <= last.get(index, first[index])]
        size = sum(found[index].bytes for index in alive)
        if size > best[0]:
            best = (size, number, alive)
    size, number, alive = best
    code = model.operatorCodes[operators[number].opcodeIndex]
    tensors = sorted((found[index] for index in alive), key=lambda one: -one.bytes)
    return Peak(names[max(code.builtinCode, code.deprecatedBuiltinCode)], number + 1, size, tuple(tensors))


def _used(indices: Any) -> list[int]:
    return [int(index) for index in (indices if indices is not None else ()) if index >= 0]


def _activation(tensor: Any, types: dict[int, str]) -> Activation:
    dtype = types[tensor.type]
    shape = tuple(abs(int(axis)) for axis in (tensor.shape if tensor.shape is not None else ()))
    name = tensor.name.decode("utf-8", "replace") if isinstance(tensor.name, bytes) else str(tensor.name)
    return Activation(name, shape, dtype, math.prod(shape) * ITEM_BYTES.get(dtype, 4))
