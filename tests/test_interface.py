"""What users have written keeps working: a name or an argument goes only on purpose."""

from __future__ import annotations

from pathlib import Path

from interface import lines


def test_the_public_interface_is_as_it_was():
    known = Path(__file__).with_name("interface.txt").read_text(encoding="utf-8").splitlines()
    present = list(lines())
    gone, new = sorted(set(known) - set(present)), sorted(set(present) - set(known))
    assert (gone, new) == ([], []), (
        "if that is meant: python tests/interface.py > tests/interface.txt, and CHANGELOG.md"
    )
    assert present == known
