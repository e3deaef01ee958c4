"""The documents, and what they are made of."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

from support import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)


def name_of(path: Path) -> str:
    """Return a document's name, for the tests' ids."""
    return str(path.relative_to(ROOT))


def prose(text: str) -> str:
    """Return a document without its code, blocks and spans."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def code(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return [match["code"] for match in FENCE.finditer(text) if match["language"] == language]


def modules_of(folder: str, *names: str) -> list[ModuleType]:
    """Return modules of a folder of scripts, whose other names are not left to hide those of the tests."""
    path = str(ROOT / folder)
    sys.path.insert(0, path)
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(path)
