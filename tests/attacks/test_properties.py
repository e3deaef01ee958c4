"""More examples are drawn where that is asked for, counted, and one that breaks a property is told."""

from __future__ import annotations

import pytest
from attacks.properties import counted, run

SAID = """
tests/pruning/test_masks.py::test_exact[a]:

  - during generate phase (0.10 seconds):
    - Typical runtimes: ~ 0-1 ms, of which < 1ms in data generation
    - 100 passing examples, 0 failing examples, 3 invalid examples

  - Stopped because settings.max_examples=100

tests/pruning/test_masks.py::test_of_one:

  - during reuse phase (0.00 seconds):
    - 1 passing examples, 0 failing examples, 0 invalid examples
  - during generate phase (0.00 seconds):
    - 2 passing, 1 failing, and 0 invalid test cases
"""


def test_examples_are_counted_by_test():
    assert counted(SAID) == {
        "tests/pruning/test_masks.py::test_exact[a]": 100, "tests/pruning/test_masks.py::test_of_one": 4
    }  # fmt: skip


@pytest.mark.slow
def test_twice_as_many_examples_are_drawn_and_a_broken_property_is_told(tmp_path):
    text = """
from hypothesis import given, settings, strategies as st
from support import examples

@settings(max_examples=examples(15), database=None)
@given(st.integers(0, 10**9))
def test_holds(number):
    assert number >= 0

@settings(database=None)
@given(st.integers(0, 10**9))
def test_breaks(number):
    assert number < 77
"""
    path = tmp_path / "test_made_by_a_test.py"
    path.write_text(text, encoding="utf-8")
    found = run([str(path)], 2, seconds=120)
    assert found["tests"] == 2
    assert 30 < found["tried"] < 330
    assert [name.rpartition("::")[2] for name in found["wrong"]] == ["test_breaks"]
