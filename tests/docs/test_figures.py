"""Every figure in README and docs is that of a JSON file which a benchmark wrote."""

import dataclasses
import importlib
import re
import xml.etree.ElementTree as ElementTree

import pytest
from docs.pages import PAGES, modules_of, name_of, prose
from support import ROOT

blocks, figures, pictures = modules_of("benchmarks", "blocks", "figures", "pictures")

GENERATED = {"docs/benchmarks.md"}
MEASURED = re.compile(r"\d[\d,]*\.\d+ ?(?:%|×|ms\b|s\b|µs|points?\b|[kMG]B)|± ?\d|\d+ ?%(?! sparsity)|\d+(?:\.\d+)?×")
ALLOWED = {
    "README.md": {"30 %", "80 %"},  # what a budget of 0.3 and an amount of 0.8 mean
    "docs/guides/while_training.md": {"80 %", "5 %"},  # settings and defaults, not results
    "docs/guides/from_tfmot.md": {"80 %"},  # the default
    "docs/index.md": {"± 2", "30 %", "80 %"},
    "docs/guides/zeros_on_devices.md": {"80 %"},
    "docs/guides/tflite.md": {"2.4×"},  # published by others, and called so
}


@pytest.mark.parametrize(("path", "text"), list(figures.wanted()), ids=lambda value: getattr(value, "name", ""))
def test_blocks_say_what_the_json_files_say(path, text):
    assert path.read_text(encoding="utf-8") == text, "run: python benchmarks/figures.py"


def test_a_changed_figure_is_noticed():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = figures.BLOCK.search(text)[0]
    number = re.search(r"\d\.\d\d", block)[0]
    assert figures.filled(text.replace(block, block.replace(number, "9.99", 1))) == text


def test_a_figure_that_was_not_measured_is_refused():
    with pytest.raises(LookupError, match="0 rows have"):
        blocks.one(blocks.result("resnet_cifar10")["results"], network="resnet56_cifar10", wanted=100.0)


@pytest.mark.parametrize("path", [path for path in PAGES if name_of(path) not in GENERATED], ids=name_of)
def test_no_measured_figure_stands_outside_of_a_block(path):
    text = prose(figures.BLOCK.sub("", path.read_text(encoding="utf-8")))
    found = {re.sub(r"\s+", " ", match[0]) for match in MEASURED.finditer(text)}
    assert found - ALLOWED.get(name_of(path), set()) == set()


def test_what_may_be_chance_is_not_bold():
    peers = importlib.import_module("shown.peers")
    within = 2 * peers.certainty()
    assert peers.clear(90.0, 90.0 - within + 0.1)[0] == "90.00"
    assert peers.clear(90.0, 91.0) == ["90.00", "91.00"]
    assert peers.clear(90.0, 90.0 - within - 0.1)[0] == "**90.00**"


def test_every_block_is_known_and_every_figure_is_shown():
    used = {match["name"] for path in figures.documents() for match in figures.BLOCK.finditer(path.read_text("utf-8"))}
    assert used == set(blocks.FIGURES)


def test_picture_of_readme_shows_the_measured_values():
    tree = ElementTree.parse(ROOT / "docs" / "images" / "trade_off.svg")
    texts = [text.strip() for element in tree.iter() if element.tag.endswith("text") for text in element.itertext()]
    for name, points in pictures.trade_off().items():
        shown = points[1:-1] if name.startswith("tfprune") else points[:-1]
        for _, accuracy in shown:
            assert f"{accuracy:.1f}" in texts, name
        assert any(re.fullmatch(rf"{points[-1][1]:.1f}\s+{re.escape(name)}", text) for text in texts), name


def test_pictures_show_what_the_json_files_say():
    for name, picture in pictures.drawn().items():
        assert pictures.is_today(picture, pictures.IMAGES / f"{name}.svg"), f"{name}: run python benchmarks/pictures.py"


def test_a_changed_value_is_noticed_in_a_picture():
    picture = pictures.drawn()["image_count"]
    other = dataclasses.replace(picture, panels=picture.panels[:1])
    assert not pictures.is_today(other, pictures.IMAGES / "image_count.svg")


def test_every_benchmark_has_a_picture_unless_its_answers_are_yes_or_no():
    page = importlib.import_module("shown.page")
    shown = {entry.picture or entry.name for entry in page.ENTRIES if (page.RESULTS / f"{entry.name}.json").exists()}
    bare = {name for name in shown if not (page.IMAGES / f"{name}.svg").exists()}
    yes_or_no = {"arm64", "older_runtimes", "lint_applications", "coverage", "applications_oracle", "keras_hub_oracle"}
    assert bare == yes_or_no
