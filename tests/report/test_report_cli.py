"""`tfprune report` as users meet it: in a process of its own."""

import json

import numpy as np
import pytest
from report.test_make import DATA, network, without
from warm import tfprune_command

import tfprune


def command(folder, *arguments):
    return tfprune_command(folder, "report", *arguments, BROWSER="true")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("report_cli")
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save(where / "dense.keras")
    without(network(), [1, 2, 6]).save(where / "small.keras")
    np.savez(where / "val.npz", x=DATA[0], y=DATA[1])
    recipe = {"version": 1, "name": "none", "stages": [{"method": "shrink"}]}
    tfprune.compress(model, DATA, DATA, recipe, where / "out", verbose=0)
    return where


def test_two_models(folder):
    done = command(folder, "dense.keras", "small.keras", "--val", "val.npz", "--out", "mine.html", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["out"] == "mine.html"
    assert told["headline"][0]["name"] == "accuracy"
    assert told["command"] == "tfprune report dense.keras small.keras --val val.npz"
    assert (folder / "mine.html").read_text().startswith("<!DOCTYPE html>")
    again = command(folder, "dense.keras", "small.keras", "--out", "mine.html")
    assert again.returncode == 2
    assert "exists" in again.stderr


def test_a_folder(folder):
    (folder / "out" / "report.html").unlink()
    done = command(folder, "out", "--open")
    assert done.returncode == 0, done.stderr
    assert "wrote out/report.html" in done.stdout
    card = command(folder, "out", "--dense", "dense.keras", "--out", "card.md")
    assert card.returncode == 0, card.stderr
    assert "# none" in (folder / "card.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "give one folder that exists"),
        (["dense.keras"], "two .keras files"),
        (["out", "--out", "report.pdf"], "does not end in"),
        (["out", "--val", "val.npz"], "--val is for two models"),
    ],
)
def test_what_makes_no_sense_is_one_line(folder, arguments, message):
    done = command(folder, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
