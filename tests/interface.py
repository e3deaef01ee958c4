"""The public interface as text: every public name, with its signature; of classes their public methods too.

python tests/interface.py > tests/interface.txt      # after a change that is meant
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def lines() -> Iterator[str]:
    """Yield a line for each public name of the package and its public modules."""
    import tfprune

    seen: set[str] = set()
    modules = [name for name in tfprune.__all__ if isinstance(getattr(tfprune, name), types.ModuleType)]
    for module in ("", *sorted(modules)):
        full = f"tfprune.{module}".rstrip(".")
        held = importlib.import_module(full)
        for name in sorted(getattr(held, "__all__", [])):
            value = getattr(held, name)
            if isinstance(value, types.ModuleType) or f"{full}.{name}" in seen:
                continue
            seen.add(f"{full}.{name}")
            yield from described(f"{full}.{name}", value)


def described(path: str, value: Any) -> Iterator[str]:
    """Yield what a user has to know to call something."""
    if typing.get_origin(value):
        yield f"type {path}"
    elif inspect.isclass(value):
        yield f"class {path}{signature(value)}"
        members = inspect.getmembers(value, lambda member: callable(member) or isinstance(member, property))
        for name, member in members:
            if name.startswith("_") or not getattr(owner(value, name), "__module__", "").startswith("tfprune"):
                continue
            yield f"  .{name}" if isinstance(member, property) else f"  .{name}{signature(member)}"
    elif callable(value):
        yield f"def {path}{signature(value)}"
    else:
        yield f"{path}: {type(value).__name__}"


def owner(kind: type, name: str) -> Any:
    """Return the class that defines a member."""
    return next((base for base in kind.__mro__ if name in vars(base)), None)


def signature(value: Any) -> str:
    """Return the parameters: names, kinds, and defaults that are plain."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "(…)"
    parameters = []
    for parameter in found.parameters.values():
        default = parameter.default
        plain = default is None or isinstance(default, bool | int | float | str | tuple)
        shown = parameter.replace(annotation=parameter.empty, default=parameter.empty)
        text = str(shown)
        if default is not parameter.empty:
            text += f"={default!r}" if plain else "=…"
        parameters.append((parameter.kind, text))
    texts, starred = [], False
    for kind, text in parameters:
        if kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            texts.append("*")
        starred = starred or kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL)
        texts.append(text)
    return f"({', '.join(texts)})"


if __name__ == "__main__":
    print("\n".join(lines()))
