"""`tfprune.prune(model, pruning_schedule=…)`: trained with labels, in stages without."""

import keras
import numpy as np
import pytest
from support import small_model, sparsity_of

import tfprune
from tfprune.errors import InputError
from tfprune.schedules import PolynomialDecay, StepSchedule

STAGES = [(0.5, 1), (0.75, 2), (0.9, 3)]


def sparsities_by_epoch(monkeypatch):
    """The sparsity of `hidden` after each epoch of any `fit`."""
    seen = []
    fit = keras.Model.fit

    def watched(model, *args, callbacks=(), **options):
        look = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append(sparsity_of(model.get_layer("hidden")))
        )
        return fit(model, *args, callbacks=[*callbacks, look], **options)

    monkeypatch.setattr(keras.Model, "fit", watched)
    return seen


@pytest.mark.parametrize("schedule", [STAGES, StepSchedule(STAGES)])
def test_with_labels_it_trains_until_the_last_stage_is_trained(data, monkeypatch, schedule):
    seen = sparsities_by_epoch(monkeypatch)
    model = small_model()
    stem = np.asarray(model.get_layer("stem").kernel)
    result = tfprune.prune(model, pruning_schedule=schedule, data=data, verbose=0)
    assert seen == pytest.approx([0.0, 0.5, 0.75, 0.9], abs=1e-3)
    assert result.sparsity == pytest.approx(0.9, abs=1e-3)
    assert {kernel.path: kernel.shape for kernel in result.kernels}["hidden/kernel"] == (192, 20)
    assert "stem/kernel: skipped, first layer" in str(result)
    assert not np.array_equal(model.get_layer("stem").kernel, stem)
    assert model.get_layer("hidden").kernel.constraint is None


def test_a_dataset_with_labels_trains_too(data, monkeypatch, capsys):
    import tensorflow as tf

    seen = sparsities_by_epoch(monkeypatch)
    batches = tf.data.Dataset.from_tensor_slices(data).batch(32)
    tfprune.prune(small_model(), pruning_schedule=[(0.5, 0), (0.75, 1.5)], data=batches, verbose=0)
    assert seen == pytest.approx([0.5, 0.75], abs=1e-3)
    assert capsys.readouterr().out == ""


def test_without_data_each_stage_takes_what_matters_least_of_what_is_left(monkeypatch):
    seen = sparsities_by_epoch(monkeypatch)
    staged, once = small_model(), small_model()
    once.set_weights(staged.get_weights())
    result = tfprune.prune(staged, pruning_schedule=STAGES)
    tfprune.prune(once, 0.9)
    assert seen == []
    assert result.sparsity == pytest.approx(0.9, abs=1e-3)
    for one, other in zip(staged.weights, once.weights, strict=True):
        np.testing.assert_array_equal(one, other)  # of magnitudes those that are left at last are the largest


def test_stages_with_a_refit_differ_from_one_step_and_say_what_it_did():
    x = np.random.default_rng(0).normal(size=(400, 8, 8, 2)).astype("float32")
    staged, once = small_model(), small_model()
    once.set_weights(staged.get_weights())
    result = tfprune.prune(staged, pruning_schedule=STAGES, refit=x, data=x)  # no labels: not trained
    tfprune.prune(once, 0.9, refit=x)
    assert result.refit is not None
    assert result.sparsity == pytest.approx(0.9, abs=1e-3)
    assert not np.array_equal(staged.get_layer("hidden").kernel, once.get_layer("hidden").kernel)


def test_stages_of_whole_filters_and_sparsities_of_their_own():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), *(keras.layers.Conv2D(16, 3, name=name) for name in "abc"), keras.layers.Flatten()]
    )
    result = tfprune.prune(model, pruning_schedule=[(0.25, 1), (0.5, 2)], granularity="filter", per_layer={"b": 0.75})
    kept = {layer.name: getattr(layer, "filters", 0) for layer in tfprune.shrink(model).layers}
    assert (kept["a"], kept["b"]) == (8, 4)
    assert {kernel.path: kernel.zeros for kernel in result.kernels} == {"a": 8, "b": 12}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amount": 0.5}, "leave amount and threshold out"),
        ({"threshold": 0.5}, "leave amount and threshold out"),
        ({"pruning_schedule": PolynomialDecay(0, 0.9)}, "give pairs .*PruneCallback"),
        ({"pruning_schedule": "cosine"}, "give pairs"),
        ({"pruning_schedule": [(1, 0.5), (2, 0.75)]}, "sparsity comes first"),
        ({"pruning_schedule": [(0.9, 1), (0.5, 2)]}, "rising order, as nothing grows without training"),
        ({"granularity": "2:4"}, "above the 0.5"),
        ({"scope": tfprune.scope.Global(max_sparsity=0.6)}, "above the 0.6"),
        ({"data": iter([])}, "only once"),
    ],
)
def test_bad_input_leaves_the_model_as_it_was(options, message):
    model = small_model()
    before = model.get_weights()
    with pytest.raises(InputError, match=message):
        tfprune.prune(model, **{"pruning_schedule": STAGES, **options})
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_model_that_is_to_be_trained_has_to_be_compiled(data):
    compiled = small_model()
    model = keras.Model(compiled.inputs, compiled.outputs, name="small")
    with pytest.raises(InputError, match="compile 'small' first, or leave the labels out"):
        tfprune.prune(model, pruning_schedule=STAGES, data=data)
