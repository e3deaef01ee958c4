"""Links in README and docs lead somewhere, and the command lines in them are ones that tfprune has."""

import re
import shlex
from importlib import import_module

import pytest
import typer
from docs.pages import FENCE, PAGES, code, name_of
from support import ROOT

from tfprune.cli.app import COMMANDS, app

for name in COMMANDS:
    import_module(f"tfprune.cli.{name}")
PROGRAM = typer.main.get_command(app)
LINK = re.compile(r"(?<!`)\]\((?P<target>[^)\s]+)\)")


def anchors(text):
    """Return the anchors of a page: its headings', as GitHub and MkDocs make them, and explicit ones."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


def lines():
    """Yield each command line in a document."""
    for path in PAGES:
        for block in code(path.read_text(encoding="utf-8"), ""):
            for line in block.splitlines():
                words = line.removeprefix("$ ")
                if words.startswith(("tfprune ", ".venv/bin/tfprune ")):
                    yield pytest.param(words, id=f"{path.stem}: {words[:60]}")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path):
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    site = ROOT / "docs"
    for match in LINK.finditer(text):
        target, _, anchor = match["target"].partition("#")
        if target.startswith(("http://", "https://")):
            continue
        other = (path.parent / target).resolve() if target else path
        assert other.exists(), match["target"]
        assert other == path or ROOT in other.parents, match["target"]
        assert site not in path.parents or site in other.parents, f"{match['target']} is not in the site"
        if anchor:
            assert anchor in anchors(other.read_text(encoding="utf-8")), match["target"]


@pytest.mark.parametrize("line", list(lines()))
def test_command_lines_are_valid(line):
    _, *words = shlex.split(line, comments=True)
    command = PROGRAM
    while hasattr(command, "commands"):
        _, words, _ = command.make_parser(command.context_class(command)).parse_args(words)
        name = words.pop(0)
        assert name in command.commands, name
        command = command.commands[name]
    _, rest, _ = command.make_parser(command.context_class(command)).parse_args(words)
    assert not rest


def test_page_of_the_command_line_shows_every_command():
    text = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    assert {name for name in PROGRAM.commands if f"\ntfprune {name} " not in text} == set()
