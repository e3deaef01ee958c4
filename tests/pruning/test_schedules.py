"""Schedules: the published formulas, TFMOT's values step for step, ends that are always reached."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune import schedules
from tfprune.errors import InputError
from tfprune.schedules import (
    ConstantSparsity,
    CosineDecay,
    ExponentialDecay,
    FunctionSchedule,
    PolynomialDecay,
    StepSchedule,
)

RAMPS = [PolynomialDecay, CosineDecay, ExponentialDecay]

TFMOT_CODE = """
import json, os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tensorflow_model_optimization as tfmot
tables = []
for kind, arguments in json.loads(sys.argv[1]):
    schedule = getattr(tfmot.sparsity.keras, kind)(**arguments)
    values = [schedule(step) for step in range(131)]
    tables.append([(bool(update), float(sparsity)) for update, sparsity in values])
from tfprune import schedules
theirs = tfmot.sparsity.keras.PolynomialDecay(0.1, 0.8, begin_step=10, end_step=100, frequency=10)
ours = schedules.get(theirs)
assert [ours.last_update(step) for step in (9, 10, 45, 100, 130)] == [None, 10, 40, 100, 100]
assert abs(ours(55) - float(theirs(55)[1])) < 1e-6
assert abs(ours.final_sparsity - 0.8) < 1e-6 and ours.end_step == 100
print("TABLES" + json.dumps(tables))
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow_model_optimization") is None, reason="TFMOT is not installed")
def test_equal_to_tfmot_at_every_step(run_python):
    cases = [
        (PolynomialDecay(0.1, 0.9, begin=10, end=110, frequency=10), "PolynomialDecay"),
        (PolynomialDecay(0.0, 0.5, begin=0, end=97, frequency=7, power=1.5), "PolynomialDecay"),
        (PolynomialDecay(0.6, 0.2, begin=3, end=120, frequency=1), "PolynomialDecay"),
        (ConstantSparsity(0.7, begin=20, frequency=9), "ConstantSparsity"),
    ]
    arguments = []
    for schedule, kind in cases:
        if kind == "ConstantSparsity":
            arguments.append((kind, {"target_sparsity": 0.7, "begin_step": 20, "frequency": 9}))
        else:
            config = schedule.get_config()
            renamed = {"begin_step": config.pop("begin"), "end_step": config.pop("end")}
            arguments.append((kind, {**config, **renamed}))
    printed = run_python(TFMOT_CODE, json.dumps(arguments)).stdout
    tables = json.loads(printed.split("TABLES")[1])
    for (schedule, _), table in zip(cases, tables, strict=True):
        ours = [schedule(step) for step in range(131)]
        np.testing.assert_allclose(ours, [sparsity for _, sparsity in table], atol=1e-6)
        updates = [step for step in range(131) if schedule.last_update(step) == step]
        theirs = [step for step, (update, _) in enumerate(table) if update]
        off_grid_end = {schedule.end_step} if isinstance(schedule, PolynomialDecay) else set()
        assert set(updates) - set(theirs) <= off_grid_end  # the end, which TFMOT misses when it is off the grid
        assert set(theirs) <= set(updates)


@pytest.mark.parametrize("kind", RAMPS)
@given(
    initial=st.floats(0, 0.99),
    final=st.floats(0, 0.99),
    begin=st.integers(0, 50),
    length=st.integers(0, 100),
    frequency=st.none() | st.integers(1, 40),
)
def test_ramps_are_bounded_monotone_and_reach_their_end(kind, initial, final, begin, length, frequency):
    schedule = kind(initial, final, begin=begin, end=begin + length, frequency=frequency)
    values = [schedule(step) for step in range(begin, begin + length + 20)]
    low, high = sorted((initial, final))
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in values)
    steps = np.diff(values) * np.sign(final - initial)
    assert (steps >= -1e-9).all()
    assert values[length] == final
    assert schedule.last_update(begin - 1) is None or begin == 0
    assert schedule.last_update(begin + length + 19) == begin + length


@pytest.mark.parametrize("kind", [*RAMPS, ConstantSparsity])
@given(total=st.integers(1, 500), after=st.integers(-1, 400), step=st.integers(0, 500))
def test_last_update_is_the_latest_in_the_interval(kind, total, after, step):
    schedule = kind().resolve(total)
    grid = [s for s in range(step + 1) if schedule.last_update(s) == s]
    expected = [s for s in grid if s > after]
    assert schedule.last_update(step, after) == (expected[-1] if expected else None)


def test_fractions_become_steps():
    schedule = PolynomialDecay(begin=0.1, end=0.5).resolve(1000)
    assert (schedule.begin, schedule.end, schedule.frequency) == (100, 500, 4)
    assert PolynomialDecay(end=1.0).resolve(10).end == 9, "the last step is trained with the final mask"
    with pytest.raises(InputError, match=r"resolve\(total_steps\)"):
        PolynomialDecay()(3)


def test_shorter_than_the_frequency_still_reaches_the_end():
    schedule = PolynomialDecay(0, 0.8, begin=0, end=5, frequency=100)
    assert schedule.last_update(5) == 5
    assert schedule(5) == 0.8


def test_begin_equals_end_jumps():
    schedule = PolynomialDecay(0.1, 0.6, begin=4, end=4)
    assert schedule.last_update(3) is None
    assert schedule(4) == 0.6


def test_steps_by_epoch():
    schedule = StepSchedule([(0.5, 1), (0.75, 2), (0.9, 3)]).resolve(500, steps_per_epoch=100)
    assert [schedule(step) for step in (0, 99, 100, 199, 200, 300, 499)] == [0, 0, 0.5, 0.5, 0.75, 0.9, 0.9]
    assert schedule.last_update(99) is None
    assert schedule.last_update(250) == 200
    assert schedule.last_update(250, after=200) is None
    assert schedule.final_sparsity == 0.9


def test_pairs_are_a_step_schedule():
    pairs = [(0.5, 1), (0.75, 2), (0.9, 3)]
    assert schedules.get(pairs) == schedules.get(tuple(pairs)) == StepSchedule(pairs)


def test_linear_is_a_straight_line():
    linear = schedules.get("linear", initial_sparsity=0.0, final_sparsity=0.8, begin=0, end=100)
    assert [linear(step) for step in (0, 25, 50, 100)] == pytest.approx([0, 0.2, 0.4, 0.8])
    with pytest.raises(InputError, match="Did you mean 'linear'"):
        schedules.get("liner")


class LikeTFMOT:
    """Says when to update, and the sparsity, as TFMOT's objects do."""

    final_sparsity = 0.6

    def __call__(self, step):
        return step % 10 == 0 and step <= 50, min(step / 50, 1) * 0.6


def test_any_callable_is_a_schedule():
    linear = schedules.get(lambda step: min(step / 100, 0.7)).resolve(200)
    assert linear(50) == 0.5
    assert linear.final_sparsity == 0.7
    theirs = schedules.get(LikeTFMOT())
    assert theirs.last_update(37) == 30
    assert theirs.last_update(37, after=30) is None
    assert theirs(30) == pytest.approx(0.36)
    assert theirs.final_sparsity == 0.6
    with pytest.raises(InputError, match="step 0"):
        schedules.get(lambda step: 1.5)
    with pytest.raises(InputError, match="fails at step 0"):
        schedules.get(lambda: 0.5)


@pytest.mark.parametrize(
    "schedule",
    [
        PolynomialDecay(0.0, 0.9, 10, 20, 3, 2.0),
        CosineDecay(final_sparsity=0.5),
        ExponentialDecay(),
        ConstantSparsity(0.3, 5),
        StepSchedule([(0.5, 1), (0.6, 2.5)]),
    ],
)
def test_round_trip_through_json(schedule):
    config = json.loads(json.dumps(schedules.serialize(schedule)))
    again = schedules.deserialize(config)
    resolved = [s.resolve(100, 10) for s in (schedule, again)]
    assert [resolved[0](s) for s in range(100)] == [resolved[1](s) for s in range(100)]
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.final_sparsity = 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PolynomialDecay(0, 1.0), "final_sparsity is 1.0"),
        (lambda: PolynomialDecay(-0.1, 0.5), "initial_sparsity is -0.1"),
        (lambda: PolynomialDecay(0, float("nan")), "final_sparsity is nan"),
        (lambda: PolynomialDecay(0, 0.5, begin=20, end=10), "ends .10. before it begins .20."),
        (lambda: PolynomialDecay(0, 0.5, begin=0.9, end=0.1), "before it begins"),
        (lambda: PolynomialDecay(0, 0.5, begin=600, end=0.5).resolve(1000), "before it begins"),
        (lambda: PolynomialDecay(0, 0.5, begin=-1), "begin is -1"),
        (lambda: PolynomialDecay(0, 0.5, end=1.5), "end is 1.5"),
        (lambda: PolynomialDecay(frequency=0), "frequency is 0"),
        (lambda: PolynomialDecay(power=0), "power is 0"),
        (lambda: StepSchedule([]), "at least one"),
        (lambda: StepSchedule([(0.5, 2), (0.6, 2)]), "rising order"),
        (lambda: StepSchedule([(1.5, 2)]), "sparsity is 1.5"),
        (lambda: StepSchedule(3), "pairs"),
        (lambda: StepSchedule([(0.5, 1, 2)]), "pairs"),
        (lambda: schedules.get([0.5, 0.9]), "pairs"),
        (lambda: schedules.get([(1, 0.5), (2, 0.75)]), r"sparsity comes first: give \(0.5, 1\)"),
        (lambda: FunctionSchedule(3), "not callable"),
        (lambda: schedules.get("polynomail"), "Did you mean 'polynomial'"),
        (lambda: schedules.get(3), "is not a schedule"),
        (lambda: schedules.deserialize({"class_name": "os.system", "config": {}}), "not a schedule"),
    ],
)
def test_bad_input_says_what_to_do(make, message):
    with pytest.raises(InputError, match=message):
        make()
