"""The pages build as a site, without a warning; the reference has all that is public."""

import os
import re
import subprocess
import sys

import griffe
import pytest
import yaml
from support import ROOT

import tfprune
from tfprune import criteria, strategies

REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
NAMED = [
    pytest.param(name, id=name)
    for path in REFERENCE
    for name in re.findall(r"^::: (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.fixture(scope="session")
def package():
    return griffe.load("tfprune", search_paths=[str(ROOT)], resolve_aliases=True, allow_inspection=False)


@pytest.mark.parametrize("name", NAMED)
def test_reference_is_of_functions_and_classes(name, package):
    found = package[name.removeprefix("tfprune.")]
    found = found.final_target if found.is_alias else found
    assert found.kind.value in ("function", "class")
    assert found.docstring.value


def test_reference_has_every_name_of_the_package():
    text = "\n".join(path.read_text(encoding="utf-8") for path in REFERENCE)
    missing = {name for name in tfprune.NAMES if not re.search(rf"\b{name}$", text, re.MULTILINE)}
    assert missing == set()


def test_navigation_has_every_page():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8").replace("!!python", ""))

    def pages(tree):
        for value in tree if isinstance(tree, list) else tree.values():
            if isinstance(value, str):
                yield value
            else:
                yield from pages(value)

    found = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert set(pages(settings["nav"])) == found


@pytest.mark.slow
def test_site_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    page = (tmp_path / "site" / "reference" / "callbacks" / "index.html").read_text(encoding="utf-8")
    assert "PruneCallback" in page
    assert "GateCallback" in page


@pytest.mark.parametrize(
    ("guide", "heading", "registry", "told"),
    [
        ("search.md", "| strategy | |", strategies.strategies, "by {} strategies"),
        ("while_training.md", "| | look at weights |", criteria.criteria, "{} criteria"),
    ],
)
def test_readme_counts_what_a_guide_lists_and_the_package_has(guide, heading, registry, told):
    text = (ROOT / "docs" / "guides" / guide).read_text(encoding="utf-8")
    listed = re.findall(r'`"([\w]+)"`', text[text.index(heading) :].split("\n\n")[0])
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(registry.names)
    assert told.format(len(listed)) in (ROOT / "README.md").read_text(encoding="utf-8")
