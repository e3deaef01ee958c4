"""Solvers against looking at everything."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partition.made_up import MadeUpChain, all_partitions, made_up_costs
from support import examples

from tfprune.errors import InputError
from tfprune.partition import Device, Devices, Link, Profile
from tfprune.partition.exact import solve_exactly
from tfprune.partition.explore import explore, solver_names
from tfprune.partition.min_cut import min_cut_order


@settings(max_examples=examples(150), deadline=None)
@given(
    st.integers(0, 10**6), st.integers(2, 7), st.integers(1, 4), st.booleans(),
    st.sampled_from(["latency", "throughput"]), st.one_of(st.none(), st.integers(1, 4)),
)  # fmt: skip
def test_the_exact_solver_finds_the_best_of_all(seed, cuts, devices, limits, objective, stages):
    costs = made_up_costs(np.random.default_rng(seed), cuts, devices, limits)
    values = {
        one: costs.price(one).of(objective)
        for one in all_partitions(costs)
        if stages is None or costs.used(one) == stages
    }
    best = min(values.values(), default=np.inf)
    found = solve_exactly(costs, objective, stages)
    if not np.isfinite(best):
        assert found is None
        return
    assert values[found] == pytest.approx(best)
    if objective == "throughput":  # and of those the one with the least latency
        ties = [costs.price(one).latency for one, value in values.items() if value <= best * (1 + 1e-9)]
        assert costs.price(found).latency == pytest.approx(min(ties))


@settings(max_examples=examples(80), deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_the_minimum_cut_is_the_best_of_all_partitions_in_two(seed, count):
    rng = np.random.default_rng(seed)
    chain = MadeUpChain(rng, count)
    milliseconds = rng.integers(0, 30, count).astype(float)
    devices = Devices(
        [Device("a", float(rng.choice([0.5, 1, 4]))), Device("b", 2.0)], Link(1000, 0.001 * int(rng.integers(9)))
    )
    order, first = min_cut_order(chain, Profile(milliseconds, "given"), devices)
    assert sorted(order) == list(range(count))
    best = min(
        chain.price(set(own), milliseconds, devices)
        for size in range(count + 1)
        for own in itertools.combinations(range(count), size)
    )
    assert chain.price(set(order[:first]), milliseconds, devices) == pytest.approx(best, rel=1e-6)


SLOW = ("keras_tuner", "optuna", "bayesian", "gp", "tpe")  # or of packages that need not be there
EXPLORERS = [name for name in solver_names() if name not in ("exact", "min_cut", *SLOW)]


@pytest.mark.parametrize("solver", EXPLORERS)
@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_explorers_find_partitions_that_are_no_better_than_the_best(solver, objective):
    costs = made_up_costs(np.random.default_rng(3), 30, 3, limits=True)
    best = costs.price(solve_exactly(costs, objective)).of(objective)
    found = explore(costs, solver, (objective,), trials=60)
    assert 5 < found.looked <= 60
    assert best - 1e-9 <= costs.price(found.best[0]).of(objective) < 2.5 * best


@pytest.mark.parametrize("solver", ["evolution", "merge_split"])
def test_some_find_the_best_of_few(solver):
    for seed in range(3):
        costs = made_up_costs(np.random.default_rng(seed), 12, 3)
        best = costs.price(solve_exactly(costs, "latency")).latency
        assert costs.price(explore(costs, solver, ("latency",), trials=78).best[0]).latency == pytest.approx(best)


def test_a_package_that_is_not_there_is_said(monkeypatch):
    def fail(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setattr("tfprune.partition.explore.optimize", fail)
    with pytest.raises(InputError, match=r"not installed \(No module named 'torch'\)"):
        explore(made_up_costs(np.random.default_rng(0), 9, 2), "gp", ("latency",))


def test_two_objectives_give_a_front():
    costs = made_up_costs(np.random.default_rng(0), 25, 4)
    prices = [costs.price(cuts) for cuts in explore(costs, "nsga2", ("latency", "throughput"), trials=300).best]
    assert len(prices) > 1
    latencies, bottlenecks = [x.latency for x in prices], [x.bottleneck for x in prices]
    assert latencies == sorted(latencies)
    assert bottlenecks == sorted(bottlenecks, reverse=True)


def test_a_thousand_cuts_and_five_devices_take_less_than_two_seconds():
    costs = made_up_costs(np.random.default_rng(0), 1000, 5)
    import time

    begin = time.process_time()
    assert solve_exactly(costs, "throughput", 5) is not None
    assert time.process_time() - begin < 2
