"""The Python of README and docs runs, block after block, page by page."""

import pytest
from docs.given import given, make_model
from docs.pages import PAGES, code, name_of
from shortcuts import shorten

ELSEWHERE = {"docs/coming_from.md", "docs/contributing.md"}
RUN = [path for path in PAGES if code(path.read_text("utf-8"), "python") and name_of(path) not in ELSEWHERE]


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder with the trained model."""
    folder = tmp_path_factory.mktemp("docs")
    make_model().save(folder / "model.keras")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", RUN, ids=name_of)
def test_code_of_a_page_runs(path, shared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFPRUNE_CACHE", str(tmp_path / "cache"))
    shorten(monkeypatch.setattr)
    blocks = code(path.read_text(encoding="utf-8"), "python")
    names = given("\n".join(blocks), shared / "model.keras")
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{name_of(path)}, block {number}", "exec"), names)
