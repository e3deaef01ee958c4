"""A .tflite file with copies of one operation, with random weights, written without a converter, to be timed."""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.cost.operation import Operation
from tfprune.errors import BenchmarkError

__all__ = ["one_operation"]

Array = NDArray[np.float32]

COPIES = 6
"""So many are in the file, each with weights of its own: as in a network, each finds the caches full of the others'."""

SCHEMAS = ("ai_edge_litert.schema_py_generated", "tensorflow.lite.python.schema_py_generated")


def one_operation(operation: Operation) -> bytes | None:
    """Return a float32 .tflite file with copies of an operation on one sample; None of a kind that can't be written.

    Args:
        operation: The operation. One along one axis becomes an image one pixel high, as the converter makes of it.
    """
    rng = np.random.default_rng(0)
    if operation.kind == "dense":
        rows = int(np.prod(operation.positions, dtype=int))
        if operation.groups != 1:
            return None
        kernel = rng.normal(size=(operation.outputs, operation.inputs)) / np.sqrt(operation.inputs)
        return write("FULLY_CONNECTED", (rows, operation.inputs), kernel, (rows, operation.outputs), {})
    if operation.kind == "elementwise":
        shape = (1, *operation.positions, operation.outputs)
        return write("ADD", shape, rng.normal(size=shape), shape, {})
    if operation.kind not in ("convolution", "depthwise") or len(operation.positions) > 2:
        return None
    image = as_image(operation)
    window = (*image.window, image.inputs // image.groups)
    settings = {
        "padding": 0 if image.padding == "same" else 1,
        "strideH": image.strides[0],
        "strideW": image.strides[1],
        "dilationHFactor": image.dilation[0],
        "dilationWFactor": image.dilation[1],
    }
    given, made = (1, *image.positions, image.inputs), (1, *image.made, image.outputs)
    scale = 1 / np.sqrt(np.prod(window))
    if operation.kind == "depthwise":
        kernel = rng.normal(size=(1, *image.window, image.outputs)) * scale
        settings["depthMultiplier"] = image.outputs // image.inputs
        return write("DEPTHWISE_CONV_2D", given, kernel, made, settings)
    return write("CONV_2D", given, rng.normal(size=(image.outputs, *window)) * scale, made, settings)


def as_image(operation: Operation) -> Operation:
    """Return a convolution along two axes."""
    positions, padding = operation.positions, operation.padding
    if padding == "causal":  # which the converter writes as zeros before the input
        positions, padding = (positions[0] + (operation.window[0] - 1) * operation.dilation[0],), "valid"
    if len(positions) == 2:
        return operation
    window, strides, dilation = operation.window, operation.strides, operation.dilation
    return replace(
        operation, positions=(1, *positions), window=(1, *window), strides=(1, *strides), dilation=(1, *dilation),
        padding=padding,
    )  # fmt: skip


OPTIONS = {
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "ADD": "AddOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
}


def write(
    name: str, given: tuple[int, ...], kernel: NDArray[Any], made: tuple[int, ...], settings: dict[str, int]
) -> bytes:
    """Return the file: an input, a kernel, a bias except for a sum, and an output."""
    import flatbuffers

    schema = find_schema()
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = code.builtinCode
    code.version = 1
    arrays = [kernel] if name == "ADD" else [kernel, np.zeros(made[-1])]
    options = getattr(schema, f"{OPTIONS[name]}T")()
    for key, value in settings.items():
        setattr(options, key, value)
    buffers = [schema.BufferT()]
    tensors = [tensor(schema, "input", given, 0)]
    operators = []
    for copy in range(COPIES):
        first = len(tensors)
        for number, array in enumerate(arrays):
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(array, dtype="<f4").tobytes(), np.uint8)
            buffers.append(buffer)
            tensors.append(tensor(schema, f"weights_{copy}_{number}", array.shape, len(buffers) - 1))
        tensors.append(tensor(schema, f"output_{copy}", made, 0))
        operator = schema.OperatorT()
        operator.opcodeIndex = 0
        operator.inputs = np.array([0, *range(first, len(tensors) - 1)], dtype=np.int32)
        operator.outputs = np.array([len(tensors) - 1], dtype=np.int32)
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, OPTIONS[name])
        operator.builtinOptions = options
        operators.append(operator)
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = tensors, operators
    graph.inputs = np.array([0], np.int32)
    graph.outputs = np.concatenate([operator.outputs for operator in operators])
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tensor(schema: Any, name: str, shape: tuple[int, ...], buffer: int) -> Any:
    """Return a float32 tensor."""
    made = schema.TensorT()
    made.name, made.shape, made.buffer = name, np.array(shape, np.int32), buffer
    made.type = schema.TensorType.FLOAT32
    return made


def find_schema() -> Any:
    """Return the module that LiteRT or TensorFlow has for the file format."""
    for name in SCHEMAS:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    raise BenchmarkError("Timing operations needs the .tflite schema; run: pip install ai-edge-litert flatbuffers")
