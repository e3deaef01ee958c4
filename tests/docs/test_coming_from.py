"""The page for those who come from another tool: each row runs as it stands, and what it says is true afterwards."""

import re
from dataclasses import dataclass, field

import pytest
from support import ROOT

TEXT = (ROOT / "docs" / "coming_from.md").read_text(encoding="utf-8")
SETUP = compile(re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1], "coming_from.md", "exec")
HEADER = ["| there | here | true afterwards |", "| --- | --- | --- |"]
TOOLS = [
    "torch.nn.utils.prune",
    "TensorFlow Model Optimization",
    "Torch-Pruning",
    "NNI",
    "NNCF",
    "SparseML",
    "JAX and MXNet",
    "Other spellings",
]


@dataclass(frozen=True)
class Row:
    """One row of a table: code, and an expression that is true after it and was not before."""

    tool: str
    number: int
    here: str = field(repr=False)
    afterwards: str

    def __str__(self) -> str:
        return f"{self.tool} {self.number}"


def code_of(cell: str) -> str:
    """Return the code of a cell, one line for each pair of backticks; a cell has nothing else."""
    assert re.fullmatch(r"`[^`]+`(<br>`[^`]+`)*", cell), cell
    return "\n".join(re.findall(r"`([^`]+)`", cell))


def read_tables() -> dict[str, list[Row]]:
    """Return the rows of the table in each section, by its title."""
    tables = {}
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        title, *lines = section.splitlines()
        header, rows = [line for line in lines if line.startswith("|")][:2], []
        assert header == HEADER, title
        for number, line in enumerate([line for line in lines if line.startswith("|")][2:], 1):
            there, here, afterwards = line.removeprefix("| ").removesuffix(" |").split(" | ")
            assert "`" in there, line
            rows.append(Row(title, number, code_of(here), code_of(afterwards)))
        tables[title] = rows
    return tables


TABLES = read_tables()


def holds(expression: str, names: dict) -> bool:
    """Whether an expression is true; not if it is about what is not there yet."""
    try:
        return bool(eval(expression, names))
    except NameError:
        return False


def test_every_tool_has_a_table_and_a_link_to_it():
    assert list(TABLES) == TOOLS
    for tool, rows in TABLES.items():
        assert rows, tool
        anchor = re.sub(r"[^\w -]", "", tool.lower()).replace(" ", "-")
        assert f"](#{anchor})" in TEXT.split("```")[0], anchor


@pytest.mark.parametrize("row", [row for rows in TABLES.values() for row in rows], ids=str)
def test_row_runs_and_what_it_says_holds(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(SETUP, names)
    names["model"].run_eagerly = row.number > 1  # to trace them all would take most of the time
    assert not holds(row.afterwards, names)
    exec(row.here, names)
    assert holds(row.afterwards, names), row.afterwards
