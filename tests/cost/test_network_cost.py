"""The cost of a network, whole and planned: that of the network that is made, and of TFLite's own operations."""

import math

import keras
import numpy as np
import pytest
from graph import user_models
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

import tfprune
from tfprune.cost import Budget, Cost, CostModel
from tfprune.errors import InputError
from tfprune.graph import trace


def residual_network(size=32):
    layers = keras.layers
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = stem = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.ReLU()(layers.Conv2D(24, 3, padding="same")(x))
    x = layers.Add()([layers.Conv2D(16, 3, padding="same")(x), stem])
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.SeparableConv2D(20, 3, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5)(layers.Dense(12, activation="relu")(x)))


def recurrent_network():
    inputs = keras.Input((10, 6))
    x = keras.layers.LSTM(12, return_sequences=True)(inputs)
    x = keras.layers.Bidirectional(keras.layers.GRU(8, return_sequences=True))(x)
    x = keras.layers.MultiHeadAttention(4, 6)(x, x)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


@pytest.mark.parametrize("make", [residual_network, recurrent_network])
def test_parameters_are_those_that_keras_counts(make):
    model = make()
    cost = CostModel(trace(model)).whole
    assert cost.parameters == model.count_params()
    assert cost.bytes == 4 * model.count_params()


@pytest.mark.parametrize("make", [residual_network, recurrent_network])
@pytest.mark.parametrize("fraction", [0.2, 0.6])
def test_the_planned_cost_is_that_of_the_network_that_is_made(make, fraction):
    plan = tfprune.plan_filters(make(), fraction)
    made = CostModel(trace(plan.apply())).whole
    assert plan.after == made
    assert plan.after.macs < plan.before.macs


@pytest.mark.parametrize("make", [residual_network, recurrent_network, user_models.vit, user_models.resnet_class])
def test_shares_are_what_removing_one_channel_saves(make):
    """Of every prunable group: up to what both axes of a kernel save together, which comes off twice."""
    graph = trace(make())
    costs = CostModel(graph)
    nothing = graph.kept([])
    shares = costs.shares(nothing)
    for group in graph.prunable:
        label = int(group.labels[-1])
        less = costs.cost(graph.kept([label]))
        for name in ("parameters", "bytes", "macs"):
            saved = getattr(costs.whole, name) - getattr(less, name)
            assert saved <= shares[name][label] <= saved * (1 + 1.5 / group.size), (group.name, name)


def tflite_macs(path):
    """Count multiply-accumulates from the shapes of the operations in a .tflite file."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=plain)
    tensors = {t["index"]: t for t in interpreter.get_tensor_details()}
    total = 0
    for op in interpreter._get_ops_details():
        name = op["op_name"]
        if name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        weights = tensors[op["inputs"][1]]["shape"]
        output = tensors[op["outputs"][0]]["shape"]
        places = math.prod(output) // (output[-1])
        total += places * int(np.prod(weights))
    return total


def test_macs_are_those_of_the_operations_in_the_tflite_file(tmp_path):
    model = residual_network()
    for number, network in enumerate((model, tfprune.prune_filters(model, 0.5, verbose=0))):
        path = tmp_path / f"{number}.tflite"
        tfprune.to_tflite(network, path)
        assert CostModel(trace(network)).whole.macs == tflite_macs(path)


def test_known_networks_cost_what_is_published():
    model = keras.applications.MobileNetV2(weights=None)
    assert CostModel(trace(model)).whole.macs == pytest.approx(300e6, rel=0.01)
    assert CostModel(trace(model)).whole.parameters == 3_538_984


def test_half_precision_counts_half_the_bytes():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, dtype="float16")])
    assert CostModel(trace(model)).whole == Cost(parameters=40, bytes=80, macs=32)


@pytest.mark.parametrize("bad", [{}, {"macs": 0.0}, {"macs": 1.5}, {"params": 0}, {"bytes": "big"}, {"macs": True}])
def test_bounds_that_are_none_are_refused(bad):
    with pytest.raises(InputError):
        Budget(**bad)


@given(macs=st.one_of(st.none(), st.floats(0.01, 1.0), st.integers(1, 10**9)), params=st.integers(1, 10**6))
@settings(deadline=None, max_examples=examples(50))
def test_budgets_round_trip_through_keras(macs, params):
    budget = Budget(macs=macs, params=params)
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(budget)) == budget
    whole = Cost(parameters=10**6, bytes=4 * 10**6, macs=10**9)
    bounds = budget.bounds(whole)
    assert budget.met(Cost(bounds["params"], 1, bounds.get("macs", 1)), whole)
    assert not budget.met(Cost(bounds["params"] + 1, 1, 1), whole)
