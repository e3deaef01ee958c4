"""Frozen records as plain values, and back: what JSON can hold, checked when it is read."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Return a record, or what one holds, as dicts, lists, strings and numbers; fields that are empty are left out.

    A number that is not finite becomes None: JSON has no other word for it.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: (getattr(value, field.name), field.default) for field in dataclasses.fields(value)}
        return {
            name: to_plain(held) for name, (held, default) in fields.items() if held is not None and held != default
        }
    if isinstance(value, Mapping):
        return {str(name): to_plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(held) for held in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def from_plain(cls: type[T], values: Any) -> T:
    """Return the record that plain values describe.

    Args:
        cls: A frozen dataclass, whose fields are numbers, strings, tuples, mappings, records, or None.
        values: What `to_plain` returned.

    Raises:
        ValueError: If a value is not of its field's kind, a field is missing, or there is one that nobody knows.
    """
    made: T = _read(cls, values, cls.__name__)
    return made


def _read(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        (kind,) = [one for one in args if one is not type(None)]
        return _read(kind, value, where)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} is no list")
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) != len(value):
            raise ValueError(f"{where} has {len(value)} parts, not {len(kinds)}")
        return tuple(_read(one, held, f"{where}[{n}]") for n, (one, held) in enumerate(zip(kinds, value, strict=True)))
    if origin is not None:  # a mapping of strings
        if not isinstance(value, Mapping):
            raise ValueError(f"{where} is no mapping")
        return {str(name): _read(args[1], held, f"{where}[{str(name)!r}]") for name, held in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise ValueError(f"{where} is {str(value)[:60]!r}, not of the kind {kind.__name__}")
    return value


def _record(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} is no mapping")
    hints, fields = typing.get_type_hints(kind), {field.name: field for field in dataclasses.fields(kind)}
    unknown = [name for name in value if name not in fields]
    if unknown:
        raise ValueError(f"{where} has the unknown field {str(unknown[0])[:60]!r}")
    missing = [
        name for name, field in fields.items()
        if name not in value and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]  # fmt: skip
    if missing:
        raise ValueError(f"{where} lacks {missing[0]!r}")
    return kind(**{name: _read(hints[name], held, f"{where}.{name}") for name, held in value.items()})
