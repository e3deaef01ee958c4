"""Damaged `.tflite` files end as a result or as a sentence, wherever they come in; whoever called lives on."""

from __future__ import annotations

import pytest
from attacks.tflite_files import ALWAYS, attack


@pytest.mark.slow
def test_damaged_files_are_taken_or_refused():
    found = attack(12)
    assert found["wrong"] == []
    seen = {tuple(key.split(", ")) for key in found["ends"]}
    assert {way for way, _, _ in seen} == {"flipped", "edited"}
    assert {end for _, _, end in seen} == {"taken", "refused"}
    assert len({door for _, door, _ in seen}) > len(ALWAYS) + 2
