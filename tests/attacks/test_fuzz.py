"""Whatever fuzzing has found once is read or refused in one line, and the fuzzer itself would notice what is not."""

from __future__ import annotations

import pytest
from attacks import fuzz

INPUTS = [(reader, path) for reader in fuzz.READERS for path in sorted(fuzz.corpus_of(reader).iterdir())]


@pytest.mark.parametrize("reader", fuzz.READERS)
def test_every_input_of_the_corpus_is_taken_or_refused(reader):
    ends = {fuzz.read(reader, path.read_bytes()) for one, path in INPUTS if one == reader}
    assert ends == {"taken", "refused"}


@pytest.mark.parametrize(("reader", "path"), INPUTS, ids=lambda value: getattr(value, "stem", value))
def test_inputs_cut_short_are_too(reader, path):
    content = path.read_bytes()
    for size in range(0, len(content), max(len(content) // 4, 1)):
        assert fuzz.read(reader, content[:size]) in ("taken", "refused")


def test_what_nobody_can_read_is_noticed(monkeypatch):
    from tfprune.errors import InputError

    def reader(content):
        if content:
            raise InputError("two\nlines")
        raise KeyError("a bug")

    monkeypatch.setitem(fuzz.READERS, "recipe", reader)
    with pytest.raises(AssertionError, match="no printable line"):
        fuzz.read("recipe", b"x")
    with pytest.raises(KeyError):
        fuzz.read("recipe", b"")
