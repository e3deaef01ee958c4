"""Latencies: one operation at a time from files that real interpreters run, kept on disk; networks from their sum."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from factorization.test_network import residual
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from support import examples

import tfprune
from tfprune import Budget
from tfprune.benchmark import host
from tfprune.cost import CostModel
from tfprune.cost.budget import parse_budget
from tfprune.cost.operation import Operation, operation_of
from tfprune.errors import InputError
from tfprune.granularity import Filter
from tfprune.graph import trace
from tfprune.latency import LatencyTable, NetworkLatency, parts_of
from tfprune.latency.network import interpolate, measured_latency
from tfprune.latency.one_operation import COPIES, STEP, one_operation
from tfprune.pruning.channels.latency import within_latency
from tfprune.search.find_plans import find_plans
from tfprune.xnnpack.network import read_network


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache, monkeypatch):
    """Keep the tables of these tests apart from the user's."""
    monkeypatch.setenv("TFPRUNE_CACHE", str(cache))


def test_a_clock_that_reads_too_little_now_and_then_does_no_harm(tmp_path, monkeypatch):
    class Worker:
        """A worker process whose inferences take a millisecond; each 50th reading is next to nothing."""

        def __init__(self, path):
            self.path = path

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def hello(self):
            return {"interpreter": "stand-in", "versions": {"stand-in": "1"}}

        def ask(self, what, *_, **__):
            return {"cpu_ns": [10 if n % 50 == 0 else 1_000_000 for n in range(200)], "wall_ns": [9_000_000] * 200}

    monkeypatch.setattr("tfprune.latency.table.Child", Worker)
    table = LatencyTable(folder=tmp_path)
    table.measure([convolution()])
    assert table[convolution()] == pytest.approx(1 / COPIES)


def convolution(inputs=8, outputs=8, size=6, **options):
    return Operation("convolution", (size, size), inputs, outputs, (3, 3), (1, 1), (1, 1), "same", **options)


LAYERS = [
    (layers.Conv2D(6, 3, strides=2, padding="same"), (9, 9, 4)),
    (layers.Conv2D(6, (3, 1), dilation_rate=2), (9, 9, 4)),
    (layers.Conv2D(6, 3, groups=2), (9, 9, 4)),
    (layers.Conv1D(6, 3, padding="causal"), (9, 4)),
    (layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), (9, 9, 4)),
    (layers.DepthwiseConv1D(3), (9, 4)),
    (layers.Dense(5), (7, 4)),
    (layers.EinsumDense("abc,cde->abde", (7, 2, 5)), (7, 4)),
]


@pytest.mark.parametrize("quantize", [None, "int8"])
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: getattr(value, "name", ""))
def test_what_an_operation_makes_and_costs_is_what_keras_and_the_interpreter_say(layer, shape, quantize, tmp_path):
    layer = type(layer).from_config(layer.get_config())
    made = layer(np.zeros((1, *shape), "float32"))
    operation = operation_of(type(layer), layer.get_config(), (None, *shape), layer.kernel.shape)
    assert operation.parameters == layer.count_params()
    assert operation.outputs * int(np.prod(operation.made)) == int(np.prod(made.shape[1:]))
    path = tmp_path / "one.tflite"
    path.write_bytes(one_operation(operation, quantize))
    outputs = tfprune.benchmark.inspect(path).outputs
    assert len(outputs) == COPIES
    assert {str(output.dtype) for output in outputs} == {quantize or "float32"}
    assert int(np.prod(outputs[0].shape)) == int(np.prod(made.shape))
    tfprune.benchmark.run(path, runs=1, warmup=0, min_seconds=0.001, warmup_seconds=0)


def test_a_file_computes_what_the_layer_does(tmp_path):
    """The file that is timed has the weights of a real convolution: the same as Keras computes with them."""
    operation = convolution(4, 5)
    (tmp_path / "one.tflite").write_bytes(one_operation(operation))
    x = np.random.default_rng(1).normal(size=(1, 6, 6, 4)).astype("float32")
    found = tfprune.benchmark.predict(tmp_path / "one.tflite", x)
    kernel = np.random.default_rng(0).normal(size=(5, 3, 3, 4)) / np.sqrt(36)
    layer = layers.Conv2D(5, 3, padding="same", use_bias=False)
    layer.build((None, 6, 6, 4))
    layer.kernel.assign(kernel.transpose(1, 2, 3, 0))
    np.testing.assert_allclose(found[0], np.asarray(layer(x)), atol=1e-4)


KINDS = {
    "convolution": (convolution(4, 5), layers.Conv2D(5, 3, padding="same", use_bias=False), (6, 6, 4)),
    "depthwise": (
        Operation("depthwise", (6, 6), 4, 4, (3, 3), (1, 1), (1, 1), "same", groups=4),
        layers.DepthwiseConv2D(3, padding="same", use_bias=False),
        (6, 6, 4),
    ),
    "dense": (Operation("dense", (3,), 8, 5), layers.Dense(5, use_bias=False), (3, 8)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_int8_file_computes_what_the_layer_does_but_for_rounding(kind, tmp_path):
    operation, layer, shape = KINDS[kind]
    path = tmp_path / "one.tflite"
    path.write_bytes(one_operation(operation, "int8"))
    kernels = [tensor for tensor in read_network(path).tensors if tensor.constant and tensor.dtype == "int8"]
    assert len(kernels) == COPIES
    ends = tfprune.benchmark.inspect(path)
    assert ends.inputs[0].scale == ends.outputs[0].scale == pytest.approx(STEP)
    layer.build((None, *shape))
    drawn = np.random.default_rng(0)
    if kind == "dense":
        layer.kernel.assign((drawn.normal(size=(5, 8)) / np.sqrt(8)).T)
    elif kind == "depthwise":
        layer.kernel.assign((drawn.normal(size=(1, 3, 3, 4)) / 3).transpose(1, 2, 3, 0))
    else:
        layer.kernel.assign((drawn.normal(size=(5, 3, 3, 4)) / 6).transpose(1, 2, 3, 0))
    x = np.random.default_rng(1).integers(-40, 40, (1, *shape)).astype("float32") * STEP
    (first, *_) = tfprune.benchmark.predict(path, x.reshape(ends.inputs[0].shape))
    expected = np.asarray(layer(x))
    assert np.abs(first.reshape(expected.shape) - expected).max() < 2 * STEP
    assert np.abs(expected).max() > 20 * STEP


def test_int8_latencies_have_a_table_of_their_own(tmp_path):
    tables = [LatencyTable(folder=tmp_path, quantize=quantize) for quantize in (None, "int8")]
    large = convolution(64, 64, 16)
    for table in tables:
        table.measure([large, convolution()])
    assert tables[0].path != tables[1].path
    assert min(table[large] for table in tables) > 0
    assert tables[0][large] != tables[1][large]
    if {"avx512_vnni", "avx_vnni"} & set(host.cpu_flags()):  # others compute int8 no faster
        assert tables[1][large] < tables[0][large]
    assert LatencyTable(folder=tmp_path, quantize="int8")[large] == tables[1][large]
    with pytest.raises(InputError, match=r"quantize is 'float16'; give None \(float32\) or 'int8'"):
        LatencyTable(folder=tmp_path, quantize="float16")


def test_the_table_is_measured_once_and_kept_on_disk(monkeypatch, tmp_path):
    table = LatencyTable(folder=tmp_path)
    small, large = convolution(size=4), convolution(64, 64, 16)
    table.measure([small, large])
    assert 0 < table[small] < table[large]
    stored = json.loads(table.path.read_text())
    assert len(stored) == 2
    again = LatencyTable(folder=tmp_path)
    monkeypatch.setattr(LatencyTable, "_run", lambda *_: pytest.fail("measured again"))
    again.measure([small, large])
    assert again[large] == table[large]
    assert small in again
    assert convolution(3, 3) not in again
    with pytest.raises(KeyError):
        again[convolution(3, 3)]


def test_a_damaged_table_is_measured_anew(tmp_path):
    table = LatencyTable(folder=tmp_path)
    table.path.write_text("{ not json")
    table.measure([convolution()])
    assert json.loads(table.path.read_text())


def test_where_nothing_can_be_written_latencies_are_measured_all_the_same(kernels_of_eight, tmp_path):
    (tmp_path / "file").write_text("")
    table = LatencyTable(folder=tmp_path / "file" / "cache")
    conv = Operation("convolution", (8, 8), 16, 16, (3, 3), (1, 1), (1, 1), "same")
    with pytest.warns(UserWarning, match="set TFPRUNE_CACHE to a folder that can be written"):
        table.measure([conv])
    assert table[conv] > 0
    assert conv not in LatencyTable(folder=tmp_path / "file" / "cache")


def test_what_can_not_be_run_stays_unknown(tmp_path):
    cube = Operation("convolution", (4, 4, 4), 2, 2, (3, 3, 3), (1, 1, 1), (1, 1, 1), "same")
    table = LatencyTable(folder=tmp_path)
    table.measure([cube, convolution()])
    assert cube not in table
    assert convolution() in table
    with pytest.raises(InputError, match="threads"):
        LatencyTable(threads=0)


@settings(max_examples=examples(30), deadline=None)
@given(st.floats(1, 16), st.floats(1, 16))
def test_interpolation_is_exact_for_products(a, b):
    ins, outs = np.array([1.0, 4.0, 8.0, 16.0]), np.array([1.0, 8.0, 16.0])
    value, slope_a, slope_b = interpolate(ins, outs, np.outer(ins, outs), a, b)
    assert value == pytest.approx(a * b)
    assert (slope_a, slope_b) == pytest.approx((b, a))


def test_parts_are_the_operations_that_take_time():
    model = residual()
    parts = parts_of(trace(model))
    kinds = [part.operation.kind for part in parts]
    assert kinds.count("convolution") == 5
    assert kinds.count("dense") == 2
    assert sum(part.operation.macs for part in parts) == tfprune.cost.CostModel(trace(model)).whole.macs
    attention = keras.Sequential([keras.Input((5, 8)), layers.Dense(8)])
    inputs = keras.Input((5, 8))
    attention = keras.Model(inputs, layers.MultiHeadAttention(2, 4)(inputs, inputs))
    assert len([part for part in parts_of(trace(attention)) if part.operation.kind == "dense"]) == 4


def test_shares_are_what_one_channel_less_saves(kernels_of_eight):
    graph = trace(residual(32))
    timing = NetworkLatency(graph, LatencyTable(), measured=1.0)
    timing.prepare()
    group = next(group for group in graph.groups if group.prunable and group.size == 32)
    every, fewer = graph.kept([]), graph.kept([int(group.labels[0])])
    assert timing.cost(every) == pytest.approx(1.0)
    saved = timing.cost(every) - timing.cost(fewer)
    assert timing.shares(every)[group.labels[0]] == pytest.approx(saved, rel=0.05)
    assert saved > 0


def test_channels_are_kept_in_multiples_that_kernels_work_on(kernels_of_eight):
    model = residual(32)
    timing = NetworkLatency(trace(model), LatencyTable(), measured=1.0)
    assert timing.multiple() == 8
    assert timing.multiple(5) == 4
    plan = tfprune.plan_filters(model, Budget(latency=0.7))
    assert all(part.kept % 8 == 0 for part in plan.groups if part.group.prunable)


@pytest.mark.parametrize("round_to", [None, 5])
def test_so_are_they_while_training_unless_another_multiple_is_asked_for(round_to, kernels_of_eight):
    model = residual(32)
    pruner = tfprune.Pruner(model, Budget(latency=0.7), granularity=Filter(round_to=round_to), schedule="constant")
    pruner.start()
    pruner.finish()
    sizes = [layer.filters for layer in tfprune.shrink(model).layers if isinstance(layer, layers.Conv2D)]
    multiple = 8 if round_to is None else round_to
    assert all(size % multiple == 0 or size == 32 for size in sizes)
    assert any(size < 32 for size in sizes)


@pytest.mark.parametrize("quantize", [None, "int8"])
@pytest.mark.parametrize("make", ["filters", "factors"])
def test_a_budget_of_latency_is_met_as_predicted(make, quantize):
    model = residual(32)
    plan_of = tfprune.plan_filters if make == "filters" else tfprune.plan_factorization
    plan = plan_of(model, Budget(latency=0.7, quantize=quantize))
    assert plan.after.latency <= 0.7 * plan.before.latency * 1.001
    assert ("predicted)" if quantize is None else "predicted as int8)") in str(plan)
    assert (plan.before.quantize, plan.after.quantize) == (quantize, quantize)
    table = LatencyTable(quantize=quantize)
    again = NetworkLatency(trace(plan.apply()), table, measured=1.0)
    whole = NetworkLatency(trace(model), table, measured=1.0)
    sums = [sum(net.table[part.operation] for part in net.parts) for net in (whole, again)]
    assert sums[1] / sums[0] == pytest.approx(plan.after.latency / plan.before.latency, rel=0.02)


def test_milliseconds_are_a_bound_too():
    plan = tfprune.plan_factorization(residual(32), Budget(latency=0.8))
    wanted = 0.8 * plan.before.latency
    other = tfprune.plan_factorization(residual(32), Budget(latency=f"{wanted} ms"))
    assert other.after.latency <= wanted * 1.0001


@pytest.mark.parametrize("value", [0.0, 1.5, -1, "fast", "0 ms", True])
def test_bad_latencies(value):
    with pytest.raises(InputError, match="latency is"):
        Budget(latency=value)


def test_what_a_file_is_stored_as_is_said_with_a_latency_only():
    for wrong, said in (
        ({"latency": 0.5, "quantize": "int4"}, "give None"),
        ({"macs": 0.5, "quantize": "int8"}, "give latency="),
    ):
        with pytest.raises(InputError, match=said):
            Budget(**wrong)
    budget = parse_budget(["latency=0.5", "quantize=int8", "params=0.9"])
    assert budget == Budget(latency=0.5, params=0.9, quantize="int8")
    assert str(budget) == "Budget(params=0.9, latency=0.5, quantize=int8)"
    assert Budget.from_config(budget.get_config()) == budget
    with pytest.raises(InputError, match=r"precisions=\('int8',\)"):
        find_plans(residual(), np.zeros((16, 12, 12, 3), "float32"), budget)


def test_an_int8_latency_of_tokens_can_be_measured():
    model = keras.Sequential(
        [keras.Input((6,), dtype="int32"), layers.Embedding(9, 8), layers.Flatten(), layers.Dense(4)]
    )
    assert measured_latency([model], quantize="int8")[0] > 0


def test_a_budget_of_latency_while_training(kernels_of_eight):
    model = residual()
    model.compile("sgd", "sparse_categorical_crossentropy")
    callback = tfprune.PruneCallback(Budget(latency=0.8), granularity="filter", verbose=0)
    model.fit(np.zeros((8, 12, 12, 3)), np.zeros(8), epochs=2, verbose=0, callbacks=[callback])
    timings = [NetworkLatency(trace(one), LatencyTable(), measured=1.0) for one in (model, tfprune.shrink(model))]
    whole, small = (sum(timing.table[part.operation] for part in timing.parts) for timing in timings)
    assert small <= 0.81 * whole
    assert callback.get_config() == tfprune.PruneCallback.from_config(callback.get_config()).get_config()


def test_latencies_that_can_not_be_had():
    with pytest.raises(InputError, match="can't be met"):
        tfprune.plan_factorization(residual(), Budget(latency="0.000001 ms"))


class Steps:
    """A network of one group whose latency goes up in steps of 16 channels, though it seems to go up evenly."""

    def __init__(self, slope=1.0):
        self.costs, self.slope, self.tried = CostModel(trace(residual())), slope, []
        self.costs.whole = replace(self.costs.whole, latency=100.0)

    def by_budget(self, budget):
        self.tried.append(int(float(budget.latency.removesuffix("ms")) * self.slope))
        return [self.tried[-1]]

    def kept(self, counts):
        return counts

    def cost(self, counts):
        return replace(self.costs.whole, latency=float(counts[0]))

    def exact(self, counts):
        return float(-(-counts[0] // 16) * 16)


@pytest.mark.parametrize(("slope", "kept"), [(1.0, 48), (0.4, 48), (2.0, 48)])
def test_what_takes_less_than_it_may_is_given_channels_back(slope, kept):
    steps = Steps(slope)
    counts, cost = within_latency(steps, Budget(latency=0.5), steps)
    assert kept - 8 < counts[0] <= kept
    assert cost.latency == 48.0
    assert len(steps.tried) <= 8


def test_what_is_near_enough_is_planned_once():
    steps = Steps()
    assert within_latency(steps, Budget(latency=0.81), steps)[1].latency <= 81
    steps = Steps(0.999)
    counts, _ = within_latency(steps, Budget(latency=0.64), steps)
    assert (counts, len(steps.tried)) == ([63], 1)
