"""Channels removed in one shot: a budget is met within one group's cost, and what is asked for is done or said."""

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import examples

import tfprune
from tfprune import Budget
from tfprune.criteria import Magnitude
from tfprune.errors import InputError, SparsityError
from tfprune.graph import trace
from tfprune.pruning.channels.allocation import best_channels
from tfprune.pruning.channels.importance import channel_scores
from tfprune.pruning.channels.limits import Limits


def network(widths=(16, 24, 32)):
    layers = keras.layers
    x = inputs = keras.Input((16, 16, 3))
    for number, width in enumerate(widths):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv_{number}")(x)
        x = layers.BatchNormalization(name=f"norm_{number}")(x)
        x = layers.ReLU(name=f"relu_{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(10, name="head")(x), name="network")


@given(
    fraction=st.floats(0.02, 0.95),
    name=st.sampled_from(["macs", "params", "bytes"]),
    scope=st.sampled_from(["layer", "global", "isomorphic"]),
    round_to=st.sampled_from([1, 4, 8]),
)
@settings(deadline=None, max_examples=examples(25))
def test_a_budget_is_met_within_one_channel_step(fraction, name, scope, round_to):
    model = network()
    smallest = tfprune.plan_filters(model, 0.97, scope=scope, round_to=round_to)
    field = {"params": "parameters"}.get(name, name)
    bound = int(fraction * getattr(smallest.before, field))
    assume(getattr(smallest.after, field) <= bound)
    plan = tfprune.plan_filters(model, Budget(**{name: fraction}), scope=scope, round_to=round_to)
    assert getattr(plan.after, field) <= bound
    for group in plan.groups:
        assert not group.group.prunable or group.kept in Limits(round_to).allowed(group.group)
    if round_to == 1:  # a channel more of each group would break the budget
        more = {g.group.name: min(g.kept + 1, g.group.size) for g in plan.groups if g.group.prunable}
        larger = tfprune.plan_filters(model, per_layer=more)
        assert getattr(larger.after, field) >= bound or larger.after == larger.before


@pytest.mark.parametrize("scope", ["layer", "global", "isomorphic"])
def test_a_fraction_of_the_channels_goes(scope):
    plan = tfprune.plan_filters(network(), 0.5, scope=scope)
    kept = {p.group.name: p.kept for p in plan.groups}
    assert sum(kept[name] for name in ("conv_0", "conv_1", "conv_2")) == 36
    assert kept["head"] == 10
    if scope == "layer":
        assert kept == {"conv_0": 8, "conv_1": 12, "conv_2": 16, "head": 10}


@pytest.mark.parametrize("criterion", ["fpgm", "magnitude", "random"])
@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.7, 0.85])
@pytest.mark.parametrize("least", [1, {"conv_0": 6}])
def test_what_a_group_can_not_give_is_taken_from_others(criterion, fraction, least):
    """Also where the scores of one group are the lowest of all, as those of the smallest group are by FPGM."""
    model = network()
    plan = tfprune.plan_filters(model, fraction, criterion=criterion, scope="global", min_channels=least)
    kept = {p.group.name: p.kept for p in plan.groups}
    assert sum(map(len, plan.remove.values())) == round(fraction * 72)
    assert kept["conv_0"] >= (1 if least == 1 else 6)
    assert plan.short == 0
    assert "fewer channels go" not in str(plan)


def test_a_callback_takes_it_from_others_too():
    model = network()
    model.get_layer("conv_0").kernel.assign(model.get_layer("conv_0").kernel * 1e-3)
    model.get_layer("conv_1").kernel.assign(model.get_layer("conv_1").kernel * 1e3)
    result = tfprune.prune(model, 0.75, granularity="filter", scope="global", criterion="fpgm")
    assert sum(kernel.zeros for kernel in result.kernels) == 54
    assert all(kernel.zeros < kernel.size for kernel in result.kernels)


def test_a_fraction_that_limits_do_not_allow_is_said_to_be_short():
    plan = tfprune.plan_filters(network(), 0.9, min_channels=10)  # 2, 2 and 3 channels wanted
    assert plan.short == plan.to_dict()["short"] == 8 + 8 + 7
    assert "23 fewer channels go than asked for" in str(plan)
    assert tfprune.plan_filters(network(), 0.9, scope="global", min_channels=10).short == round(0.9 * 72) - 42
    assert tfprune.plan_filters(network((12, 12, 12)), 0.5, round_to=8).short == 6
    assert tfprune.plan_filters(network((16, 32, 64)), 0.5, round_to=8).short == 0
    assert tfprune.plan_filters(network(), 0.9, per_layer={"conv_0": 0.9}, min_channels={"conv_0": 8}).short == 6
    assert tfprune.plan_filters(network(), Budget(macs=0.5)).short == 0


def test_the_given_model_is_only_read_and_the_small_one_is_plain():
    model = network()
    before = model.get_weights()
    small = tfprune.prune_filters(model, Budget(macs=0.5), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert {type(layer).__module__.split(".")[0] for layer in small.layers} == {"keras"}
    assert [layer.name for layer in small.layers] == [layer.name for layer in model.layers]


def test_the_channels_with_the_smallest_weights_go():
    model = network()
    conv = model.get_layer("conv_1")
    kernel = conv.kernel.numpy()
    weak = [3, 7, 11]
    kernel[..., weak] *= 0.01
    conv.kernel.assign(kernel)
    following = model.get_layer("conv_2")
    weights = following.kernel.numpy()
    weights[:, :, weak] *= 0.01
    following.kernel.assign(weights)
    plan = tfprune.plan_filters(model, per_layer={"conv_1": 21})
    assert plan.remove == {"conv_1": weak}


def test_counts_and_fractions_by_layer():
    model = network()
    plan = tfprune.plan_filters(model, 0.5, per_layer={"conv_0": 13, model.get_layer("conv_1"): 0.25}, round_to=8)
    kept = {p.group.name: p.kept for p in plan.groups}
    assert kept["conv_0"] == 13, "a count is taken as it is, also where it is no multiple"
    assert kept["conv_1"] == 16, "18 wanted; the nearest multiple of 8"
    assert kept["conv_2"] == 16


def test_rounding_goes_to_the_nearest_allowed_count_and_never_drops_the_request():
    plan = tfprune.plan_filters(network((12, 12, 12)), 0.5, round_to=8)
    assert [p.kept for p in plan.groups][:3] == [8, 8, 8], "6 of 12 wanted"


@given(size=st.integers(1, 70), round_to=st.integers(1, 17), least=st.integers(1, 20), wanted=st.floats(0, 70))
@settings(deadline=None, max_examples=examples(200))
def test_the_nearest_allowed_count(size, round_to, least, wanted):
    from types import SimpleNamespace

    group = SimpleNamespace(name="group", size=size, slices=())
    allowed = Limits(round_to, least).allowed(group)
    assert allowed[-1] == size
    assert all(n == size or (n % round_to == 0 and n >= least) for n in allowed)
    nearest = Limits(round_to, least).nearest(group, wanted)
    assert abs(nearest - wanted) == min(abs(allowed - wanted))


def test_min_channels_holds():
    plan = tfprune.plan_filters(network(), 0.9, min_channels=10)
    assert [p.kept for p in plan.groups][:3] == [10, 10, 10]


def test_min_channels_by_layer():
    plan = tfprune.plan_filters(network(), 0.9, min_channels={"conv_1": 20})
    assert [p.kept for p in plan.groups][:3] == [2, 20, 3]
    with pytest.raises(InputError, match="makes no channels"):
        tfprune.plan_filters(network(), 0.9, min_channels={"pool": 20})
    with pytest.raises(InputError, match="min_channels"):
        tfprune.plan_filters(network(), 0.9, min_channels={"conv_1": 0})


def test_layers_and_skip():
    plan = tfprune.plan_filters(network(), 0.5, skip=["conv_1"])
    reasons = {p.group.name: p.group.reason for p in plan.groups}
    assert reasons["conv_1"] == "skipped by name"
    assert plan.remove.keys() == {"conv_0", "conv_2"}
    assert tfprune.plan_filters(network(), 0.5, layers=["conv_1"]).remove.keys() == {"conv_1"}
    assert tfprune.plan_filters(network(), 0.5, skip=[keras.layers.Dense]).remove.keys() == {
        "conv_0",
        "conv_1",
        "conv_2",
    }


def test_a_budget_that_cant_be_met_says_what_is_smallest_and_what_holds_it_up():
    model = network()
    with pytest.raises(InputError, match=r"can't be met.*still has [\d,]+ parameters.*skipped by name"):
        tfprune.plan_filters(model, Budget(macs=0.01), skip=["conv_2", "conv_1"])
    with pytest.raises(InputError, match="at least 8"):
        tfprune.plan_filters(model, Budget(params=100), round_to=8)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {}, "Nothing is asked for"),
        ((1.0,), {}, "fraction of channels"),
        ((-0.1,), {}, "fraction of channels"),
        ((0.5,), {"round_to": 0}, "round_to"),
        ((0.5,), {"min_channels": True}, "min_channels"),
        ((0.5,), {"skip": ["convv_1"]}, "conv_1"),
        ((0.5,), {"per_layer": {"head": 3}}, "network's output"),
        ((0.5,), {"per_layer": {"conv_1": 25}}, "24 channels"),
        ((0.5,), {"per_layer": {"conv_1": 0}}, "24 channels"),
        ((0.5,), {"per_layer": {"pool": 3}}, "makes no channels"),
        ((0.5,), {"scope": "gobal"}, "global"),
        ((0.5,), {"criterion": "magnitud"}, "magnitude"),
        ((0.5,), {"layers": ["head"]}, "No channels"),
    ],
)
def test_bad_input_is_refused(arguments, options, message):
    model = network()
    before = model.get_weights()
    with pytest.raises(InputError, match=message):
        tfprune.prune_filters(model, *arguments, **options)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_weights_that_are_not_finite_are_refused_by_name_and_count():
    model = network()
    variance = model.get_layer("norm_1").moving_variance
    variance.assign(np.where(np.arange(24) < 2, np.nan, 1.0))
    with pytest.raises(SparsityError, match="2 of the 24 weights in norm_1/moving_variance"):
        tfprune.prune_filters(model, 0.5)


def test_scores_are_on_average_one_and_do_not_depend_on_scale():
    model = network()
    group = trace(model).group("conv_1")
    scores = channel_scores([group], Magnitude())[0]
    assert scores.mean() == pytest.approx(1.0)
    kernel = model.get_layer("conv_2").kernel
    kernel.assign(np.asarray(kernel) * 1000)
    np.testing.assert_allclose(channel_scores([group], Magnitude())[0], scores, rtol=1e-5)


@given(scores=st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=12), data=st.data())
@settings(deadline=None)
def test_exactly_so_many_are_kept_also_when_scores_are_equal(scores, data):
    count = data.draw(st.integers(0, len(scores)))
    kept = best_channels(np.array(scores), count)
    assert kept.sum() == count
    assert min(np.array(scores)[kept], default=9) >= max(np.array(scores)[~kept], default=-9)


def test_the_same_seed_removes_the_same_channels():
    model = network()
    plans = [tfprune.plan_filters(model, 0.5, criterion="random", seed=seed).remove for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


def test_the_plan_reads_well(capsys):
    plan = tfprune.plan_filters(network(), Budget(macs=0.5))
    tfprune.prune_filters(network(), Budget(macs=0.5))
    printed = capsys.readouterr().out
    assert "MACs" in printed
    assert "3 of 4 groups cut" in printed
    found = plan.to_dict()
    assert found["groups"][3]["reason"] == "the network's output"
    assert len(found["groups"][0]["kept"]) == plan.groups[0].kept


def test_normalisations_over_channels_are_said_to_be_inexact():
    inputs = keras.Input((8,))
    x = keras.layers.LayerNormalization()(keras.layers.Dense(16)(inputs))
    plan = tfprune.plan_filters(keras.Model(inputs, keras.layers.Dense(2)(x)), 0.5)
    assert "not exact" in str(plan)
    assert "mean and variance" in plan.groups[0].group.inexact
