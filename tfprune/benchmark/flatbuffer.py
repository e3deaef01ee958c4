"""A .tflite file as objects and back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tfprune.errors import BenchmarkError, InputError, TfpruneError, one_line

__all__ = ["operation_names", "operator_names", "parsing", "read_model", "schema", "tensor_types", "write_model"]

_IDENTIFIER = b"TFL3"


def read_model(content: bytes) -> Any:
    """Return a file as the object tree of TFLite's schema (`ModelT`), with all data in its buffers.

    Raises:
        BenchmarkError: If flatbuffers of TFLite can't be read here.
    """
    classes = schema()
    model = classes.ModelT.InitFromObj(classes.Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        if getattr(buffer, "offset", 0):  # large files keep data behind the tree
            buffer.data = _numbers(content[buffer.offset : buffer.offset + buffer.size])
            buffer.offset = buffer.size = 0
    for graph in model.subgraphs:
        for operator in graph.operators or []:
            if start := getattr(operator, "largeCustomOptionsOffset", 0):
                operator.customOptions = _numbers(content[start : start + operator.largeCustomOptionsSize])
                operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    return model


def write_model(model: Any) -> bytes:
    """Return the file of an object tree."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def operation_names(model: Any) -> list[str]:
    """Return the name of each kind of operation that a model uses, by the number that its operators refer to.

    A file may call an operation of its own anything; what is returned can be printed.
    """
    names = operator_names()
    found = []
    for kind in model.operatorCodes:
        custom = kind.customCode
        told = one_line(custom.decode("utf-8", "replace") if isinstance(custom, bytes) else custom or "")
        # Codes that were added later are in the one field, those before in both.
        name = names.get(max(kind.builtinCode, kind.deprecatedBuiltinCode), "UNKNOWN")
        found.append(told if name == "CUSTOM" and told else name)
    return found


@contextlib.contextmanager
def parsing(where: object) -> Iterator[None]:
    """Say of a file that is read in this block that it is damaged, whatever it makes the classes that read it raise.

    Args:
        where: The file.

    Raises:
        InputError: If it is.
    """
    try:
        yield
    except TfpruneError:
        raise
    except Exception as error:
        raise InputError(f"{where} is damaged ({type(error).__name__} while it was read); convert it again.") from error


def operator_names() -> dict[int, str]:
    """Return the name of each builtin operation by its number in a file."""
    return {code: name for name, code in vars(schema().BuiltinOperator).items() if isinstance(code, int)}


def tensor_types() -> dict[int, str]:
    """Return the name of each type of tensor, such as "float32", by its number in a file."""
    return {code: name.lower() for name, code in vars(schema().TensorType).items() if isinstance(code, int)}


def _numbers(content: bytes) -> Any:
    import numpy as np

    return np.frombuffer(content, np.uint8)


def schema() -> Any:
    """Return the generated classes of TFLite's schema.

    Raises:
        BenchmarkError: If they can't be imported here.
    """
    try:
        import flatbuffers  # noqa: F401
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise BenchmarkError(
            f"Looking into a .tflite file needs ai-edge-litert and flatbuffers, which can't be imported ({error}); "
            "run: pip install ai-edge-litert flatbuffers."
        ) from error
    return schema_py_generated
