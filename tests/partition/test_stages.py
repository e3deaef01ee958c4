"""Stages compute what the whole network does, to the last bit."""

import os

import keras
import numpy as np
import pytest
from keras import layers, tree
from partition.networks import MODELS

from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.partition import (
    Chain,
    Device,
    Devices,
    Link,
    explore_partition,
    load_stages,
    partition,
    plan_partition,
    profile,
)
from tfprune.partition.stages import sample_inputs

ROW = Devices([Device("a", 0.5), Device("b"), Device("c", 2.0)], Link("1MB/s", "1 ms"))


def random_plan(model, seed=0, devices=ROW, **choices):
    """A plan as it would be if operations took anything."""
    times = np.random.default_rng(seed).uniform(0.1, 5.0, len(trace(model).nodes))
    return plan_partition(model, devices, latency=times, **choices)


def outputs_of(model, stages, count=3):
    """What a model and its stages make of the same samples."""
    given = sample_inputs(stages, count)
    whole = tree.pack_sequence_as(stages.inputs, [given[name] for name in tree.flatten(stages.inputs)])
    return tree.flatten(model(whole)), tree.flatten(stages(given))


@pytest.mark.parametrize("name", MODELS)
def test_stages_are_the_whole_bit_by_bit(name):
    model = MODELS[name]()
    for seed, objective in enumerate(("latency", "throughput")):
        plan = random_plan(model, seed, objective=objective, stages=3)
        stages = partition(model, plan)
        assert len(stages) == 3
        left, right = outputs_of(model, stages)
        for x, y in zip(left, right, strict=True):
            np.testing.assert_array_equal(x, y)
        assert [tuple(sorted(stage.model.input)) for stage in stages.stages] == [
            tuple(sorted(s.inputs)) for s in stages.stages
        ]


def test_an_application_in_two_stages_by_minimum_cut():
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), alpha=0.35, classes=10)
    row = Devices([Device("a"), Device("b", 4)], Link("3MB/s", "1 ms"))
    plan = random_plan(model, 0, row, solver="min_cut")
    assert plan.gap <= 0
    stages = partition(model, plan)
    left, right = outputs_of(model, stages)
    np.testing.assert_array_equal(left[0], right[0])


def test_every_cut_of_a_network_works():
    model = MODELS["transformer"]()
    chain = Chain(trace(model))
    row = Devices([Device("a"), Device("b")], Link(1))
    for cut in chain.cuts[1:-1]:
        times = np.zeros(len(chain))
        times[list(chain.order[:cut])] = 1e-9
        plan = plan_partition(model, row, objective="throughput", latency=times, stages=2)
        left, right = outputs_of(model, partition(model, plan))
        np.testing.assert_array_equal(left[0], right[0])


def test_the_result_has_the_structure_of_the_networks():
    model = MODELS["two_inputs"]()
    stages = partition(model, random_plan(model, stages=3))
    image, table = np.ones((2, 6, 6, 3), "float32"), np.ones((2, 4), "float32")
    assert sorted(stages({"image": image, "table": table})) == ["a", "b"]
    assert sorted(stages([image, table])) == ["a", "b"]
    with pytest.raises(InputError, match="1 inputs were given"):
        stages(image)


def test_a_plan_of_another_model_is_refused():
    plan = random_plan(MODELS["plain"]())
    with pytest.raises(InputError, match="plan it again"):
        partition(MODELS["residual"](), plan)
    with pytest.raises(InputError, match="not a PartitionPlan"):
        partition(MODELS["plain"](), "plan")


def test_the_model_is_only_read():
    model = MODELS["nested"]()
    before = [w.numpy() for w in model.weights]
    x = np.ones((1, 8, 8, 4), "float32")
    expected = model(x)
    stages = partition(model, random_plan(model, stages=2))
    for stage in stages.stages:
        for weight in stage.model.weights:
            weight.assign(weight * 0)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.weights, strict=True))
    np.testing.assert_array_equal(model(x), expected)


def test_plans_say_what_they_predict():
    model = MODELS["residual"]()
    plan = random_plan(model, stages=2)
    assert plan.latency == pytest.approx(
        sum(x.milliseconds for x in plan.stages) + sum(x.milliseconds for x in plan.links)
    )
    assert type(plan).from_dict(plan.to_dict()) == plan
    assert str(plan).count("\n") >= 3
    assert plan.table().row_count >= 3
    assert plan.gap == 0
    assert sum(len(stage.nodes) for stage in plan.stages) == len(trace(model).nodes)


def test_a_limit_of_memory_is_kept_to_or_refused():
    model = MODELS["plain"]()
    whole = random_plan(model, devices=Devices([Device("a")]))
    needed = whole.stages[0].memory
    small = Devices([Device("a", memory=needed - 1), Device("b", 0.01, memory=needed)], Link("1kB/s"))
    plan = random_plan(model, devices=small)
    assert len(plan.stages) > 1 or plan.stages[0].device == "b"
    limits = {one.name: one.limit for one in small.devices}
    assert all(stage.memory <= limits[stage.device] for stage in plan.stages)
    tiny = Devices([Device("a", memory=3000), Device("b", memory=3000)], Link("1kB/s"))
    with pytest.raises(InputError, match=r"'plain|a has 3.0 kB.*largest part that can't be split.*dense") as caught:
        random_plan(model, devices=tiny)
    assert "tfprune.prune_filters" in str(caught.value)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"objective": "latncy"}, "Did you mean 'latency'"),
        ({"solver": "evolutoin"}, "Did you mean 'evolution'"),
        ({"stages": 4}, "from 1 to 3"),
        ({"stages": 0}, "from 1 to 3"),
        ({"latency": "mac"}, "Did you mean 'macs'"),
        ({"latency": [1.0]}, "has 1 times"),
        ({"latency": [-1.0] * 7}, "from 0 upwards"),
        ({"solver": "min_cut"}, "two devices"),
        ({"trials": 0}, "trials is 0"),
    ],
)
def test_what_can_not_be_used_is_said(choices, said):
    with pytest.raises(InputError, match=said):
        plan_partition(MODELS["plain"](), ROW, **{"latency": np.ones(7), **choices})


def test_more_stages_than_operations():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2), layers.Dense(1)])
    with pytest.raises(InputError, match="split into 2 at most"):
        plan_partition(model, ROW, stages=3, latency=[1, 1])


def test_a_model_that_nobody_can_look_into_is_one_stage_or_refused():
    class Raw(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            import tensorflow as tf

            return tf.nn.relu(self.dense(tf.reverse(x, [1])))

    model = Raw()
    model(np.zeros((1, 4), "float32"))
    with pytest.raises(InputError):
        plan_partition(model, ROW, latency="macs")


def test_operations_are_timed_and_scaled_to_the_whole(kernels_of_eight, monkeypatch):
    monkeypatch.setattr("tfprune.latency.network.measured_latency", lambda models, threads, quantize: [10.0])
    model = MODELS["residual"]()
    times = profile(trace(model))
    assert times.total == pytest.approx(10.0)
    nodes = trace(model).nodes
    assert all((ms > 0) == (node.kind in ("Conv2D", "Dense", "Add", "GlobalAveragePooling2D"))
               for ms, node in zip(times.milliseconds, nodes, strict=True))  # fmt: skip
    plan = plan_partition(model, Devices([Device("a", 0.5)]))
    assert plan.latency == pytest.approx(20.0)
    assert plan.source == "measured"
    quick = profile(trace(model), "macs")
    assert quick.total > 0


def test_one_device_does_everything():
    model = MODELS["two_inputs"]()
    stages = partition(model, random_plan(model, devices=Devices([Device("a")])))
    assert len(stages) == 1
    left, right = outputs_of(model, stages)
    assert all(np.array_equal(x, y) for x, y in zip(left, right, strict=True))


@keras.saving.register_keras_serializable(package="tests")
class Opaque(layers.Layer):
    """Something that nobody can look into."""

    def call(self, x):
        import tensorflow as tf

        return tf.reverse(x, [1])


def test_a_layer_that_nobody_can_look_into_is_copied_and_said():
    inputs = keras.Input((6,))
    x = Opaque(name="opaque")(layers.Dense(6)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    plan = plan_partition(model, Devices([Device("a"), Device("b")], Link("1MB/s")), stages=2, latency="macs")
    assert "Nobody can look into opaque" in str(plan)
    left, right = outputs_of(model, partition(model, plan))
    np.testing.assert_array_equal(left[0], right[0])


def test_a_fixed_batch_and_an_input_that_is_an_output():
    inputs = keras.Input(batch_shape=(1, 8), name="x")
    a = layers.Dense(4)(inputs)
    model = keras.Model(inputs, [inputs, a, layers.Dense(2)(layers.Dense(4)(a))])
    stages = partition(model, random_plan(model, stages=3))
    left, right = outputs_of(model, stages, 1)
    assert len(right) == 3
    assert all(np.array_equal(x, y) for x, y in zip(left, right, strict=True))


def test_explorers_say_how_far_they_are_from_the_optimum():
    model = MODELS["residual"]()
    for solver in ("evolution", "merge_split", "random"):
        plan = random_plan(model, objective="throughput", solver=solver, trials=60)
        assert plan.gap >= 0
        assert plan.looked <= 60
        assert solver in plan.summary()
    times = np.random.default_rng(0).uniform(0.1, 5.0, len(trace(model).nodes))
    plans = explore_partition(model, ROW, latency=times, trials=120)
    assert [plan.latency for plan in plans] == sorted(plan.latency for plan in plans)
    assert len({plan.bottleneck for plan in plans}) == len(plans)
    with pytest.raises(InputError, match="one objective"):
        explore_partition(model, ROW, latency=times, solver="exact")


class KilledError(BaseException):
    """The end of a process."""


def test_stages_are_never_lost_when_saving_is_killed(tmp_path, monkeypatch):
    """Before the old ones are moved away, or between the two moves."""
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4, name="a"), layers.Dense(2, name="b")])
    made = partition(model, plan_partition(model, ROW, stages=2, latency=[1, 1]))
    place, x = tmp_path / "stages", np.ones((3, 8), "float32")
    made.save(place, tflite=False)
    replace = os.replace

    for moment in (0, 1):
        moves = []

        def killed(*paths, moment=moment, moves=moves):
            if len(moves) == moment:
                raise KilledError
            moves.append(paths)
            replace(*paths)

        monkeypatch.setattr("tfprune.partition.folder.os.replace", killed)
        with pytest.raises(KilledError):
            made.save(place, overwrite=True, tflite=False)
        monkeypatch.setattr("tfprune.partition.folder.os.replace", replace)
        np.testing.assert_array_equal(load_stages(place)(x), model(x))
        made.save(place, overwrite=True, tflite=False)
        assert len(load_stages(place)) == 2
        assert [path.name for path in tmp_path.iterdir()] == ["stages"]
