"""Layer names with markup, control characters and ten thousand letters break no page, no path and no line."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from warm import tfprune_command

import tfprune
from tfprune.partition import Device, Devices, Link, load_stages, partition, plan_partition

NAMES = {
    "markup": "<script>alert(1)<img src=x onerror=alert(2)>",
    "quotes": "a\"b'c`d{{7*7}}${x}%s{0}",
    "escapes": "red\x1b[31m\x07bell",
    "lines": "one\ntwo\r\nthree\u2028four",
    "dots": "..\\..\\etc\\passwd",
    "drive": "C:con.txt|nul>x",
    "unicode": "層🙂\u202eevil\u202c",
    "arrows": "x-->..\\\\>",
    "long": "n" * 10_000,
}
CALLED = ("long",)
"""What TensorFlow lets a model be called with; the others can only be in files."""


def network(name: str) -> keras.Model:
    """A network all of whose layers have a hostile name."""
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, name=f"{name}1", activation="relu")(x)
    x = layers.Conv2D(8, 3, name=f"{name}2")(x)
    x = layers.GlobalAveragePooling2D(name=f"{name}3")(x)
    return keras.Model(inputs, layers.Dense(3, name=f"{name}4")(x), name="hostile")


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


@pytest.mark.parametrize("kind", CALLED)
def test_a_page_about_it_shows_the_name_as_text(kind, tmp_path):
    model = network(NAMES[kind])
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    small = tfprune.prune_filters(model, 0.5)
    made = tfprune.report.make(model, small, val=(x, np.zeros(16)))
    for ending in ("html", "json", "md"):
        made.save(tmp_path / f"page.{ending}")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Tags()
    page.feed(text)
    assert "alert(" not in "".join(page.scripts)
    assert page.handlers == []
    assert not any(c in text for c in "\x1b\x07\x00")
    json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert "\x1b" not in (tmp_path / "page.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "page.json", "page.md"]


@pytest.mark.parametrize("kind", CALLED)
def test_stages_and_files_are_written_where_they_belong(kind, tmp_path):
    model, folder = network(NAMES[kind]), tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    row = Devices([Device("a"), Device("b")], Link("1MB/s"))
    partition(model, plan_partition(model, row, stages=2, latency=[1.0] * 4)).save(folder / "stages", tflite=False)
    assert len(load_stages(folder / "stages")) == 2
    result = tfprune.to_tflite(model, folder / "model.tflite", quantize="float16")
    assert not any(c in str(result) for c in "\x1b\x07\x00\r")
    tfprune.lint(folder / "model.tflite")
    assert {path.name for path in folder.iterdir()} == {"stages", "model.tflite"}
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


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
