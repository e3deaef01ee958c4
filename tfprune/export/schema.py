"""The generated classes that read .tflite files, from the lightest package that has them."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["operator_names", "schema", "type_names"]


def schema() -> Any:
    """Return the module of generated classes: LiteRT's, which is quick to import, else TensorFlow's."""
    try:
        return importlib.import_module("ai_edge_litert.schema_py_generated")
    except ImportError:
        return importlib.import_module("tensorflow.lite.python.schema_py_generated")


def type_names(module: Any) -> dict[int, str]:
    """Return the NumPy name of each type of tensor, by its number."""
    return {value: name.lower() for name, value in vars(module.TensorType).items() if not name.startswith("_")}


def operator_names(module: Any) -> dict[int, str]:
    """Return the name of each builtin operator, by its number."""
    return {value: name for name, value in vars(module.BuiltinOperator).items() if not name.startswith("_")}
