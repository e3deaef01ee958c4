"""Strategies against problems of which the best is known."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies.knapsack import Knapsack
from support import examples

from tfprune.errors import InputError
from tfprune.strategies import Exploration, Space, hypervolume, optimize, strategies

LIGHT = [
    "random", "greedy", "netadapt", "backtracking", "evolution", "nsga2", "moead", "swarm", "annealing", "progressive",
    "amc",
]  # fmt: skip
ALL = [*LIGHT, "tpe", "bayesian"]
GAPS = {"annealing": 0.05, "amc": 0.2, "greedy": 0.4, "netadapt": 0.4, "tpe": 0.4, "bayesian": 0.4, "random": 0.1}


@pytest.mark.parametrize("name", ALL)
def test_comes_near_the_optimum_within_the_budget(name):
    gaps = []
    for seed in range(3):
        problem = Knapsack(seed)
        trials = 24 if name in ("tpe", "bayesian") else 300
        found = optimize(name, problem.space, lambda point, p=problem: (p.loss(point),), trials=trials, seed=seed)
        point, (loss,) = found.best(problem.space)
        assert problem.used(point) <= 1.0
        assert len(set(found.points)) == len(found.points) <= trials
        gaps.append(loss / problem.optimum() - 1.0)
    assert min(gaps) >= -1e-12
    assert max(gaps) <= GAPS.get(name, 0.02)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("greedy", "netadapt")])
def test_is_never_above_the_greedy_path_that_it_begins_with(name):
    problem = Knapsack(7, choices=9)
    found = optimize(name, problem.space, lambda point: (problem.loss(point),), trials=20)
    assert found.best(problem.space)[1][0] <= problem.loss(problem.space.start) + 1e-12


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 4), st.floats(0.3, 0.95))
def test_backtracking_is_exact_where_losses_add_up(seed, choices, levels, part):
    problem = Knapsack(seed, choices, levels, part)
    for space in (problem.space, Space(problem.space.names, problem.space.sizes, problem.used)):
        found = optimize("backtracking", space, lambda point: (problem.loss(point),), trials=10**6)
        assert found.best(space)[1][0] == pytest.approx(problem.optimum())
        assert len(found.points) <= space.count


def test_backtracking_looks_at_a_small_part_of_the_points():
    problem = Knapsack(3, choices=8, levels=4)
    found = optimize("backtracking", problem.space, lambda point: (problem.loss(point),), trials=10**6)
    assert len(found.points) < problem.space.count / 1000


@pytest.mark.parametrize("name", LIGHT)
def test_several_objectives_give_a_front(name):
    problem = Knapsack(1)

    def values(point):
        return problem.loss(point), problem.used(point)

    found = optimize(name, problem.space, values, trials=300, objectives=2)
    allowed = [v for p, v in zip(found.points, found.values, strict=True) if problem.space.allowed(p)]
    every = [values(point) for point in itertools.product(*map(range, problem.space.sizes))]
    reference = (max(v[0] for v in every) + 0.1, 1.0)
    part = hypervolume(allowed, reference) / hypervolume([v for v in every if v[1] <= 1.0], reference)
    assert part > (0.7 if name in ("netadapt", "amc", "random") else 0.8)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_points(name):
    problem = Knapsack(2)
    trials = 16 if name in ("tpe", "bayesian") else 100
    runs = [
        optimize(name, problem.space, lambda point: (problem.loss(point),), trials=trials, seed=seed)
        for seed in (5, 5, 6)
    ]
    assert runs[0].points == runs[1].points
    assert name in ("greedy", "netadapt", "backtracking") or runs[0].points != runs[2].points


@pytest.mark.parametrize("name", ALL)
def test_points_that_fail_do_not_stop_it(name):
    problem = Knapsack(4)

    def values(point):
        return (np.nan if sum(point) % 3 == 0 else problem.loss(point),)

    found = optimize(name, problem.space, values, trials=16 if name in ("tpe", "bayesian") else 100)
    assert np.isinf([value[0] for value in found.values]).any() or name in ("greedy", "netadapt", "backtracking")
    assert len(found.points) > 1


@pytest.mark.parametrize("name", ALL)
def test_tiny_spaces(name):
    for sizes in ((1,), (2,), (1, 2), (2, 1, 3)):
        names = tuple(map(str, range(len(sizes))))
        space = Space(names, sizes, used=lambda point: 2.0 - sum(point))
        found = optimize(name, space, lambda point: (float(sum(point)),), trials=12)
        assert set(found.points) <= set(itertools.product(*map(range, sizes)))
        if space.allowed(space.least):
            assert found.best(space)[1] == (1.0,)


@settings(max_examples=examples(50), deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_repair_raises_no_level_without_need(seed, other):
    problem = Knapsack(seed)
    point = problem.space.random(np.random.default_rng(other))
    mended = problem.space.repair(point)
    assert problem.space.allowed(mended)
    assert all(after >= before for before, after in zip(point, mended, strict=True))
    if problem.space.allowed(point):
        assert mended == point


@pytest.mark.parametrize("name", [n for n in strategies.names if n not in ("tpe", "gp")])
def test_config_round_trip(name):
    strategy = strategies.get(name)
    again = strategies.deserialize(strategies.serialize(strategy))
    assert again == strategy
    assert type(strategy).from_config(strategy.get_config()) == strategy


def test_ask_and_tell():
    problem = Knapsack(0)
    exploration = Exploration("nsga2", problem.space)
    with pytest.raises(InputError, match="ask first"):
        exploration.tell([(1.0,)])
    points = exploration.ask()
    assert exploration.ask() == points  # asking again gives the same until they are told
    with pytest.raises(InputError, match="1 values were told for"):
        exploration.tell([(1.0,)])
    with pytest.raises(InputError, match="1 objectives"):
        exploration.tell([(1.0, 2.0)] * len(points))
    exploration.tell([(problem.loss(point),) for point in points])
    assert exploration.ask() != points


def test_bad_input():
    with pytest.raises(InputError, match="'nsga2'"):
        strategies.get("nsga")
    with pytest.raises(InputError, match="at least one level"):
        Space((), ())
    with pytest.raises(InputError, match="at least one of each"):
        Exploration("random", Knapsack(0).space, trials=0)
    with pytest.raises(InputError, match="sampler"):
        strategies.get("optuna", sampler="tpee")


def test_a_strategy_of_your_own():
    from dataclasses import dataclass

    from tfprune.strategies import Strategy

    @strategies.register("only_the_path")
    @dataclass(frozen=True)
    class OnlyThePath(Strategy):
        def propose(self, space, objectives, trials, rng):
            yield list(space.way)

    problem = Knapsack(0)
    found = optimize("only_the_path", problem.space, lambda point: (problem.loss(point),))
    assert found.points == list(problem.space.way)
    assert keras.saving.get_registered_object("tfprune>OnlyThePath") is OnlyThePath
