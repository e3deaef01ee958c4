"""Layer names with markup, control characters and ten thousand letters break no page, no path and no line."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from attacks.hostile_names import LATER, NAMES, network, renamed
from warm import tfprune_command

import tfprune
from tfprune.errors import ExportError, InputError
from tfprune.partition import Device, Devices, Link, load_stages, partition, plan_partition

ENDINGS = ("html", "json", "md")


class Tags(HTMLParser):
    """Collects what a page has besides text."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.handlers = [], []
        self._in_script = False

    def handle_starttag(self, tag, attrs):
        self._in_script = tag == "script"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        if self._in_script:
            self.scripts.append(data)

    def handle_endtag(self, tag):
        self._in_script = False


def check_page(folder):
    """The page has no other scripts than ours, and no letters that steer a terminal."""
    text = (folder / "page.html").read_text(encoding="utf-8")
    page = Tags()
    page.feed(text)
    assert page.scripts  # else it would prove nothing
    assert "alert(" not in "".join(page.scripts)
    assert page.handlers == []
    assert not any(c in text for c in "\x1b\x07\x00")
    json.loads((folder / "page.json").read_text(encoding="utf-8"))
    assert "\x1b" not in (folder / "page.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == ["page.html", "page.json", "page.md"]


def test_a_page_about_long_names(tmp_path):
    model = network(NAMES["long"])
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    made = tfprune.report.make(model, tfprune.prune_filters(model, 0.5), val=(x, np.zeros(16)))
    for ending in ENDINGS:
        made.save(tmp_path / f"page.{ending}")
    check_page(tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in LATER if "/" not in LATER[kind]])
def test_a_page_shows_the_name_as_text(kind, tmp_path):
    model = renamed(LATER[kind])
    made = tfprune.report.make(model, tfprune.prune_filters(model, 0.5))
    for ending in ENDINGS:
        made.save(tmp_path / f"page.{ending}")
    check_page(tmp_path)
    if kind == "markup":
        assert "&lt;script&gt;alert(1)" in (tmp_path / "page.html").read_text(encoding="utf-8")


def check_scopes():
    """What is made after an error has paths of its own: no name of a layer is left in front of them."""
    layer = keras.layers.Dense(1, name="next")
    layer.build((None, 1))
    assert layer.kernel.path == "next/kernel"


def stages_of(model, folder):
    """Write the stages of a network."""
    row = Devices([Device("a"), Device("b")], Link("1MB/s"))
    partition(model, plan_partition(model, row, stages=2, latency=[1.0] * 4)).save(folder, tflite=False)


def inside(tmp_path):
    """A folder to write to, so far above it that what escapes is seen."""
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    return folder


def test_stages_and_files_are_written_where_they_belong(tmp_path):
    model, folder = network(NAMES["long"]), inside(tmp_path)
    stages_of(model, folder / "stages")
    assert len(load_stages(folder / "stages")) == 2
    result = tfprune.to_tflite(model, folder / "model.tflite", quantize="float16")
    assert not any(c in str(result) for c in "\x1b\x07\x00\r")
    tfprune.lint(folder / "model.tflite")
    assert {path.name for path in folder.iterdir()} == {"stages", "model.tflite"}
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


@pytest.mark.parametrize("kind", [kind for kind in LATER if kind not in ("long", "path", "root", "null")])
def test_stages_of_layers_with_odd_names_have_names_of_their_own(kind, tmp_path):
    folder = inside(tmp_path)
    stages_of(renamed(LATER[kind]), folder / "stages")
    assert len(load_stages(folder / "stages")) == 2
    assert {p.name for p in (folder / "stages").iterdir()} == {"manifest.json", "stage_1.keras", "stage_2.keras"}
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


@pytest.mark.parametrize("kind", ["path", "root"])
def test_a_name_that_is_a_path_is_refused_where_layers_are_made_anew(kind, tmp_path):
    model, folder = renamed(LATER[kind]), inside(tmp_path)
    with pytest.raises(InputError, match="none with '/' in its name"):
        tfprune.prune_filters(model, 0.5)
    with pytest.raises(InputError, match="none with '/' in its name"):
        stages_of(model, folder / "stages")
    assert not list(folder.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


@pytest.mark.parametrize("kind", [kind for kind in LATER if kind != "long"])
def test_a_file_of_a_name_that_tensorflow_refuses_is_refused_in_one_line(kind, tmp_path):
    model, folder = renamed(LATER[kind]), inside(tmp_path)
    with pytest.raises(ExportError, match="TensorFlow can't convert a layer named") as caught:
        tfprune.to_tflite(model, folder / "model.tflite")
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 500
    assert not list(folder.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    check_scopes()


@pytest.mark.parametrize("kind", ["markup", "escapes"])
def test_statistics_of_a_network_with_a_name_that_tensorflow_refuses_are_refused(kind):
    model = renamed(LATER[kind])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(InputError, match=r"is not a valid (root )?scope name"):
        tfprune.prune_filters(model, 0.5, criterion="taylor", data=(np.zeros((4, 8, 8, 3), "float32"), np.zeros(4)))
    check_scopes()


@pytest.mark.parametrize("kind", NAMES)
def test_commands_print_no_control_characters(kind, tmp_path):
    network(NAMES[kind]).save(tmp_path / "model.keras")
    for command in (["summary", "model.keras"], ["prune", "model.keras", "--sparsity", "0.5", "--out", "out.keras"]):
        done = tfprune_command(tmp_path, *command, timeout=60)
        shown = done.stdout + done.stderr
        assert not any(c in shown for c in "\x07\x00\r\u2028\u202e")
        assert "\x1b[31m" not in shown
        if NAMES[kind].isprintable():
            assert done.returncode == 0, done.stderr[-2000:]
        else:
            assert done.returncode == 2
            assert "control characters" in done.stderr.strip().splitlines()[-1]
