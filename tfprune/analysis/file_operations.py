"""The operations of a .tflite file: what each holds, and what viewers call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.benchmark.flatbuffer import operation_names, read_model, tensor_types
from tfprune.benchmark.layer_names import layer_names
from tfprune.benchmark.operations import count_macs

__all__ = ["FileOperation", "netron_type", "read_operations"]

WEIGHTS = {"float32": np.float32, "float16": np.float16, "int8": np.int8}
UPPER_CASE = ("2D", "LSH", "SVDF", "RNN", "L2", "LSTM")


@dataclass(frozen=True)
class FileOperation:
    """An operation of a file's main graph.

    Args:
        location: Its number.
        type: What Netron calls it.
        name: Name of the tensor that it makes.
        layers: The Keras layers that it comes from, as far as the file tells.
        constant: Whether it works on constants alone, as the unpacking of weights does.
        weights: Weights with two axes or more that it multiplies with.
        zeros: Zeros among them.
        bytes: Bytes of its constants.
        macs: Its multiply-accumulates.
    """

    location: int
    type: str
    name: str
    layers: tuple[str, ...]
    constant: bool
    weights: int
    zeros: int
    bytes: int
    macs: int


def netron_type(name: str) -> str:
    """Return what Netron calls an operation.

    Example:
        >>> netron_type("DEPTHWISE_CONV_2D"), netron_type("FULLY_CONNECTED"), netron_type("BATCH_MATMUL")
        ('DepthwiseConv2D', 'FullyConnected', 'BatchMatMul')
    """
    name = "BATCH_MAT_MUL" if name == "BATCH_MATMUL" else name
    if name != name.upper():
        return name  # a custom operation
    return "".join(part if part in UPPER_CASE else part[:1] + part[1:].lower() for part in name.split("_"))


def read_operations(content: bytes) -> list[FileOperation]:
    """Return the operations of a .tflite file's main graph, in order.

    Args:
        content: The contents of the file.

    Raises:
        BenchmarkError: If flatbuffers of TFLite can't be read here.
    """
    model = read_model(content)
    kinds, types, graph = operation_names(model), tensor_types(), model.subgraphs[0]
    stored = {
        number: model.buffers[tensor.buffer].data
        for number, tensor in enumerate(graph.tensors)
        if model.buffers[tensor.buffer].data is not None and len(model.buffers[tensor.buffer].data)
    }
    sources: dict[int, int] = {number: number for number in stored}
    operators = list(graph.operators or [])
    constant = []
    for operator in operators:
        inputs = numbers(operator.inputs)
        constant.append(bool(inputs) and all(tensor in sources for tensor in inputs))
        if constant[-1]:
            sources.update(dict.fromkeys(numbers(operator.outputs), sources[inputs[0]]))
    names = [
        [
            name_of(graph, tensor)
            for tensor in [*numbers(o.outputs)[:1], *(t for t in numbers(o.inputs) if t in sources)]
        ]
        for o in operators
    ]
    found = []
    for location, (operator, layers, fixed) in enumerate(zip(operators, layer_names(names), constant, strict=True)):
        kind, outputs = kinds[operator.opcodeIndex], numbers(operator.outputs)
        shapes = [shape_of(graph, t) if t >= 0 else () for t in (() if operator.inputs is None else operator.inputs)]
        macs = count_macs(kind, shapes, shape_of(graph, outputs[0]) if outputs else ())
        held = [] if fixed else list(dict.fromkeys(sources[t] for t in numbers(operator.inputs) if t in sources))
        counts = [count(graph.tensors[t], stored[t], types) for t in held]
        found.append(
            FileOperation(
                location,
                netron_type(kind),
                name_of(graph, outputs[0]) if outputs else "",
                layers,
                fixed,
                sum(weights for weights, _ in counts),
                sum(zeros for _, zeros in counts),
                sum(len(stored[t]) for t in held),
                macs,
            )
        )
    return found


def count(tensor: Any, data: Any, types: dict[int, str]) -> tuple[int, int]:
    """Return how many weights a constant has, and how many of them are zero; none of vectors, shapes and the like."""
    dtype = types[tensor.type]
    if tensor.shape is None or len(tensor.shape) < 2 or dtype not in (*WEIGHTS, "int4"):
        return 0, 0
    size = int(np.prod(tensor.shape, dtype=np.int64))
    raw = np.asarray(data, np.uint8)
    if dtype == "int4":  # two in a byte
        values: Any = np.stack([raw & 15, raw >> 4], axis=1).reshape(-1)[:size]
    else:
        values = np.frombuffer(raw.tobytes(), WEIGHTS[dtype])
    return size, size - int(np.count_nonzero(values))


def numbers(tensors: Any) -> list[int]:
    """Return the numbers of tensors without those that are left out (−1)."""
    return [] if tensors is None else [int(tensor) for tensor in tensors if tensor >= 0]


def shape_of(graph: Any, tensor: int) -> tuple[int, ...]:
    """Return a tensor's shape; an open size is 1."""
    shape = graph.tensors[tensor].shape
    return tuple(max(int(size), 1) for size in ([] if shape is None else shape))


def name_of(graph: Any, tensor: int) -> str:
    """Return a tensor's name."""
    name = graph.tensors[tensor].name or b""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
