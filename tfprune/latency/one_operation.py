"""A .tflite file with copies of one operation, with random weights, written without a converter, to be timed."""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass, field, replace
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


def one_operation(operation: Operation, quantize: str | None = None) -> bytes | None:
    """Return a .tflite file with copies of an operation on one sample; None of a kind that can't be written.

    Args:
        operation: The operation. One along one axis becomes an image one pixel high, as the converter makes of it.
        quantize: None for float32, or `"int8"`, as the converter writes it: a scale for each output channel.
    """
    rng = np.random.default_rng(0)
    if operation.kind == "dense":
        rows = int(np.prod(operation.positions, dtype=int))
        if operation.groups != 1:
            return None
        kernel = rng.normal(size=(operation.outputs, operation.inputs)) / np.sqrt(operation.inputs)
        return write("FULLY_CONNECTED", (rows, operation.inputs), kernel, (rows, operation.outputs), {}, quantize)
    if operation.kind == "elementwise":
        shape = (1, *operation.positions, operation.outputs)
        return write("ADD", shape, rng.normal(size=shape), shape, {}, quantize)
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
        return write("DEPTHWISE_CONV_2D", given, kernel, made, settings, quantize)
    return write("CONV_2D", given, rng.normal(size=(image.outputs, *window)) * scale, made, settings, quantize)


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


VERSIONS = {"FULLY_CONNECTED": 4, "ADD": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3}
"""Of the operations from which on they take int8."""

STEP = 0.05
"""Scale of what goes in and comes out in int8; how long it takes does not depend on it."""


def write(
    name: str,
    given: tuple[int, ...],
    kernel: NDArray[Any],
    made: tuple[int, ...],
    settings: dict[str, int],
    quantize: str | None = None,
) -> bytes:
    """Return the file: an input, a kernel, a bias except for a sum, and an output."""
    import flatbuffers

    schema = find_schema()
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = code.builtinCode
    code.version = VERSIONS[name] if quantize else 1
    constants = stored(name, kernel, made[-1], quantize)
    ends = Constant(np.empty(0, np.int8), np.array([STEP])) if quantize else Constant(np.empty(0, np.float32))
    options = getattr(schema, f"{OPTIONS[name]}T")()
    for key, value in settings.items():
        setattr(options, key, value)
    buffers = [schema.BufferT()]
    tensors = [tensor(schema, "input", given, 0, ends)]
    operators = []
    for copy in range(COPIES):
        first = len(tensors)
        for number, one in enumerate(constants):
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(one.values).tobytes(), np.uint8)
            buffers.append(buffer)
            tensors.append(tensor(schema, f"weights_{copy}_{number}", one.values.shape, len(buffers) - 1, one))
        tensors.append(tensor(schema, f"output_{copy}", made, 0, ends))
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


@dataclass(frozen=True)
class Constant:
    """Values of a tensor as they are stored.

    Args:
        values: float32, int8, or int32 of a bias.
        scales: What an integer stands for, one or one for each position along an axis; empty for floats.
        axis: That axis.
    """

    values: NDArray[Any]
    scales: NDArray[Any] = field(default_factory=lambda: np.empty(0))
    axis: int = 0


def stored(name: str, kernel: NDArray[Any], outputs: int, quantize: str | None) -> list[Constant]:
    """Return the constants of an operation: a kernel, and a bias except for a sum."""
    if quantize is None:
        kernel = kernel.astype("<f4")
        return [Constant(kernel)] if name == "ADD" else [Constant(kernel), Constant(np.zeros(outputs, "<f4"))]
    if name == "ADD":
        return [Constant(np.clip(np.round(kernel / STEP), -127, 127).astype(np.int8), np.array([STEP]))]
    axis = kernel.ndim - 1 if name == "DEPTHWISE_CONV_2D" else 0
    others = tuple(number for number in range(kernel.ndim) if number != axis)
    scales = np.abs(kernel).max(axis=others) / 127
    values = np.round(kernel / np.expand_dims(scales, others)).astype(np.int8)
    return [Constant(values, scales, axis), Constant(np.zeros(outputs, "<i4"), STEP * scales)]


def tensor(schema: Any, name: str, shape: tuple[int, ...], buffer: int, like: Constant) -> Any:
    """Return a tensor of a constant's type and scales."""
    made = schema.TensorT()
    made.name, made.shape, made.buffer = name, np.array(shape, np.int32), buffer
    made.type = getattr(schema.TensorType, like.values.dtype.name.upper())
    if like.scales.size:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = like.scales.astype(np.float32)
        made.quantization.zeroPoint = np.zeros(like.scales.size, np.int64)
        made.quantization.quantizedDimension = like.axis
    return made


def find_schema() -> Any:
    """Return the module that LiteRT or TensorFlow has for the file format."""
    for name in SCHEMAS:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    raise BenchmarkError("Timing operations needs the .tflite schema; run: pip install ai-edge-litert flatbuffers")
