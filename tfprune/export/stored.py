"""What a .tflite file holds: its inputs and outputs, its operations, and how many of its weights are zeros."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.benchmark.flatbuffer import operation_names, read_model, tensor_types
from tfprune.export.result import TensorInfo

__all__ = ["Stored", "read_stored"]

PLUMBING = {"QUANTIZE", "DEQUANTIZE", "DENSIFY", "RESHAPE", "WHILE", "SHAPE", "PACK"}


@dataclass(frozen=True)
class Stored:
    """The facts about a file that a result reports.

    `outputs` is in the order of the file; `operations` has builtin operators by their names and custom ones by theirs;
    `float_operations` are those that compute in float32.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operations: dict[str, int]
    float_operations: tuple[str, ...]
    weights: int
    zeros: int
    sparse_tensors: int
    weight_dtypes: tuple[str, ...]

    @property
    def sparsity(self) -> float:
        """The share of zeros among the weights (constants of two dimensions or more)."""
        return self.zeros / self.weights if self.weights else 0.0


WEIGHTS = ("float32", "float16", "int8", "int4")


def read_stored(content: bytes) -> Stored:
    """Read the contents of a .tflite file that has just been made (not for files of unknown origin).

    Args:
        content: The contents of the file.

    Returns:
        Its tensors, operations and zeros.
    """
    model, types = read_model(content), tensor_types()
    main = model.subgraphs[0]
    input_names, output_names = _signature_names(model)
    kinds = operation_names(model)
    used = [(kinds[op.opcodeIndex], op, graph) for graph in model.subgraphs for op in graph.operators or []]
    floats = {name for name, op, graph in used if name not in PLUMBING and _computes_in_float(op, graph, types)}
    weights = [found for graph in model.subgraphs for found in _weights(graph, model.buffers, types)]
    return Stored(
        inputs=tuple(_info(main.tensors[index], input_names.get(index), types) for index in main.inputs),
        outputs=tuple(_info(main.tensors[index], output_names.get(index), types) for index in main.outputs),
        operations=dict(Counter(name for name, _, _ in used)),
        float_operations=tuple(sorted(floats)),
        weights=sum(total for _, total, _, _ in weights),
        zeros=sum(total - nonzero for _, total, nonzero, _ in weights),
        sparse_tensors=sum(sparse for _, _, _, sparse in weights),
        weight_dtypes=tuple(sorted({dtype for dtype, _, _, _ in weights})),
    )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _signature_names(model: Any) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """Return the signature's names of each input and of each output tensor; one tensor can be several outputs."""
    inputs: dict[int, list[str]] = {}
    outputs: dict[int, list[str]] = {}
    for signature in (model.signatureDefs or [])[:1]:
        for found, items in ((inputs, signature.inputs), (outputs, signature.outputs)):
            for item in items:
                found.setdefault(int(item.tensorIndex), []).append(_text(item.name))
    return inputs, outputs


def _info(tensor: Any, names: list[str] | None, types: dict[int, str]) -> TensorInfo:
    name = names.pop(0) if names else None
    open_shape = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
    shape = tuple(None if axis < 0 else int(axis) for axis in ([] if open_shape is None else open_shape))
    dtype = types[tensor.type]
    quantization = tensor.quantization
    scale = quantization.scale if quantization is not None else None
    if scale is None or not len(scale) or "float" in dtype:
        return TensorInfo(name or _text(tensor.name), shape, dtype)
    return TensorInfo(name or _text(tensor.name), shape, dtype, float(scale[0]), int(quantization.zeroPoint[0]))


def _computes_in_float(operator: Any, graph: Any, types: dict[int, str]) -> bool:
    return any("float" in types[graph.tensors[index].type] for index in operator.outputs if index >= 0)


def _weights(graph: Any, buffers: Any, types: dict[int, str]) -> list[tuple[str, int, int, bool]]:
    """Return dtype, number of values, number of non-zeros and sparse encoding of each constant of rank 2 or more."""
    found = []
    for tensor in graph.tensors:
        data = buffers[tensor.buffer].data
        dtype = types[tensor.type]
        if data is None or tensor.shape is None or len(tensor.shape) < 2 or dtype not in WEIGHTS:
            continue
        if dtype == "int4":  # two in a byte
            packed = np.asarray(data, np.uint8)
            values = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[: int(np.prod(tensor.shape))]
        else:
            values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), dtype)
        found.append((dtype, int(np.prod(tensor.shape)), int(np.count_nonzero(values)), tensor.sparsity is not None))
    return found
