"""Which option each layer takes: the least sum of errors that any choice within the bounds has."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfprune import Budget
from tfprune.cost import Cost
from tfprune.factorization.allocation import allocate, total_cost
from tfprune.factorization.options import Option

COUNTS = st.integers(0, 1_000_000)
LAYER = st.tuples(COUNTS, COUNTS, st.lists(st.tuples(st.floats(0.0, 1.0), COUNTS, COUNTS), max_size=4))


def cost(parameters, macs):
    return Cost(parameters, 4 * parameters, macs)


def problem(layers):
    """Return candidates and options of layers, each its parameters and multiply-accumulates, and those it can have."""
    candidates = {f"layer_{n}": SimpleNamespace(cost=cost(*layer[:2])) for n, layer in enumerate(layers)}
    options = {
        path: [Option(None, (n,), error, cost(*counts)) for n, (error, *counts) in enumerate(layer[2])]
        for path, layer in zip(candidates, layers, strict=True)
    }
    whole = cost(sum(layer[0] for layer in layers) + 100, sum(layer[1] for layer in layers) + 100)
    return whole, options, candidates


def least_error(whole, options, candidates, budget):
    """Return the least sum of errors of all choices there are; None if none is within the budget."""
    sums = []
    for choice in itertools.product(*[[None, *own] for own in options.values()]):
        chosen = [(candidates[path], option) for path, option in zip(options, choice, strict=True)]
        if budget.met(total_cost(whole, chosen), whole):
            sums.append(sum(option.error for option in choice if option is not None))
    return min(sums, default=None)


@settings(deadline=None)
@given(st.lists(LAYER, min_size=1, max_size=4), st.integers(0, 3_000_000), st.integers(0, 3_000_000))
def test_no_choice_within_the_bounds_has_a_smaller_error(layers, parameters, macs):
    whole, options, candidates = problem(layers)
    budget = Budget(params=parameters + 1, macs=macs + 1)
    chosen, least = allocate(whole, options, candidates, budget), least_error(whole, options, candidates, budget)
    if least is None:
        assert chosen is None
        return
    assert budget.met(total_cost(whole, [(candidates[path], option) for path, option in chosen.items()]), whole)
    assert sum(option.error for option in chosen.values()) == pytest.approx(least, rel=2e-4, abs=2e-6)


def test_a_budget_that_is_met_already_changes_nothing():
    whole, options, candidates = problem([(100, 100, [(0.0, 1, 1)])])
    assert allocate(whole, options, candidates, Budget(params=200)) == {}


def test_a_cost_that_the_network_does_not_have_bounds_nothing():
    whole, small = cost(100, 0), cost(10, 0)
    options = {"table": [Option(None, (1,), 0.1, small)]}
    budget = Budget(params=50, macs=0.5)
    assert allocate(whole, options, {"table": SimpleNamespace(cost=whole)}, budget) == {"table": options["table"][0]}


def test_what_can_not_be_timed_is_not_taken():
    slow = Cost(10, 40, 10, np.inf)
    fast = Cost(60, 240, 60, 3.0)
    options = {"one": [Option(None, (1,), 0.1, slow), Option(None, (2,), 0.4, fast)]}
    whole = Cost(100, 400, 100, 10.0)
    chosen = allocate(whole, options, {"one": SimpleNamespace(cost=whole)}, Budget(latency="5 ms"))
    assert chosen == {"one": options["one"][1]}


def test_two_thousand_layers_are_chosen_for_at_once():
    generator = np.random.default_rng(0)
    layers = []
    for _ in range(2000):
        parameters, macs = generator.integers(1_000, 1_000_000, 2)
        parts = np.sort(generator.uniform(0.05, 1.0, 30))
        layers.append(
            (int(parameters), int(macs), [(float((1 - p) ** 2), int(parameters * p), int(macs * p)) for p in parts])
        )
    whole, options, candidates = problem(layers)
    budget = Budget(params=whole.parameters // 2, macs=whole.macs // 3)
    chosen = allocate(whole, options, candidates, budget)
    after = total_cost(whole, [(candidates[path], option) for path, option in chosen.items()])
    assert budget.met(after, whole)
    assert after.macs > 0.999 * whole.macs // 3, "the bound that matters is used up"
