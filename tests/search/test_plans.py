"""Plans: what they are said to cost is what their networks cost, and they come back from plain values."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers
from search.problems import images, network

from tfprune.cost import Budget, CostModel
from tfprune.cost.memory import ActivationMemory
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.search import Plan, find_plans
from tfprune.search.making import Maker


@pytest.fixture(scope="module")
def found():
    model = network()
    plans, given = find_plans(model, images()[0], Budget(macs=0.5), levels=4)
    return model, plans, Maker(plans.graph, given)


def test_a_plan_costs_what_its_network_costs(found):
    _, plans, maker = found
    rng = np.random.default_rng(0)
    points = [plans.space.start, plans.space.least, *(plans.space.random(rng) for _ in range(4))]
    for point in points:
        made = CostModel(trace(maker.make(plans.plan(point)))).whole
        said = plans.cost(point)
        assert (said.parameters, said.macs, said.bytes) == (made.parameters, made.macs, made.bytes)


def test_the_whole_point_is_the_network_itself(found):
    model, plans, maker = found
    assert maker.make(plans.plan(plans.space.whole)) is model
    assert plans.cost(plans.space.whole) == plans.whole
    assert plans.loss(plans.space.whole) == 0.0


def test_levels_only_save_and_only_lose(found):
    _, plans, _ = found
    losses = [plans.loss(point) for point in plans.space.way]
    assert losses == sorted(losses)
    macs = [plans.cost(point).macs for point in plans.space.way]  # of next to nothing factors may be more
    assert all(after <= before for before, after in itertools.pairwise(macs) if before > macs[0] / 10)
    assert macs[-1] < macs[0] / 10
    assert plans.part(plans.space.start) <= 1.0


def test_a_smaller_error_is_foretold_for_what_is_nearer(found):
    model, plans, maker = found
    errors = []
    for part in (0.05, 0.15, 0.4):
        point = plans.space.way[int(part * (len(plans.space.way) - 1))]
        errors.append((plans.loss(point), maker.likeness(maker.make(plans.plan(point))).error))
    assert [real for _, real in sorted(errors)] == sorted(real for _, real in errors)
    assert maker.likeness(model).error < 1e-9


def test_a_plan_comes_back_from_plain_values(found):
    _, plans, maker = found
    plan = plans.plan(plans.space.start)
    again = Plan.from_dict(plan.to_dict())
    assert again == plan
    assert Plan.from_config(plan.get_config()) == plan
    x = images(8)[0]
    one, other = (maker.make(p).predict(x, verbose=0) for p in (plan, again))
    assert np.array_equal(one, other)
    with pytest.raises(InputError, match="no plan"):
        Plan.from_dict({"remove": 3})


def test_precision_is_a_choice_of_its_own():
    plans, _ = find_plans(
        network(), images()[0], Budget(bytes=0.3), choose_from=[], precisions=("float32", "float16", "int8")
    )
    assert plans.plan(plans.space.start).precision == "int8"
    assert plans.cost((2,)).bytes == round(plans.whole.bytes / 4)
    assert 0.0 == plans.loss((0,)) <= plans.loss((1,)) <= plans.loss((2,)) < 0.1


def test_memory_is_that_of_the_fullest_moment():
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(16, 1, name="a")(inputs)
    y = layers.ReLU()(x)
    y = layers.Conv2D(32, 1, name="b")(y)
    z = layers.Conv2D(16, 1, name="c")(y)
    outputs = layers.Add()([x, z])
    graph = trace(keras.Model(inputs, outputs))
    memory = ActivationMemory(graph)
    assert memory.peak() == 64 * 4 * (16 + 32 + 16)  # the shortcut, what is read and what is made
    kept = graph.kept(graph.group("b").labels[:16].tolist())
    assert memory.peak(kept) == 64 * 4 * (16 + 16 + 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choose_from": ["channel"]}, "'channels'"),
        ({"precisions": ["int4"]}, "'int8'"),
        ({"precisions": []}, "give each once"),
        ({"levels": 1}, "int from 2"),
        ({"budget": 0.5}, "give a Budget"),
        ({"budget": Budget(flash="10kB")}, "microcontroller"),
        ({"choose_from": []}, "nothing to choose"),
        ({"budget": Budget(macs=100)}, "can't be met.*still has"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(InputError, match=message):
        find_plans(network(), images(32)[0], **{"budget": Budget(macs=0.5), "levels": 3, **options})
