"""The linter says what an ARM processor does: recorded runs of the real runtime under qemu (benchmarks/arm64.py)."""

import importlib.util
import json
import sys

import pytest
from support import ROOT

import tfprune

RECORDED = {
    one["variant"]: one["seen"]
    for one in json.loads((ROOT / "benchmarks" / "results" / "arm64.json").read_text(encoding="utf-8"))["results"]
}
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


def test_enough_variants_of_every_outcome_were_run_on_arm():
    assert set(RECORDED) == set(VARIANTS)
    seen = list(RECORDED.values())
    assert {name: seen.count(name) >= 2 for name in ("skips", "dense", "wrong", "fails")} == dict.fromkeys(
        ("skips", "dense", "wrong", "fails"), True
    )


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow)
        for name, variant in VARIANTS.items()
        if variant.quantize is None
    ],
)
def test_what_arm_does_is_foretold_from_the_keras_model(name):
    variant = VARIANTS[name]
    report = tfprune.lint(variant.model(), batch_size=variant.batch)
    seen = RECORDED[name]
    assert report.engages == (seen == "skips"), report
    assert report.safe == (seen in ("skips", "dense")), report
