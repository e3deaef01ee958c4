"""Damaged `.tflite` files end as a result or as a sentence, wherever they come in; whoever called lives on."""

from __future__ import annotations

import pytest
from attacks.tflite_files import attack, doors, other_doors

EVERY = {
    "lint", "inspect", "benchmark", "report", "partition", "tensors", "predict", "layers", "android", "micro",
    "compare", "overlay", "requantize",
}  # fmt: skip


@pytest.mark.slow
def test_damaged_files_are_taken_or_refused():
    """Through every door, each of which takes what is whole."""
    assert set(doors()) == EVERY
    found = attack(len(other_doors()))
    assert found["wrong"] == []
    seen = {tuple(key.split(", ")) for key in found["ends"]}
    for way in ("flipped", "edited"):
        assert {door for one, door, _ in seen if one == way} == EVERY
    assert {(door, end) for way, door, end in seen if way == "whole"} == {(door, "taken") for door in EVERY}
    assert {end for way, _, end in seen if way == "edited"} == {"taken", "refused"}
