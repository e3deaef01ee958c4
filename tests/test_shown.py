"""The last value in a notebook's cell shows as its text, not as the fields it is made of."""

import keras
import pytest

import tfprune
from tfprune import Budget

pretty = pytest.importorskip("IPython.lib.pretty").pretty


@pytest.fixture(scope="module")
def model():
    return tfprune.models.small_cnn()


def test_a_plan_shows_as_printed(model):
    plan = tfprune.plan_filters(model, Budget(macs=0.5))
    assert pretty(plan) == str(plan)
    assert "channels kept" in pretty(plan)


def test_a_graph_shows_as_printed(model):
    graph = tfprune.graph.trace(model)
    assert pretty(graph) == str(graph)


def test_a_summary_shows_in_a_line(model):
    model.get_layer("hidden").kernel.assign(keras.ops.zeros(model.get_layer("hidden").kernel.shape))
    assert pretty(tfprune.summary(model)) == "small_cnn: 98,778 parameters, 75.1% of the kernels zero"
