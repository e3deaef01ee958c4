"""A report is plain values: there and back again, and nothing else is taken for one."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report.samples import HOSTILE, report_of
from support import examples

from tfprune.errors import InputError
from tfprune.report import Report
from tfprune.report.channels import runs_of
from tfprune.report.html.strips import drawn_runs
from tfprune.report.parts import Change, Channels


@pytest.mark.parametrize(
    "report", [report_of(), report_of(names=HOSTILE), Report("", "models")], ids=lambda one: one.source
)
def test_there_and_back_again(report, tmp_path):
    again = Report.from_json(report.to_json())
    assert again == report
    assert again.to_json() == report.to_json()
    report.save(tmp_path / "report.json")
    assert Report.load(tmp_path / "report.json") == report


@settings(max_examples=examples(50), deadline=None)
@given(st.text(), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.integers(0, 9), max_size=5))
def test_any_values_come_back(name, amount, runs):
    size = sum(runs) or 9
    group = Channels(name, "", size, min(sum(runs[::2]), size), tuple(runs) if sum(runs) else ())
    report = Report(name, "models", headline=(Change(name, "ms", amount),), channels=(group,))
    assert Report.from_json(report.to_json()) == report
    assert report.to_html() == report.to_html()


GOOD = json.loads(report_of(2).to_json())
WEIGHTS = {"name": "a", "shape": [2], "picture": [], "limit": 1.0}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", "1" * 5000, "[" * 100_000, json.dumps({**GOOD, "version": 2}),
        json.dumps({**GOOD, "title": 3}), json.dumps({**GOOD, "layers": "many"}), json.dumps({**GOOD, "surprise": 1}),
        json.dumps({**GOOD, "layers": [{"name": "a"}]}),
        json.dumps({**GOOD, "headline": [{"name": "a", "unit": "", "after": "x"}]}),
        json.dumps({**GOOD, "headline": [{"name": "a", "unit": "", "after": float("inf")}]}),
        json.dumps({**GOOD, "channels": [{"name": "a", "kind": "filter", "size": 0, "left": 0}]}),
        json.dumps({**GOOD, "channels": [{"name": "a", "kind": "filter", "size": 8, "left": 9}]}),
        json.dumps({**GOOD, "channels": [{"name": "a", "kind": "filter", "size": 8, "left": 3, "runs": [3, 4]}]}),
        json.dumps({**GOOD, "weights": [{**WEIGHTS, "after": [1], "before": [1, 2]}]}),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(text):
    with pytest.raises(InputError, match="no saved report"):
        Report.from_json(text)


def test_files_are_refused_before_they_are_written(tmp_path):
    report = report_of(2)
    with pytest.raises(InputError, match="does not end in"):
        report.save(tmp_path / "report.pdf")
    report.save(tmp_path / "report.html")
    with pytest.raises(InputError, match="exists"):
        report.save(tmp_path / "report.html")
    report.save(tmp_path / "report.html", overwrite=True)
    with pytest.raises(InputError, match="can't be read"):
        Report.load(tmp_path / "none.json")


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.integers(1, 64))
def test_runs_of_channels_are_what_they_were(kept, most):
    import numpy as np

    runs = runs_of(np.array(kept))
    assert [n % 2 == 0 for n, length in enumerate(runs) for _ in range(length)] == kept
    drawn, scale = drawn_runs(runs, most)
    assert sum(drawn) == min(len(kept), most)
    assert abs(sum(drawn) * scale - len(kept)) < 1e-9


def test_a_card_has_the_numbers_and_no_markup_of_names(tmp_path):
    card = report_of().card()
    assert "91.2 %" in card
    assert "50.2 kB" in card
    assert "| dense |" in card
    bad = report_of(names=HOSTILE)
    card = bad.card()
    outside = re.sub(r"^(```+).*?^\1$", "", card, flags=re.DOTALL | re.MULTILINE)
    assert "<" not in outside
    assert card.count("```yaml") == 1
    bad.save(tmp_path / "card.md")
    assert replace(bad, title="x").card() != card


def test_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    written = report_of(names=[*HOSTILE, "$x_{$"]).save_pictures(tmp_path / "pictures")
    assert [path.name for path in written] == [
        "headline.png", "front.png", "stages.png", "training.png", "layers.png", "channels.png", "weights.png",
        "time.png",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    assert Report("", "models").save_pictures(tmp_path) == []
