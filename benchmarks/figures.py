"""Every figure in README and docs, taken from the JSON files that the benchmarks wrote.

A document has blocks between `<!-- figures: name -->` and `<!-- end -->`; what stands there is what the function of
that name in `shown/` makes of the JSON. So a figure in the text can't differ from what was measured: a test compares
them.

    python benchmarks/figures.py            # writes the blocks anew, and docs/benchmarks.md
    python benchmarks/figures.py --check    # says which differ, and exits with 1
"""

from __future__ import annotations

import argparse
import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from blocks import FIGURES, load
from common import ROOT
from shown.page import page

from tfprune.files import write_atomically

BLOCK = re.compile(r"<!-- figures: (?P<name>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)


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


def wanted() -> Iterator[tuple[Path, str]]:
    """Yield each document with the text that it is to have."""
    load()
    yield ROOT / "docs" / "benchmarks.md", page()
    for path in documents():
        if path.name != "benchmarks.md":
            yield path, filled(path.read_text(encoding="utf-8"), path.parent)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if something differs")
    arguments = parser.parse_args()
    differ = [(path, text) for path, text in wanted() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path, text in differ:
        if not arguments.check:
            write_atomically(path, text)
        print(f"{path.relative_to(ROOT)}: {'differs from' if arguments.check else 'written from'} the JSON files")
    if arguments.check and differ:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
