"""Fronts and hypervolumes against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

from tfprune.search.ladder import chosen, correlation
from tfprune.strategies import front_of, hypervolume
from tfprune.strategies.front import layers_of

VALUES = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.tuples(*[st.integers(0, 5).map(float)] * n), min_size=1, max_size=8)
)


@settings(max_examples=examples(200), deadline=None)
@given(VALUES)
def test_hypervolume_counts_the_cells_that_are_dominated(values):
    size = len(values[0])
    cells = np.stack(np.meshgrid(*[np.arange(6)] * size, indexing="ij"), axis=-1).reshape(-1, size)
    covered = sum(any(all(v <= c for v, c in zip(value, cell, strict=True)) for value in values) for cell in cells)
    assert hypervolume(values, (6.0,) * size) == pytest.approx(covered)


@settings(max_examples=examples(100), deadline=None)
@given(VALUES)
def test_the_front_is_what_nothing_beats(values):
    def beats(a, b):
        return all(x <= y for x, y in zip(a, b, strict=True)) and a != b

    front = {values[n] for n in front_of(values)}
    assert front == {v for v in values if not any(beats(other, v) for other in values)}
    layers = layers_of(values)
    assert sorted(n for layer in layers for n in layer) == list(range(len(values)))
    assert {values[n] for n in layers[0]} == front


def test_what_failed_is_on_no_front():
    assert front_of([(np.inf, 1.0), (1.0, 2.0)]) == [1]
    assert front_of([(np.inf,)]) == []
    assert chosen([(np.inf, np.inf), (1.0, 2.0)], 3) == [1]


def test_those_that_climb_are_spread_over_the_front():
    values = [(float(n), float(10 - n)) for n in range(11)] + [(11.0, 11.0)]
    picked = chosen(values, 3)
    assert {0, 10} <= set(picked)
    assert 11 not in picked
    assert len(chosen(values, 12)) == 12


def test_rank_correlation():
    assert correlation([1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 9.0, 16.0]) == pytest.approx(1.0)
    assert correlation([1.0, 2.0], [1.0, 2.0]) is None
    assert correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
