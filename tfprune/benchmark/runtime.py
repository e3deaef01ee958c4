"""Which TFLite interpreters this machine has; they are imported only inside the worker processes."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import operator
from dataclasses import dataclass
from typing import Any

from tfprune.errors import BenchmarkError

__all__ = ["INTERPRETERS", "Runtime", "find_runtime", "installed"]

_CANDIDATES = (  # package, module, where the class is in the module; the best first
    ("ai-edge-litert", "ai_edge_litert.interpreter", "Interpreter"),
    ("tflite-runtime", "tflite_runtime.interpreter", "Interpreter"),
    ("tensorflow", "tensorflow", "lite.Interpreter"),
)
INTERPRETERS = tuple(package for package, *_ in _CANDIDATES)
_RESOLVERS = {"tensorflow": "lite.experimental.OpResolverType"}  # where else it is not beside the class


@dataclass(frozen=True)
class Runtime:
    """An interpreter class, the package that it comes from, and that package's version."""

    interpreter: Any
    name: str
    version: str
    module: str = ""

    def open(self, source: str | bytes, threads: int, delegate: bool = True) -> Any:
        """Make an interpreter of a file, given by its path or by its content.

        Args:
            source: The path of the file, or the bytes in it.
            threads: The threads of the interpreter.
            delegate: Whether its default delegate (XNNPACK) may take operations.

        Raises:
            BenchmarkError: If this interpreter can't do without its default delegate.
        """
        model = {"model_path": source} if isinstance(source, str) else {"model_content": source}
        if delegate:
            return self.interpreter(**model, num_threads=threads)
        return self.interpreter(**model, num_threads=threads, experimental_op_resolver_type=self._without_delegates())

    def _without_delegates(self) -> Any:
        where = _RESOLVERS.get(self.name, "OpResolverType") + ".BUILTIN_WITHOUT_DEFAULT_DELEGATES"
        try:
            return operator.attrgetter(where)(importlib.import_module(self.module))
        except AttributeError as error:
            raise BenchmarkError(
                f"{self.name} {self.version} can't run without its default delegate ({error}); leave delegate=True, "
                "or use a newer one."
            ) from error


def installed() -> tuple[str, ...]:
    """Return the names of the interpreters that are installed here, without importing them.

    Example:
        >>> "ai-edge-litert" in installed()
        True
    """
    return tuple(package for package, module, _ in _CANDIDATES if _is_there(module.partition(".")[0]))


def find_runtime(name: str | None = None) -> Runtime:
    """Return an interpreter by its name, or the first that can be imported: LiteRT, tflite_runtime, TensorFlow's own.

    Args:
        name: The package that the interpreter is to come from, or None for the first that works.

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
        if name not in (None, package):
            continue
        found = _import(package, module, attribute)
        if isinstance(found, Runtime):
            return found
        if found:
            broken.append(f"{package} can't be imported: {found}")
    reasons = f" ({'; '.join(broken)})" if broken else ""
    wanted = "No TFLite interpreter is installed" if name is None else f"The interpreter {name} can't be used"
    raise BenchmarkError(f"{wanted}{reasons}; run: pip install {name or 'ai-edge-litert'}")


def _is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _import(package: str, module: str, attribute: str) -> Runtime | str | None:
    """Return the interpreter, or why it can't be imported, or None if it is just not installed."""
    try:
        interpreter = operator.attrgetter(attribute)(importlib.import_module(module))
    except ModuleNotFoundError as error:
        absent = error.name is not None and module.startswith(error.name)
        return None if absent else str(error)  # else it is there, but misses something
    except (ImportError, AttributeError, OSError) as error:
        return str(error)
    return Runtime(interpreter, package, _version(package, module), module)


def _version(package: str, module: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        root = importlib.import_module(module.partition(".")[0])
        return str(getattr(root, "__version__", "unknown"))
