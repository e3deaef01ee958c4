"""Removal in steps: each is trained, and one that goes below the floor is taken back."""

import numpy as np
import pytest
from support import small_model

import tfprune
from tfprune import Budget
from tfprune.cost import CostModel
from tfprune.errors import InputError
from tfprune.graph import trace


def run(model, scores, floor, steps=4, trained=None, **options):
    """Prune in steps with scores that are given one after the other."""
    left = list(scores)
    return tfprune.prune_iteratively(
        model,
        Budget(macs=0.3),
        fit=(trained if trained is not None else []).append,
        evaluate=lambda m: left.pop(0),
        floor=floor,
        steps=steps,
        verbose=0,
        **options,
    )


def test_all_steps_are_taken_where_scores_stay_above_the_floor():
    trained = []
    result = run(small_model(), [0.9, 0.5, 0.88, 0.5, 0.87, 0.4, 0.86, 0.4, 0.85], floor=0.8, trained=trained)
    assert result.reached
    assert result.model is trained[-1]
    assert [step.after for step in result.steps] == [0.88, 0.87, 0.86, 0.85]
    macs = [result.whole.macs, *(step.cost.macs for step in result.steps)]
    assert macs == sorted(macs, reverse=True)
    assert macs[-1] <= 0.3 * macs[0]
    assert CostModel(trace(result.model)).whole == result.steps[-1].cost


def test_a_step_below_the_floor_is_taken_back():
    trained = []
    result = run(small_model(), [0.9, 0.5, 0.88, 0.5, 0.79], floor=0.8, trained=trained)
    assert not result.reached
    assert len(trained) == 2
    assert result.model is trained[0]
    assert "taken back" in str(result)
    assert [step.kept for step in result.steps] == [True, False]


def test_nothing_good_gives_the_given_model_back():
    model = small_model()
    assert run(model, [0.9, 0.1, 0.2], floor=0.8).model is model


def test_real_training_between_the_steps(data):
    x, y = data
    model = small_model(metrics=["accuracy"])
    model.fit(x, y, epochs=2, verbose=0)
    before = model.get_weights()
    result = tfprune.prune_iteratively(
        model,
        Budget(params=0.5),
        steps=2,
        fit=lambda m: m.fit(x, y, epochs=1, verbose=0),
        evaluate=lambda m: m.evaluate(x, y, verbose=0)[1],
        verbose=0,
    )
    assert result.reached
    assert result.model.count_params() <= model.count_params() / 2
    assert result.model.optimizer.iterations > model.optimizer.iterations, "the optimizer goes on"
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"floor": "high"}, "floor"),
        ({"floor": 0.95}, "below the floor"),
        ({"criterion": "none"}, "criterion"),
    ],
)
def test_bad_input_is_refused_before_any_training(options, message):
    trained = []
    with pytest.raises(InputError, match=message):
        run(small_model(), [0.9] * 9, **{"floor": 0.5, "trained": trained, **options})
    assert trained == []


def test_a_score_that_is_none_is_refused():
    with pytest.raises(InputError, match="one finite number"):
        run(small_model(), [float("nan")], floor=None)


def test_a_budget_is_needed():
    with pytest.raises(InputError, match="not a budget"):
        tfprune.prune_iteratively(small_model(), 0.5, fit=print, evaluate=lambda m: 1.0)


def test_what_is_asked_of_layers_holds_for_every_step():
    model = small_model()
    hidden = model.get_layer("hidden")
    skipped = model.get_layer("stem")
    result = tfprune.prune_iteratively(
        model, Budget(macs=0.7), fit=lambda m: None, evaluate=lambda m: 0.9, floor=0.8, steps=3, verbose=0,
        per_layer={hidden: 0.5}, skip=[skipped], min_channels={model.get_layer("pointwise"): 7},
    )  # fmt: skip
    assert result.reached
    assert result.model.get_layer("hidden").units == 10
    assert result.model.get_layer("stem").filters == 6
    assert result.model.get_layer("pointwise").filters >= 7
