"""The settings that models are run with, side by side: threads, the delegate, the interpreter."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tfprune.benchmark.runtime import INTERPRETERS, installed
from tfprune.benchmark.settings import check_number
from tfprune.errors import InputError, nearest

__all__ = ["Configuration", "configurations"]

ALL = "all"
T = TypeVar("T")


@dataclass(frozen=True)
class Configuration:
    """One way to run a model.

    Args:
        threads: The threads of the interpreter.
        delegate: Whether the interpreter's default delegate (XNNPACK) may take operations.
        interpreter: The package that the interpreter comes from; None for the first that is installed.
    """

    threads: int = 1
    delegate: bool = True
    interpreter: str | None = None


def configurations(
    threads: int | Sequence[int], delegate: bool | Sequence[bool], interpreter: str | Sequence[str] | None
) -> list[Configuration]:
    """Return every combination of the settings given, each once, in the order given.

    Args:
        threads: A number of threads, or several.
        delegate: Whether to allow the default delegate, or both.
        interpreter: A name from "ai-edge-litert", "tflite-runtime" and "tensorflow", or several; "all" for those that
            are installed; None for the first that is.

    Raises:
        InputError: If a setting makes no sense, or an interpreter is not installed.

    Example:
        >>> [(each.threads, each.delegate) for each in configurations([1, 2], [True, False], None)]
        [(1, True), (1, False), (2, True), (2, False)]
    """
    counts = _several("threads", threads)
    for count in counts:
        check_number("threads", count, 1, whole=True)
    delegates = _several("delegate", delegate)
    for allowed in delegates:
        if not isinstance(allowed, bool):
            raise InputError(f"delegate={allowed!r} is not possible; give True, False or [True, False].")
    names: Sequence[str | None] = [None] if interpreter is None else _interpreters(interpreter)
    return [Configuration(c, d, n) for n, c, d in itertools.product(names, counts, delegates)]


def _interpreters(given: str | Sequence[str]) -> list[str]:
    present = installed()
    here = f"Installed are: {', '.join(present) or 'none'}."
    names: list[str] = []
    for name in _several("interpreter", given):
        if name == ALL:
            names += present
        elif name not in INTERPRETERS:
            raise InputError(f"There is no interpreter {name!r}. {nearest(name, [*INTERPRETERS, ALL])} {here}")
        elif name not in present:
            raise InputError(f"The interpreter {name} is not installed. {here} Else run: pip install {name}")
        else:
            names.append(name)
    if not names:
        raise InputError("No TFLite interpreter is installed; run: pip install ai-edge-litert")
    return _once(names)


def _several(name: str, given: Any) -> list[Any]:
    values = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    if not values:
        raise InputError(f"{name}={given!r} is empty; give one value or several.")
    # By type too: True equals 1.
    return [value for _, value in _once((type(value), value) for value in values)]


def _once(values: Iterable[T]) -> list[T]:
    seen: list[T] = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return seen
