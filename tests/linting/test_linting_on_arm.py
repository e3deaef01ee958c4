"""The linter says what an ARM processor does: recorded runs of the real runtime under qemu (benchmarks/arm64.py)."""

import importlib.util
import json
import sys

import pytest
from support import ROOT

import tfprune

RESULTS = json.loads((ROOT / "benchmarks" / "results" / "arm64.json").read_text(encoding="utf-8"))["results"]
QUICK = (
    "as it should be",
    "strides of 2 inside, even padding",
    "strides of 2 inside, padding same",
    "grey image",
    "3 × 3 convolution inside",
    "concatenation",
    "inverted residuals",
    "squeeze and excitation by convolutions",
    "… by Dense and Reshape",
    "1 × 1 convolution as head",
    "a second head of 1 × 1 convolutions",
)


def load_variants():
    name = "graph_variants"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / "graph_variants.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return {one.name: one for one in sys.modules[name].VARIANTS}


VARIANTS = load_variants()


def test_every_variant_was_run_on_arm_and_did_what_was_foretold():
    assert [one["variant"] for one in RESULTS if not one["agrees"]] == []
    assert {one["variant"] for one in RESULTS} == set(VARIANTS)
    seen = [one["seen"] for one in RESULTS]
    assert all(seen.count(outcome) >= 2 for outcome in ("skips", "dense", "wrong", "fails"))


@pytest.mark.parametrize("name", QUICK)
def test_what_arm_does_is_foretold_from_the_keras_model(name):
    variant = VARIANTS[name]
    report = tfprune.lint(variant.model(), batch_size=variant.batch)
    seen = {one["variant"]: one["seen"] for one in RESULTS}[name]
    assert report.engages == (seen == "skips"), report
    assert report.safe == (seen in ("skips", "dense")), report
