"""YAML of people and of strangers: plain values only, each written out where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tfprune.errors import InputError, one_line
from tfprune.files import PathLike, existing_file

__all__ = ["dump_yaml", "load_yaml", "read_yaml"]

LARGEST = 1 << 20
"""No recipe has so many characters."""

DEEPEST = 20
"""Nor lists in lists in lists."""


class PlainLoader(yaml.SafeLoader):
    """What `yaml.SafeLoader` loads, but for aliases, the same key twice, and what is nested without end.

    Aliases can make a value of a few lines as large as memory once it is looked at ("billion laughs"); of two equal
    keys one would be lost without a word.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = super().peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise marked(f"write out what *{event.anchor} stands for", event)
        self._depth += 1
        if self._depth > DEEPEST:
            raise marked(f"more than {DEEPEST} levels", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (LookupError, AttributeError, TypeError, ValueError) as error:  # as they come, of "!!bool maybe"
            kind = str(node.tag).rpartition(":")[2]
            what = repr(node.value[:40]) if isinstance(node, yaml.ScalarNode) else "this"
            why = f" ({error})" if isinstance(error, ValueError) else ""
            raise marked(f"{what} is no {kind}{why}", node) from error

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise marked(f"{key.value!r} is given twice", key)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def marked(problem: str, there: Any) -> yaml.MarkedYAMLError:
    """Return an error that says where it is."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=there.start_mark)


class PlainDumper(yaml.SafeDumper):
    """What `PlainLoader` reads: a value that occurs twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def load_yaml(text: str) -> Any:
    """Return what YAML says, as plain values.

    Raises:
        InputError: If it is not YAML, or not plain.

    Example:
        >>> load_yaml("stages: [{method: prune}]")
        {'stages': [{'method': 'prune'}]}
    """
    if len(text) > LARGEST:
        raise InputError(f"This has {len(text):,} characters; give YAML of {LARGEST:,} at most.")
    try:
        return yaml.load(text, PlainLoader)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:  # "\\UFFFFFFFF": no letter
        raise InputError(f"This is not YAML: {one_line(str(error), 500)}") from error


def read_yaml(path: PathLike) -> Any:
    """Return what a .yaml file says, as plain values.

    Raises:
        InputError: If there is no such file, it is not text, or it is not plain YAML.
    """
    found = existing_file(path, ".yaml", ".yml")
    if found.stat().st_size > 4 * LARGEST:
        raise InputError(f"{path} has {found.stat().st_size:,} bytes; that is no file of this kind.")
    try:
        text = Path(found).read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} is not a text file: {error}") from error
    try:
        return load_yaml(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def dump_yaml(values: Any, *, readable: bool = True) -> str:
    """Return plain values as YAML, in their order.

    Args:
        values: Dicts, lists, numbers, strings, booleans, None.
        readable: Whether characters that are no ASCII stay as they are.
    """
    text = yaml.dump(values, Dumper=PlainDumper, sort_keys=False, allow_unicode=readable, default_flow_style=False)
    return str(text)
