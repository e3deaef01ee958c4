"""What a report says of two models is what was done to them."""

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.report import Report, make
from tfprune.report.judged import wilson
from tfprune.report.times import shared
from tfprune.surgery import cut_graph


def network(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, use_bias=False, name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(12, 3, name="second")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x), name="net")
    rng = np.random.default_rng(seed)
    norm = model.get_layer("norm")
    norm.set_weights([rng.normal(size=8) + 2, rng.normal(size=8), rng.normal(size=8), rng.random(8) + 1])
    return model


DATA = (np.random.default_rng(0).normal(size=(60, 8, 8, 3)).astype("float32"), np.arange(60) % 3)


def without(model, channels, group="first"):
    """The model without some channels of a group."""
    return cut_graph(trace(model), {group: channels})


@pytest.mark.parametrize("criterion", ["magnitude", "l2"])
def test_the_scores_that_are_left_are_those_of_weights_that_are(criterion):
    model = network()
    small = without(model, [1, 5])
    small.get_layer("second").kernel[0, 0, 0].assign(np.zeros(12))
    rows = {row.name: row for row in make(model, small, criterion=criterion).layers}
    power = 1 if criterion == "magnitude" else 2
    first, second = (np.abs(model.get_layer(n).kernel.numpy()) ** power for n in ("first", "second"))
    assert rows["first"].score == pytest.approx(1 - first[..., [1, 5]].sum() / first.sum())
    gone = second[:, :, [1, 5]].sum() + second[0, 0, 0].sum()
    assert rows["second"].score == pytest.approx(1 - gone / second.sum())
    assert rows["head"].score == 1.0
    assert "Score left" in make(model, small).to_html()
    assert "Score left is" not in make(model, model).to_html()


def test_a_criterion_that_needs_more_than_weights_is_refused():
    with pytest.raises(InputError, match="more than the weights"):
        make(None, network(), criterion="taylor")


def kept_in(report, name):
    (group,) = [one for one in report.channels if one.name == name]
    return [n % 2 == 0 for n, length in enumerate(group.runs) for _ in range(length)], group


def test_a_plan_is_shown_as_it_was_carried_out():
    model = network()
    plan = tfprune.plan_filters(model, 0.5, data=DATA[0])
    small = plan.apply()
    report = make(model, small, plan=plan)
    for group in plan.groups:
        shown, row = kept_in(report, group.group.name)
        assert shown == group.keep.tolist()
        assert row.left == group.kept
    by_name = {row.name: row for row in report.layers}
    assert by_name["first"].before == 8 * 27
    assert by_name["first"].after == small.get_layer("first").count_params()
    assert by_name["second"].units_after == small.get_layer("second").filters
    assert by_name["head"].reason == ""  # it has lost inputs
    assert sum(row.before for row in report.layers) == model.count_params()
    assert sum(row.after for row in report.layers) == small.count_params()
    assert any(row.predicted is not None for row in report.layers)
    values = {change.name: (change.before, change.after) for change in report.headline}
    assert values["parameters"] == (model.count_params(), small.count_params())
    assert values["MACs"][1] == plan.after.macs
    assert Report.from_json(report.to_json()) == report


def test_which_channels_are_left_is_remembered_or_proved_but_never_guessed(tmp_path):
    model = network()
    small = without(network(), [1, 2, 6])
    wanted = [n not in (1, 2, 6) for n in range(8)]
    assert kept_in(make(model, small), "first")[0] == wanted
    small.save(tmp_path / "small.keras")
    again = keras.models.load_model(tmp_path / "small.keras")  # it has forgotten, but its normalisation tells
    assert kept_in(make(model, again), "first")[0] == wanted
    again.get_layer("norm").gamma.assign_add(np.full(5, 0.1, "float32"))  # as training does
    report = make(model, again)
    shown, row = kept_in(report, "first")
    assert (shown, row.left, row.size) == ([], 5, 8)
    assert "not recorded" in report.notes[0]
    assert "which ones is not recorded" in report.to_html()


def test_zeros_and_silent_channels_are_counted():
    model, pruned = network(), network()
    tfprune.prune(pruned, 0.75, layers=["second"], verbose=0)
    kernel = pruned.get_layer("first").kernel
    kernel.assign(np.where(np.arange(8) == 3, 0.0, kernel.numpy()))
    report = make(model, pruned)
    by_name = {row.name: row for row in report.layers}
    assert by_name["second"].sparsity == pytest.approx(0.75)
    assert by_name["first"].zeros == 27
    shown, row = kept_in(report, "first")
    assert row.silent
    assert shown == [n != 3 for n in range(8)]
    (zeros,) = [change for change in report.headline if change.name == "zeros in kernels"]
    assert zeros.before == 0.0
    picture = next(one for one in report.weights if one.name == "second")
    assert picture.zeros == pytest.approx(0.75)
    assert sum(picture.after) == 0.25 * 9 * 8 * 12
    assert sum(picture.before) == 9 * 8 * 12
    assert "0" in "".join(picture.picture)


def test_maps_have_gaps_where_channels_were():
    model = network()
    report = make(model, without(network(), [1, 2, 6]))
    first = next(one for one in report.weights if one.name == "first")
    assert {column for row in first.picture for column, level in enumerate(row) if level == "."} == {1, 2, 6}
    second = next(one for one in report.weights if one.name == "second")
    assert any(set(row) == {"."} for row in second.picture)


def test_factors_are_counted_with_their_layer():
    model = network()
    small = tfprune.factorize(model, rank=2, layers=["second"], verbose=0)
    report = make(model, small)
    row = next(one for one in report.layers if one.name == "second")
    assert row.factors > 1
    assert row.after == small.count_params() - sum(
        small.get_layer(name).count_params() for name in ("first", "norm", "head")
    )
    assert {one.name for one in report.layers} == {"first", "norm", "second", "head"}


def test_both_are_judged_on_the_same_data_and_how_sure_that_is():
    model, small = network(), network(1)
    with pytest.raises(InputError, match="not compiled"):
        make(model, small, val=DATA)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    report = make(model, small, val=DATA, history={"accuracy": [0.1, 0.2], "name": [], "bad": [float("nan")]})
    assert not small.compiled
    (accuracy,) = [change for change in report.headline if change.name == "accuracy"]
    assert accuracy.before == pytest.approx(model.evaluate(*DATA, verbose=0, return_dict=True)["accuracy"])
    assert accuracy.after == pytest.approx(float(np.mean(small.predict(DATA[0], verbose=0).argmax(-1) == DATA[1])))
    assert accuracy.after_range == wilson(accuracy.after, 60)
    assert report.metric == "accuracy"
    assert report.history == {"accuracy": (0.1, 0.2)}


def test_wilson_against_simulation():
    rng = np.random.default_rng(0)
    inside = 0
    for seen in rng.binomial(200, 0.9, size=2000) / 200:
        low, high = wilson(seen, 200)
        inside += low <= 0.9 <= high
    assert 0.93 <= inside / 2000 <= 0.97
    assert wilson(0.0, 10)[0] == 0.0
    assert wilson(1.0, 10)[1] == pytest.approx(1.0)


def test_one_model_alone_and_one_that_cannot_be_traced():
    report = make(None, network())
    assert report.layers[0].before is None
    assert report.headline[0].before is None
    assert "<svg" in report.to_html()

    class Raw(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(3, 2), name="kernel")

        def call(self, x):
            import tensorflow as tf

            return tf.linalg.matmul(x, self.kernel)

    strange = keras.Sequential([keras.Input((3,)), Raw(name="raw")])
    assert make(strange, strange).layers[0].before == 6
    with pytest.raises(InputError, match="no weights"):
        make(None, keras.Sequential([keras.layers.Dense(2)]))


def test_latency_is_timed_with_its_spread():
    model = network()
    small = without(network(), [1, 2, 6])
    report = make(model, small, layers=True, benchmark={"runs": 5, "min_seconds": 0.02, "warmup_seconds": 0.02})
    (latency,) = [change for change in report.headline if change.name == "latency"]
    assert latency.after_range[0] <= latency.after <= latency.after_range[1]
    assert [fall.name for fall in report.waterfalls] == ["dense.tflite", "small.tflite"]
    shares = {row.name: row.share for row in report.layers if row.share is not None}
    assert shares
    assert 0 < sum(shares.values()) <= 1 + 1e-9
    assert shared(report.layers, report.waterfalls[-1]) == report.layers
    assert "Where the time goes" in report.to_html()


def test_out_is_checked_before_the_work(tmp_path):
    with pytest.raises(InputError, match="does not end in"):
        make(None, None, tmp_path / "report.pdf")
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(InputError, match="exists"):
        make(None, None, tmp_path / "report.html")
    make(None, network(), tmp_path / "report.html", overwrite=True)
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
