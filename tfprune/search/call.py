"""A search as the call that makes the same again."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

__all__ = ["call_of"]

NO_MATTER = ("folder", "overwrite", "workers", "verbose")
"""Arguments that change nothing about what is found."""


def call_of(function: Callable[..., Any], name: str, arguments: Mapping[str, Any]) -> str:
    """Return a call as Python text: arguments as they are by default are left out, models and data are named only.

    Args:
        function: What is called.
        name: How people call it.
        arguments: The values of all its arguments, by name.

    Example:
        >>> def fit(model, data, *, budget=None, seed=0, val=None, verbose=1): ...
        >>> given = {"model": 0, "data": np.ones(3), "budget": Budget(macs=0.5), "seed": 0, "val": None, "verbose": 0}
        >>> call_of(fit, "fit", given)
        'fit(0, data, budget=Budget(macs=0.5))'
    """
    parts = []
    for parameter in inspect.signature(function).parameters.values():
        value = arguments[parameter.name]
        if parameter.name in NO_MATTER:
            continue
        text = _text(value, parameter.name)
        if parameter.default is inspect.Parameter.empty:
            parts.append(text)
        elif not _same(value, parameter.default):
            parts.append(f"{parameter.name}={text}")
    return f"{name}({', '.join(parts)})"


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return len(value) == len(default) and all(map(_same, value, default))
    return type(value) is type(default) and bool(value == default)


def _text(value: Any, name: str) -> str:
    """Return a value as Python text; the argument's name, if it is more than that."""
    if value is None or isinstance(value, str | bool | int | float):
        return repr(value)
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, list | tuple) and all(
        one is None or isinstance(one, str | bool | int | float) for one in value
    ):
        return repr(list(value))
    if isinstance(value, keras.Layer):
        return name if isinstance(value, keras.Model) else repr(value.name)
    if dataclasses.is_dataclass(value):
        fields = {field.name: (getattr(value, field.name), field.default) for field in dataclasses.fields(value)}
        told = [f"{key}={_text(held, key)}" for key, (held, default) in fields.items() if not _same(held, default)]
        return f"{type(value).__name__}({', '.join(told)})"
    return name
