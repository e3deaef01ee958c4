"""Models that end early: the first operations of a .tflite file as a file; lives in the worker process only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfprune.benchmark.flatbuffer import operation_names, read_model, write_model
from tfprune.benchmark.layer_names import layer_names
from tfprune.benchmark.operations import Operation, Shape, count_macs
from tfprune.errors import InputError

__all__ = ["CutModel"]


class CutModel:
    """The main graph of a .tflite file, to be cut after any of its operations.

    Operations on constants only (the unpacking of sparse or float16 weights) are not counted: they go with the
    operation that reads what they make, as in the whole model.

    Args:
        path: The .tflite file.

    Raises:
        BenchmarkError: If flatbuffers of TFLite can't be read here.
        InputError: If the file has no operation to cut after.
    """

    def __init__(self, path: str) -> None:
        self._model = read_model(Path(path).read_bytes())
        self._names = operation_names(self._model)
        self._model.signatureDefs = None  # they name the outputs of the whole
        self._graph = self._model.subgraphs[0]
        buffers = self._model.buffers
        self._all, self._outputs = list(self._graph.operators or []), _numbers(self._graph.outputs)
        self._data = [None if buffer.data is None or len(buffer.data) == 0 else buffer.data for buffer in buffers]
        self._sparsity = [tensor.sparsity for tensor in self._graph.tensors]  # where zeros are left out
        self._constant = self._constants()
        self._counted = [i for i, operator in enumerate(self._all) if not self._is_constant(operator)]
        if not self._counted:
            raise InputError("It has no operations to time.")
        self.operations = self._describe()

    def prefix(self, count: int) -> bytes:
        """Return a file of the first operations.

        Its outputs are all tensors that the rest of the model would read, so that nothing before the cut is idle.

        Args:
            count: How many operations.
        """
        end = self._counted[count - 1] + 1
        rest = {tensor for operator in self._all[end:] for tensor in _numbers(operator.inputs)} | set(self._outputs)
        made = [t for operator in self._all[:end] for t in _numbers(operator.outputs) if t not in self._constant]
        kept = self._needed(end)
        self._graph.operators = kept
        if count == len(self._counted):
            self._graph.outputs = self._outputs
        else:
            self._graph.outputs = [t for t in made if t in rest] or _numbers(self._all[end - 1].outputs)
        self._empty_buffers(kept)
        return write_model(self._model)

    def _needed(self, end: int) -> list[Any]:
        """The operations up to a cut, without those on constants that only the rest reads."""
        read: set[int] = set()
        kept = []
        for i in reversed(range(end)):
            operator = self._all[i]
            if self._is_constant(operator) and not read & set(_numbers(operator.outputs)):
                continue
            read.update(_numbers(operator.inputs))
            kept.append(operator)
        return kept[::-1]

    def _empty_buffers(self, kept: list[Any]) -> None:
        """Leave only the data that the operations kept, other graphs and metadata refer to."""
        tensors = {t for operator in kept for t in _numbers(operator.inputs)} | set(self._graph.outputs)
        used = {self._graph.tensors[t].buffer for t in tensors}
        for graph in self._model.subgraphs[1:]:
            used |= {tensor.buffer for tensor in graph.tensors or []}
        used |= {metadata.buffer for metadata in self._model.metadata or []}
        for i, buffer in enumerate(self._model.buffers):
            buffer.data = self._data[i] if i in used else None
        for i, tensor in enumerate(self._graph.tensors):
            tensor.sparsity = self._sparsity[i] if i in tensors else None

    def _constants(self) -> set[int]:
        """The tensors that are data in the file, or made of such alone."""
        found = {i for i, t in enumerate(self._graph.tensors) if self._data[t.buffer] is not None and not t.isVariable}
        for operator in self._all:
            inputs = _numbers(operator.inputs)
            if inputs and found.issuperset(inputs):
                found.update(_numbers(operator.outputs))
        return found

    def _is_constant(self, operator: Any) -> bool:
        outputs = _numbers(operator.outputs)
        return bool(outputs) and self._constant.issuperset(outputs)

    def _describe(self) -> list[Operation]:
        operators = [self._all[i] for i in self._counted]
        layers = layer_names([[self._tensor_name(t) for t in self._naming(operator)] for operator in operators])
        return [self._operation(operator, found) for operator, found in zip(operators, layers, strict=True)]

    def _naming(self, operator: Any) -> list[int]:
        return [*_numbers(operator.outputs)[:1], *[t for t in _numbers(operator.inputs) if t in self._constant]]

    def _operation(self, operator: Any, layers: tuple[str, ...]) -> Operation:
        name = self._names[operator.opcodeIndex]
        tensors = [] if operator.inputs is None else operator.inputs
        inputs = [self._shape(t) if t >= 0 else () for t in tensors]
        output = self._shape(_numbers(operator.outputs)[0]) if _numbers(operator.outputs) else ()
        return Operation(name, layers, output, count_macs(name, inputs, output))

    def _shape(self, tensor: int) -> Shape:
        shape = self._graph.tensors[tensor].shape
        return tuple(max(int(size), 1) for size in ([] if shape is None else shape))

    def _tensor_name(self, tensor: int) -> str:
        return _text(self._graph.tensors[tensor].name or b"")


def _numbers(tensors: Any) -> list[int]:
    """Return the numbers of tensors without those that are left out (-1)."""
    return [] if tensors is None else [int(tensor) for tensor in tensors if tensor >= 0]


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
