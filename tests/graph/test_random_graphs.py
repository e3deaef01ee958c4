"""Whatever blocks a random graph is made of, cutting is zeroing. More graphs: `GRAPHS=3000 pytest -m long`."""

from __future__ import annotations

import os
import random

import keras
import pytest
from graph.oracle import check_oracle, double, liveliness, random_inputs
from graph.random_graphs import BLOCKS, HEADS, RandomGraph, numbered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import examples

SHARE = 0.9
"""At least that many graphs must have channels that can be removed."""


@pytest.fixture(autouse=True)
def exact():
    """Make all models of float64."""
    with double():
        yield


def check(model, seed):
    """Assert the oracle and that the outputs keep their names and shapes; return how many groups were cut."""
    _, chosen, small = check_oracle(model, seed=seed, tolerance=1e-6)
    before, after = (keras.tree.map_structure(lambda x: tuple(x.shape), m.output) for m in (model, small))
    assert before == after
    assert [x.name for x in small.inputs] == [x.name for x in model.inputs]
    assert not chosen or small.count_params() < model.count_params()
    return len(chosen)


def test_cutting_random_graphs_is_zeroing_them():
    """50 graphs that hypothesis draws, the smallest failing one reported."""
    cut, lively, used = [], [], set()

    @settings(
        max_examples=examples(50),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data):
        graph = RandomGraph(lambda options: data.draw(st.sampled_from(options)))
        model = graph.model()
        cut.append(check(model, len(cut)))
        lively.append(liveliness(model(random_inputs(model))) > 1e-3)
        used.update(graph.used)

    run()
    assert sum(map(bool, cut)) >= SHARE * len(cut)
    assert sum(lively) >= SHARE * len(lively), "the outputs of most graphs have to depend on their inputs"
    assert len(used) > (len(BLOCKS) + len(HEADS)) / 2


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_every_block_is_cut_by_itself(block):
    """Each kind of block, by itself between two convolutions: groups are found, cut, and right."""
    found = 0
    for seed in range(2):
        graph = RandomGraph(random.Random(seed).choice)
        image = keras.Input((6, 4, 3), name="image")
        inputs = {"image": image}
        x = graph.conv(image, 12)
        x = graph.conv(BLOCKS[block](graph, x, inputs), 6)
        model = keras.Model(inputs if len(inputs) > 1 else image, graph.classify(x))
        found += check(model, seed)
    assert found


@pytest.mark.long
def test_many_random_graphs():
    """As many graphs as the environment variable GRAPHS says, 100 by default, from the number FIRST on."""
    first, count = int(os.environ.get("FIRST", 10_000)), int(os.environ.get("GRAPHS", 100))
    failed, cut = {}, 0
    for seed in range(first, first + count):
        keras.backend.clear_session(free_memory=False)
        graph, model = numbered(seed)
        try:
            cut += bool(check(model, seed))
        except Exception as error:
            failed[seed] = f"{graph.used}: {error}"
    assert not failed
    assert cut >= SHARE * count
