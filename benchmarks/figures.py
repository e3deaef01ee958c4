"""Every figure in README and docs, taken from the JSON files that the benchmarks wrote.

A document has blocks between `<!-- figures: name -->` and `<!-- end -->`; what stands there is what the function of
that name in `shown/` makes of the JSON. So a figure in the text can't differ from what was measured: a test compares
them.

    python benchmarks/figures.py            # writes the blocks anew, and docs/benchmarks.md
    python benchmarks/figures.py --check    # says which differ, and exits with 1
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
BLOCK = re.compile(r"<!-- figures: (?P<name>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
FIGURES: dict[str, Callable[[], str]] = {}
"""What makes a block's text, by name."""


def figures(make: Callable[[], str]) -> Callable[[], str]:
    """Register a function that returns a block's Markdown; the block has its name, with `-` for `_`."""
    FIGURES[make.__name__.replace("_", "-")] = make
    return make


@cache
def result(name: str) -> Any:
    """Return what a benchmark wrote, `results/<name>.json`."""
    return json.loads((FOLDER / "results" / f"{name}.json").read_text(encoding="utf-8"))


def one(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """Return the one row that has these values.

    Raises:
        LookupError: If none has them, or several have: a text must not show a figure that was not measured.
    """
    found = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows have {wanted}, not one")
    return found[0]


def documents() -> list[Path]:
    """Return the documents that may have blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str, folder: Path = ROOT) -> str:
    """Return the text of a document in a folder with each block as it is to be."""
    load()
    up = os.path.relpath(ROOT / "docs", folder)

    def fill(match: re.Match[str]) -> str:
        block = FIGURES[match["name"]]().replace("](docs/", "](" if up == "." else f"]({up}/")
        return f"<!-- figures: {match['name']} -->\n\n{wrapped(block)}\n\n<!-- end -->"

    return BLOCK.sub(fill, text)


def wrapped(text: str) -> str:
    """Return Markdown with its paragraphs, not its tables, in lines that are not too long."""
    parts = text.strip().split("\n\n")
    fold = textwrap.TextWrapper(width=120, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join(part if part.startswith("|") else fold.fill(part) for part in parts)


@cache
def load(folder: str = "shown") -> None:
    """Import everything in a folder, so that it registers."""
    for path in sorted((FOLDER / folder).glob("*.py")):
        if path.stem != "__init__":
            importlib.import_module(f"{folder}.{path.stem}")


def wanted() -> Iterator[tuple[Path, str]]:
    """Yield each document with the text that it is to have."""
    load()
    from shown.page import page

    yield ROOT / "docs" / "benchmarks.md", page()
    for path in documents():
        if path.name != "benchmarks.md":
            yield path, filled(path.read_text(encoding="utf-8"), path.parent)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if something differs")
    arguments = parser.parse_args()
    differ = [(path, text) for path, text in wanted() if not path.exists() or path.read_text(encoding="utf-8") != text]
    from tfprune.files import write_atomically

    for path, text in differ:
        if not arguments.check:
            write_atomically(path, text)
        print(f"{path.relative_to(ROOT)}: {'differs from' if arguments.check else 'written from'} the JSON files")
    if arguments.check and differ:
        raise SystemExit(1)


if __name__ == "__main__":
    # `shown/` imports this module by its name; it must be the same one
    sys.modules.setdefault("figures", sys.modules["__main__"])
    main()
