"""Which TFLite interpreter this machine has; imported only inside the worker processes."""

from __future__ import annotations

import importlib
import importlib.metadata
import operator
from dataclasses import dataclass
from typing import Any

from tfprune.errors import BenchmarkError

__all__ = ["Runtime", "find_runtime"]

_CANDIDATES = (  # package, module, where the class is in the module; the best first
    ("ai-edge-litert", "ai_edge_litert.interpreter", "Interpreter"),
    ("tflite-runtime", "tflite_runtime.interpreter", "Interpreter"),
    ("tensorflow", "tensorflow", "lite.Interpreter"),
)


@dataclass(frozen=True)
class Runtime:
    """An interpreter class, the package that it comes from, and that package's version."""

    interpreter: Any
    name: str
    version: str


def find_runtime() -> Runtime:
    """Return the first interpreter that can be imported: LiteRT, then tflite_runtime, then TensorFlow's own.

    Returns:
        The interpreter class with the name and version of its package.

    Raises:
        BenchmarkError: If there is none; the message says what to install, and why a present one can't be imported.

    Example:
        >>> find_runtime().name
        'ai-edge-litert'
    """
    broken = []
    for package, module, attribute in _CANDIDATES:
        found = _import(package, module, attribute)
        if isinstance(found, Runtime):
            return found
        if found:
            broken.append(f"{package} can't be imported: {found}")
    reasons = f" ({'; '.join(broken)})" if broken else ""
    raise BenchmarkError(f"No TFLite interpreter is installed{reasons}; run: pip install ai-edge-litert")


def _import(package: str, module: str, attribute: str) -> Runtime | str | None:
    """Return the interpreter, or why it can't be imported, or None if it is just not installed."""
    try:
        interpreter = operator.attrgetter(attribute)(importlib.import_module(module))
    except ModuleNotFoundError as error:
        absent = error.name is not None and module.startswith(error.name)
        return None if absent else str(error)  # else it is there, but misses something
    except (ImportError, AttributeError, OSError) as error:
        return str(error)
    return Runtime(interpreter, package, _version(package, module))


def _version(package: str, module: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        root = importlib.import_module(module.partition(".")[0])
        return str(getattr(root, "__version__", "unknown"))
