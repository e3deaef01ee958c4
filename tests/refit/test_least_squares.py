"""Least squares from streams, and the order in which channels go: exact against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import examples

from tfprune.refit import gram as gram_module
from tfprune.refit.gram import Gram
from tfprune.refit.obs import Reader, removal_order

seeds = st.integers(0, 2**31)


def rows_of(seed, rows, inputs, blocks=1):
    """Return correlated rows with a mean."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(blocks, inputs, inputs))
    return rng.normal(size=(blocks, rows, inputs)) @ mix + rng.normal(size=(blocks, 1, inputs))


@settings(max_examples=examples(30), deadline=None)
@given(seed=seeds, inputs=st.integers(1, 6), outputs=st.integers(1, 4), blocks=st.integers(1, 3))
def test_a_stream_gives_what_all_rows_give(seed, inputs, outputs, blocks):
    rng = np.random.default_rng(seed)
    x, t = rows_of(seed, 60, inputs, blocks), rng.normal(size=(blocks, 60, outputs))
    rows = np.concatenate([x, np.ones((blocks, 60, 1))], axis=2)
    assume(np.linalg.cond(rows).max() < 1e3)  # else what keeps a bias where it was shows, 1e-9 of the rows
    gram = Gram(blocks, inputs, outputs, ridge=0)
    for part in range(0, 60, 7):
        gram.add(x[:, part : part + 7], t[:, part : part + 7])
    start = np.zeros((blocks, inputs, outputs)), np.zeros((blocks, outputs))
    matrix, bias = gram.solve(*start)
    for block in range(blocks):
        best, *_ = np.linalg.lstsq(rows[block], t[block], rcond=None)
        found = np.vstack([matrix[block], bias[block]])
        np.testing.assert_allclose(rows[block] @ found, rows[block] @ best, atol=1e-4)
    errors = np.square(x @ matrix + bias[:, None] - t).sum(axis=1)
    np.testing.assert_allclose(gram.error(matrix, bias), errors, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(gram.spread(), np.square(t - t.mean(axis=1, keepdims=True)).sum(axis=1), rtol=1e-6)


def test_what_rows_do_not_tell_stays_as_it_was():
    gram = Gram(1, 3, 1, ridge=1e-6)
    x = np.zeros((1, 40, 3))
    x[0, :, 0] = np.linspace(-1, 1, 40)
    gram.add(x, 2 * x[:, :, :1])
    matrix, _ = gram.solve(np.array([[[1.0], [5.0], [-3.0]]]), np.zeros((1, 1)))
    np.testing.assert_allclose(matrix.ravel(), [2, 5, -3], atol=1e-4)


def test_fewer_rows_than_unknowns_give_finite_weights_that_fit():
    x, t = rows_of(1, 5, 30), np.random.default_rng(2).normal(size=(1, 5, 2))
    gram = Gram(1, 30, 2, ridge=1e-6)
    gram.add(x, t)
    matrix, bias = gram.solve(np.zeros((1, 30, 2)), np.zeros((1, 2)))
    np.testing.assert_allclose(x @ matrix + bias[:, None], t, atol=1e-2)


def test_very_many_inputs_are_solved_through_the_rows(monkeypatch):
    x, t = rows_of(3, 40, 12), np.random.default_rng(4).normal(size=(1, 40, 2))
    start = np.random.default_rng(5).normal(size=(1, 12, 2)), np.zeros((1, 2))
    found = []
    for limit in (6000, 5):
        monkeypatch.setattr(gram_module, "WIDE", limit)
        gram = Gram(1, 12, 2)
        for part in (slice(0, 25), slice(25, 40)):
            gram.add(x[:, part], t[:, part])
        assert gram.wide == (limit == 5)
        found.append((*gram.solve(*start), gram.error(*start)))
    for left, right in zip(*found, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def error_without(x, matrix, gone):
    """Return the squared error for each row when some inputs are gone and the others are fitted anew."""
    kept = [i for i in range(x.shape[1]) if i not in gone]
    rows = np.concatenate([x[:, kept], np.ones((len(x), 1))], axis=1)
    t = x @ matrix
    best, *_ = np.linalg.lstsq(rows, t, rcond=None)
    return np.square(rows @ best - t).sum() / len(x)


@settings(max_examples=examples(25), deadline=None)
@given(seed=seeds, channels=st.integers(2, 6), width=st.integers(1, 3), outputs=st.integers(1, 4))
def test_costs_are_the_errors_that_are_left_when_the_others_make_up(seed, channels, width, outputs):
    x = rows_of(seed, 400, channels * width)[0]
    matrix = np.random.default_rng(seed).normal(size=(channels * width, outputs))
    rows = np.arange(channels * width).reshape(width, channels).T
    gram = Gram(1, channels * width, outputs, ridge=1e-10)
    gram.add(x[None])
    reader = Reader(gram, np.vstack([matrix, np.zeros((1, outputs))])[None])
    order, costs = removal_order([(reader, rows)], channels)
    assert sorted(order.tolist()) == list(range(channels))
    for count in range(1, channels + 1):
        gone = set(rows[order[:count]].ravel().tolist())
        expected = error_without(x, matrix, gone)
        assert costs[:count].sum() == pytest.approx(expected, rel=1e-3, abs=1e-6)
    singles = [error_without(x, matrix, set(rows[c].tolist())) for c in range(channels)]
    assert costs[0] == pytest.approx(min(singles), rel=1e-3, abs=1e-6)


def test_the_order_beats_most_choices_of_the_same_size():
    x = rows_of(11, 500, 8)[0]
    matrix = np.random.default_rng(12).normal(size=(8, 3))
    gram = Gram(1, 8, 3, ridge=1e-10)
    gram.add(x[None])
    order, costs = removal_order(
        [(Reader(gram, np.vstack([matrix, np.zeros((1, 3))])[None]), np.arange(8)[:, None])], 8
    )
    every = sorted(error_without(x, matrix, set(gone)) for gone in itertools.combinations(range(8), 4))
    assert costs[:4].sum() <= np.quantile(every, 0.1)
    assert costs[:4].sum() == pytest.approx(error_without(x, matrix, set(order[:4].tolist())), rel=1e-3)


def test_a_channel_that_repeats_another_costs_nothing():
    x = rows_of(21, 300, 3)[0]
    x = np.concatenate([x, x[:, :1]], axis=1)
    gram = Gram(1, 4, 2, ridge=1e-8)
    gram.add(x[None])
    matrix = np.random.default_rng(0).normal(size=(5, 2))[None]
    matrix[:, -1] = 0
    order, costs = removal_order([(Reader(gram, matrix), np.arange(4)[:, None])], 4)
    assert order[0] in (0, 3)
    assert costs[0] < 1e-5 * costs[-1]


def test_several_readers_and_blocks_add_up():
    rng = np.random.default_rng(31)
    readers, singles = [], np.zeros(4)
    for blocks in (1, 3):
        gram = Gram(blocks, 4, 2, ridge=1e-10)
        x = rows_of(31 + blocks, 300, 4, blocks)
        gram.add(x)
        matrix = rng.normal(size=(blocks, 4, 2))
        readers.append(
            (Reader(gram, np.concatenate([matrix, np.zeros((blocks, 1, 2))], axis=1)), np.arange(4)[:, None])
        )
        singles += [sum(error_without(x[b], matrix[b], {c}) for b in range(blocks)) for c in range(4)]
    order, costs = removal_order(readers, 4)
    assert order[0] == singles.argmin()
    assert costs[0] == pytest.approx(singles.min(), rel=1e-3)


def test_many_channels_go_several_at_once():
    x = rows_of(41, 400, 20)[0]
    matrix = np.random.default_rng(1).normal(size=(21, 3))[None]
    matrix[:, -1] = 0
    gram = Gram(1, 20, 3, ridge=1e-10)
    gram.add(x[None])
    order, costs = removal_order([(Reader(gram, matrix), np.arange(20)[:, None])], 20, steps=5)
    assert sorted(order.tolist()) == list(range(20))
    for count in (4, 8, 16):
        left = error_without(x, matrix[0, :-1], set(order[:count].tolist()))
        assert costs[:count].sum() == pytest.approx(left, rel=1e-3)


def test_very_many_inputs_are_judged_channel_by_channel(monkeypatch):
    monkeypatch.setattr(gram_module, "WIDE", 3)
    x = np.random.default_rng(0).normal(size=(1, 2000, 4)) * [1, 2, 3, 4]
    gram = Gram(1, 4, 1)
    gram.add(x)
    order, costs = removal_order(
        [(Reader(gram, np.array([[[3.0], [1.0], [1.0], [1.0], [0.0]]])), np.arange(4)[:, None])], 4
    )
    assert order.tolist() == [1, 0, 2, 3] or order.tolist() == [1, 2, 0, 3]
    np.testing.assert_allclose(costs, [4, 9, 9, 16], rtol=0.15)


@settings(max_examples=examples(25), deadline=None)
@given(seed=seeds, inputs=st.integers(1, 8), outputs=st.integers(1, 5), blocks=st.integers(1, 2))
def test_weights_that_are_left_are_fitted_for_each_output(seed, inputs, outputs, blocks):
    rng = np.random.default_rng(seed)
    x, t = rows_of(seed, 80, inputs, blocks), rng.normal(size=(blocks, 80, outputs))
    free = rng.random((blocks, inputs, outputs)) < 0.6
    gram = Gram(blocks, inputs, outputs, ridge=1e-9)
    gram.add(x, t)
    start = np.where(free, rng.normal(size=free.shape), 0.0), np.zeros((blocks, outputs))
    matrix, bias = gram.solve(*start, free)
    assert (matrix[~free] == 0).all()
    for block, column in itertools.product(range(blocks), range(outputs)):
        kept = free[block, :, column]
        if not kept.any():
            assert bias[block, column] == 0, "an output without weights stays silent"
            continue
        rows = np.concatenate([x[block][:, kept], np.ones((80, 1))], axis=1)
        best, *_ = np.linalg.lstsq(rows, t[block, :, column], rcond=None)
        error = np.square(x[block] @ matrix[block, :, column] + bias[block, column] - t[block, :, column]).sum()
        assert error == pytest.approx(np.square(rows @ best - t[block, :, column]).sum(), rel=1e-3)


def test_free_weights_of_very_many_inputs(monkeypatch):
    x, t = rows_of(3, 40, 12), np.random.default_rng(4).normal(size=(1, 40, 2))
    free = np.random.default_rng(6).random((1, 12, 2)) < 0.5
    found = []
    for limit in (6000, 5):
        monkeypatch.setattr(gram_module, "WIDE", limit)
        gram = Gram(1, 12, 2)
        gram.add(x, t)
        found.append(gram.solve(np.zeros((1, 12, 2)), np.zeros((1, 2)), free))
    for left, right in zip(*found, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


def test_rows_in_half_precision_are_summed_in_single_precision():
    x = (10 * rows_of(0, 4000, 4)).astype("float16")
    targets = (x.astype("float64") @ np.arange(4.0)[:, None] / 4).astype("float16")
    gram = Gram(1, 4, 1, ridge=0)
    gram.add(x, targets)
    matrix, _ = gram.solve(np.zeros((1, 4, 1)), np.zeros((1, 1)))
    np.testing.assert_allclose(matrix.ravel(), np.arange(4) / 4, atol=1e-3)
    again = gram.aim([(x, -targets)])
    matrix, _ = again.solve(np.zeros((1, 4, 1)), np.zeros((1, 1)))
    np.testing.assert_allclose(matrix.ravel(), -np.arange(4) / 4, atol=1e-3)
