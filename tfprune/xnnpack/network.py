"""A .tflite file as operations and tensors, read without running it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.benchmark.flatbuffer import operation_names, parsing, read_model, tensor_types
from tfprune.errors import InputError
from tfprune.files import PathLike

__all__ = ["Network", "Operation", "Tensor", "read_network"]

UNPACKING = ("DENSIFY", "DEQUANTIZE")
"""Operations that make a constant that is stored in another way: the runtime does them once, before it runs."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a .tflite file.

    Args:
        name: Its name, which tells the Keras layers that it comes from.
        shape: Its shape; -1 is an open axis.
        dtype: The type that it is stored in, such as `"float32"`.
        constant: Whether its values are in the file.
        sparse: Whether zeros are left out of the file.
        blocks: Sizes of the blocks of its sparse encoding that are not one.
        zeros: How many of its values are zero, if it is constant.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool = False
    sparse: bool = False
    blocks: tuple[int, ...] = ()
    zeros: int = 0

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Operation:
    """An operation of a .tflite file.

    Args:
        index: Its place in the file.
        kind: Its name, such as `"CONV_2D"`.
        inputs: Indices of the tensors that it reads; -1 is one that is left out.
        outputs: Indices of the tensors that it makes.
        options: Its attributes, such as `{"strideH": 2, "padding": 0}`.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """The main graph of a .tflite file; constants are unpacked, so operations that only do that are left out.

    Args:
        tensors: All tensors.
        operations: The operations, in the order in which they run.
        inputs: Indices of the tensors that the model takes.
        outputs: Indices of the tensors that it gives.
        values: The values of constants that decide what an operation does: paddings, axes.

    Example:
        >>> network = read_network("small.tflite")
        >>> [network.tensors[index].shape for index in (*network.inputs, *network.outputs)]
        [(1, 28, 28, 1), (1, 10)]
    """

    tensors: tuple[Tensor, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    values: Mapping[int, np.ndarray[Any, Any]] = field(default_factory=dict, repr=False)

    @property
    def sparse(self) -> bool:
        """Whether a weight is stored sparsely."""
        return any(tensor.sparse for tensor in self.tensors)

    def producers(self) -> dict[int, int]:
        """Return which operation, by its place in `operations`, makes each tensor."""
        return {index: place for place, op in enumerate(self.operations) for index in op.outputs}

    def readers(self) -> Counter[int]:
        """Return how often each tensor is read, by operations or as an output of the model."""
        read: Counter[int] = Counter(index for op in self.operations for index in op.inputs if index >= 0)
        read.update(self.outputs)
        return read


def read_network(source: PathLike | bytes) -> Network:
    """Read the main graph of a .tflite file.

    Args:
        source: The file, or its contents.

    Returns:
        Its operations and tensors.

    Raises:
        InputError: If it can't be read, or is no .tflite file.

    Example:
        >>> network = read_network("small.tflite")
        >>> [one.kind for one in network.operations][:2], network.sparse
        (['CONV_2D', 'MAX_POOL_2D'], True)
    """
    where = "These bytes" if isinstance(source, bytes) else str(source)
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"{where} can't be read: {error.strerror or error}.") from error
    if content[4:8] != b"TFL3":
        raise InputError(f"{where} is not a .tflite file; give one, or a Keras model.")
    with parsing(where):
        return parse(content)


def parse(content: bytes) -> Network:
    """Return the first subgraph of a flatbuffer."""
    model, types = read_model(content), tensor_types()
    kinds = operation_names(model)
    graph = model.subgraphs[0]
    tensors = [tensor_of(tensor, model.buffers, types) for tensor in graph.tensors]
    values = {
        index: constant_values(tensor, model.buffers, types)
        for index, tensor in enumerate(graph.tensors)
        if tensors[index].constant and tensors[index].dtype in ("int32", "int64") and tensors[index].size <= 64
    }
    operations = []
    for index, op in enumerate(graph.operators):
        kind = kinds[op.opcodeIndex]
        inputs = () if op.inputs is None else tuple(int(i) for i in op.inputs)
        outputs = tuple(int(i) for i in op.outputs)
        if kind in UNPACKING and tensors[inputs[0]].constant:
            packed = tensors[inputs[0]]
            plain = tensors[outputs[0]]
            tensors[outputs[0]] = Tensor(
                plain.name, packed.shape, plain.dtype, True, packed.sparse, packed.blocks, packed.zeros
            )
            continue
        if any(not -1 <= i < len(tensors) for i in (*inputs, *outputs)):
            raise ValueError(f"operation {index} refers to a tensor that is not there")
        options = {} if op.builtinOptions is None else dict(vars(op.builtinOptions))
        operations.append(Operation(index, kind, inputs, outputs, options))
    return Network(
        tuple(tensors),
        tuple(operations),
        tuple(int(i) for i in graph.inputs),
        tuple(int(i) for i in graph.outputs),
        values,
    )


def tensor_of(tensor: Any, buffers: Any, types: Mapping[int, str]) -> Tensor:
    """Return what matters of a tensor; its zeros are counted where it is constant."""
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    name = tensor.name.decode("utf-8", "replace") if isinstance(tensor.name, bytes) else str(tensor.name)
    dtype = types[tensor.type]
    data = buffers[tensor.buffer].data
    constant = data is not None and len(data) > 0
    blocks: tuple[int, ...] = ()
    zeros = 0
    if constant and dtype in ("float32", "float16", "int8"):
        stored = constant_values(tensor, buffers, types)
        zeros = math.prod(shape) - int(np.count_nonzero(stored))
    if tensor.sparsity is not None and tensor.sparsity.blockMap is not None:
        sizes = [dimension.denseSize for dimension in tensor.sparsity.dimMetadata[len(shape) :]]
        blocks = tuple(int(size) for size in sizes if size > 1)
    return Tensor(name, shape, dtype, constant, tensor.sparsity is not None, blocks, zeros)


def constant_values(tensor: Any, buffers: Any, types: Mapping[int, str]) -> np.ndarray[Any, Any]:
    """Return what is stored of a constant: all of its values, or those that are not left out as zeros."""
    data = np.asarray(buffers[tensor.buffer].data, np.uint8).tobytes()
    return np.frombuffer(data, types[tensor.type])
