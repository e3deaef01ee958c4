"""Recipes: plain values in, stages out, the same again; and whatever is wrong is said before any work."""

import json
from importlib import import_module

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from support import examples
from warm import tfprune_command

import tfprune
from tfprune.benchmark.records import Latency, Memory, ModelResult, Speedup
from tfprune.errors import InputError
from tfprune.recipe import NAMED, Distil, Prune, Recipe, Shrink, find_recipe, stages
from tfprune.recipe.work import Work

HALF = [{"method": "prune", "granularity": "filter", "budget": "macs=0.5", "epochs": 0}, {"method": "shrink"}]


@pytest.mark.parametrize("name", NAMED)
def test_named_recipes_are_yaml_of_one_level(name):
    recipe = find_recipe(name)
    config = yaml.safe_load(recipe.to_yaml())
    assert config["version"] == 1
    for stage in config["stages"]:
        for value in stage.values():
            each = value if isinstance(value, list) else [value]
            assert all(isinstance(one, str | int | float | bool) for one in each)
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert name in str(recipe)


STAGES = st.one_of(
    st.builds(dict, method=st.just("fine_tune"), epochs=st.integers(1, 9), learning_rate=st.floats(1e-6, 1.0)),
    st.builds(dict, method=st.just("distil"), distil=st.lists(st.sampled_from(["kd", "dist", "hint"]), min_size=1)),
    st.builds(
        dict, method=st.just("prune"), amount=st.floats(0, 0.9), epochs=st.integers(0, 3),
        granularity=st.sampled_from(["weight", "filter", "1x4", "head"]), skip=st.lists(st.text(min_size=1)),
    ),
    st.builds(dict, method=st.just("gate"), budget=st.sampled_from(["macs=0.5", ["params=0.3", "macs=0.6"]])),
    st.builds(dict, method=st.just("factorise"), rank=st.one_of(st.integers(1, 9), st.just("vbmf"))),
    st.just({"method": "shrink"}),
    st.builds(
        dict, method=st.just("quantise"), precision=st.sampled_from(["int8", ["int8", "float16"]]),
        epochs=st.integers(1, 3), bits=st.integers(4, 8),
    ),
)  # fmt: skip


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(STAGES, min_size=1, max_size=5), st.one_of(st.none(), st.floats(0.01, 1.0)), st.text())
def test_any_recipe_comes_back_from_yaml_and_from_its_config(given_stages, floor, about):
    recipe = Recipe(given_stages, floor=floor, about=about)
    again = Recipe.from_yaml(recipe.to_yaml())
    assert again.get_config() == recipe.get_config()
    assert [type(one) for one in again.steps] == [type(one) for one in recipe.steps]
    assert Recipe.from_config(recipe.get_config()).get_config() == recipe.get_config()


def test_in_python_and_in_files(tmp_path):
    recipe = Recipe([Prune(amount=0.5, epochs=2), Shrink(), Distil(epochs=3)], name="mine", floor=0.9)
    recipe.save(tmp_path / "mine.yaml")
    assert Recipe.load(tmp_path / "mine.yaml").get_config() == recipe.get_config()
    assert find_recipe(str(tmp_path / "mine.yaml")).name == "mine"
    assert find_recipe(recipe.get_config()).get_config() == recipe.get_config()
    made = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(recipe))
    assert made.get_config() == recipe.get_config()


def test_a_stage_of_ones_own():
    from dataclasses import dataclass

    from tfprune.recipe import Stage

    @stages.register("zero_small")
    @dataclass(frozen=True, kw_only=True)
    class ZeroSmall(Stage):
        method = "zero_small"
        below: float = 0.1

        def run(self, work):
            for weight in work.model.trainable_weights:
                weight.assign(np.where(np.abs(weight.numpy()) < self.below, 0.0, weight.numpy()))

    recipe = Recipe.from_yaml("version: 1\nstages:\n- {method: zero_small, below: 0.2}\n")
    assert recipe.steps[0].below == 0.2


WRONG = [
    ("version: 2\nstages: []", "version 2"),
    ("stages: []", "version None"),
    ("version: 1", "no stages"),
    ("version: 1\nstages: []", "no stages"),
    ("version: 1\nstages: prune", "give a list"),
    ("version: 1\nstage: []", "Did you mean 'stages'"),
    ("version: 1\nstages: [{methods: prune}]", "with a method"),
    ("version: 1\nstages: [prune]", "with a method"),
    ("version: 1\nstages: [{method: prun}]", "Stage 1 of 'recipe' has the unknown method 'prun'. Did you mean 'prune'"),
    ("version: 1\nstages: [{method: shrink}, {method: prune, epoch: 2}]", "Stage 2.*unknown key 'epoch'.*'epochs'"),
    ("version: 1\nstages: [{method: prune, amount: {a: 1}}]", "nested"),
    ("version: 1\nstages: [{method: prune, amount: 1.5}]", r"Stage 1.*1\.5"),
    ("version: 1\nstages: [{method: prune, criterion: magnitud}]", "Did you mean 'magnitude'"),
    ("version: 1\nstages: [{method: prune, granularity: channelz}]", "Unknown granularity"),
    ("version: 1\nstages: [{method: prune, budget: mac=0.5}]", "Did you mean 'macs'"),
    ("version: 1\nstages: [{method: prune, budget: macs=0.5, amount: 0.2, granularity: filter}]", "one of them"),
    ("version: 1\nstages: [{method: prune, budget: macs=0.5}]", "granularity="),
    ("version: 1\nstages: [{method: fine_tune, epochs: 0}]", "epochs is 0"),
    ("version: 1\nstages: [{method: fine_tune, epochs: two}]", "epochs is 'two'"),
    ("version: 1\nstages: [{method: fine_tune, learning_rate: -1}]", "learning_rate is -1"),
    ("version: 1\nstages: [{method: fine_tune, decay: step}]", "decay is 'step'"),
    ("version: 1\nstages: [{method: distil, distil: kdd}]", "Did you mean 'kd'"),
    ("version: 1\nstages: [{method: factorize}]", "rank"),
    ("version: 1\nstages: [{method: factorize, rank: 0.5, form: spatal}]", "Did you mean 'spatial'"),
    ("version: 1\nstages: [{method: gate, gate: soft}]", "Unknown gate"),
    ("version: 1\nstages: [{method: regularize, penalty: l3}]", "Unknown penalty"),
    ("version: 1\nstages: [{method: export, precision: int4}]", "Unknown precision"),
    ("version: 1\nstages: [{method: quantize, epochs: 2, bits: 3}]", "from 4 to 8"),
    ("version: 1\nstages: [{method: quantize, bits: 4}]", "give epochs too"),
    ("version: 1\nstages: [{method: quantize, epochs: -1}]", "epochs is -1"),
    ("version: 1\nstages: [{method: quantize, epochs: 1, precision: int4}]", "Unknown precision"),
    ("version: 1\nstages: [{method: refit, samples: 0}]", "samples is 0"),
    ("version: 1\nfloor: 2.0\nstages: [{method: shrink}]", "floor is 2"),
    ("version: 1\nstages: [{method: !!python/object/apply:os.system [ls]}]", "not YAML"),
    ("version: 1\n  stages: [", "not YAML"),
    ("- 1", "is a mapping"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said_with_where_it_is(text, said):
    with pytest.raises(InputError, match=said):
        Recipe.from_yaml(text)


def test_recipes_that_are_not_there(tmp_path):
    for given_recipe, said in [
        ("mobil", "Did you mean 'mobile'"),
        (str(tmp_path / "no.yaml"), "no file"),
        (3, "Recipe"),
    ]:
        with pytest.raises(InputError, match=said):
            find_recipe(given_recipe)


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(384, 8, 8, 2)).astype("float32")
    y = (x[:, :4].mean(axis=(1, 2, 3)) > 0).astype(int) + (x[..., 0].mean(axis=(1, 2)) > 0.05)
    inputs = keras.Input((8, 8, 2))
    z = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", name="one")(inputs)))
    z = layers.Conv2D(16, 3, padding="same", activation="relu", name="two")(layers.MaxPooling2D()(z))
    z = layers.Dense(12, activation="relu", name="hidden")(layers.Flatten()(layers.MaxPooling2D()(z)))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(z))
    model.compile(keras.optimizers.Adam(0.01), CROSS_ENTROPY, metrics=["accuracy"])
    model.fit(x[:256], y[:256], epochs=8, verbose=0)
    return model, (x[:256], y[:256]), (x[256:], y[256:])


CROSS_ENTROPY = "sparse_categorical_crossentropy"

EVERYTHING = """
version: 1
name: everything
stages:
- {method: regularise, penalty: group_lasso, strength: 0.0001}
- {method: prune, amount: 0.3, epochs: 1, freeze: [one], refit: false}
- {method: refit, samples: 256}
- {method: gate, granularity: filter, budget: macs=0.7, epochs: 2, skip: hidden}
- {method: shrink}
- {method: factorise, budget: params=0.8}
- {method: factorise, rank: 0.5, layers: [two], epochs: 1}
- {method: distil, epochs: 1, distil: [kd, hint], teacher_weight: 0.5, learning_rate: 0.001}
- {method: fine_tune, epochs: 1, decay: constant}
- {method: quantise}
- {method: export, precision: [float32, float16], benchmark: false}
"""


def test_all_methods_in_one_recipe(trained, tmp_path, capsys):
    model, train, val = trained
    before = model.get_weights()
    result = tfprune.compress(model, train, val, Recipe.from_yaml(EVERYTHING), tmp_path / "out")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    done = result.state["done"]
    assert [entry["method"] for entry in done] == [stage.method for stage in result.recipe.steps]
    measured = [entry["measured"] for entry in done]
    whole = result.state["whole"]
    assert measured[1]["zeros"] > whole["zeros"]
    assert measured[3]["macs"] == whole["macs"]  # gates close, nothing is cut yet
    assert measured[4]["macs"] <= 0.7 * whole["macs"]
    assert measured[5]["parameters"] <= 0.8 * measured[4]["parameters"]
    assert result.model.count_params() == measured[-1]["parameters"]
    for name in ("model.keras", "model_int8.tflite", "model_float16.tflite", "card.md", "log.txt", "recipe.yaml"):
        assert (tmp_path / "out" / name).exists()
    plain = keras.models.load_model(tmp_path / "out" / "model.keras")
    np.testing.assert_allclose(plain.predict(val[0], verbose=0), result.model.predict(val[0], verbose=0), atol=1e-5)
    told = capsys.readouterr().out
    assert "stage 11" in told
    card = (tmp_path / "out" / "card.md").read_text()
    assert "| quantize |" in card
    assert "`model_int8.tflite`" in card
    (scores,) = tfprune.benchmark.predict(tmp_path / "out" / "model_float16.tflite", val[0])
    right = result.state["exported"]["float16"]["top_class"]
    assert right == (scores.argmax(axis=1) == val[1]).mean()
    assert f"{right:.2%}" in card
    assert Recipe.load(tmp_path / "out" / "recipe.yaml") == result.recipe


class Crash(Exception):  # noqa: N818
    """A crash."""


@pytest.mark.parametrize("where", ["in a stage", "between stages"])
def test_it_goes_on_where_it_crashed(where, trained, tmp_path, monkeypatch):
    model, train, val = trained
    recipe = Recipe([*HALF, {"method": "fine_tune", "epochs": 3}, {"method": "export", "benchmark": False}])
    whole = tfprune.compress(model, train, val, recipe, tmp_path / "whole", verbose=0)
    epochs = []

    class Count(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(epoch)
            if where == "in a stage" and len(epochs) == 3:
                raise Crash

    tuned = type(recipe.steps[2])
    monkeypatch.setattr(tuned, "callbacks", lambda *_: [Count()])
    if where == "between stages":
        monkeypatch.setattr(type(recipe.steps[3]), "run", lambda *_: (_ for _ in ()).throw(Crash))
    with pytest.raises(Crash):
        tfprune.compress(model, train, val, recipe, tmp_path / "out", verbose=0)
    assert epochs == [0, 1, 2]
    monkeypatch.undo()
    monkeypatch.setattr(tuned, "callbacks", lambda *_: [Count()])
    result = tfprune.compress(model, train, val, recipe, tmp_path / "out", verbose=0)
    assert epochs[3:] == ([2] if where == "in a stage" else [])
    assert len(result.state["done"]) == 4
    for own, other in zip(result.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    assert [e["measured"] for e in result.state["done"]] == [e["measured"] for e in whole.state["done"]]
    again = tfprune.compress(model, train, val, recipe, tmp_path / "out", verbose=0)  # all done: only loads
    assert again.state == result.state


@pytest.mark.slow
def test_trained_for_its_file(trained, tmp_path):
    """The training that comes before the file rounds weights to 15 values for each channel, and keeps zeros."""
    model, train, val = trained
    recipe = Recipe(
        [
            {"method": "prune", "amount": 0.5, "epochs": 0, "refit": False},
            {"method": "quantize", "epochs": 2, "bits": 4, "learning_rate": 0.001, "benchmark": False},
        ]
    )
    result = tfprune.compress(model, train, val, recipe, tmp_path / "out", verbose=0)
    pruned, trained_for_it = (entry["measured"] for entry in result.state["done"])
    assert trained_for_it["zeros"] >= pruned["zeros"]
    assert trained_for_it["loss"] != pruned["loss"]
    kernel = np.asarray(result.model.get_layer("hidden").kernel)
    assert max(len(np.unique(np.abs(column.round(6)))) for column in kernel.T) <= 8
    assert result.state["exported"]["int8"]["top_class"] == pytest.approx(trained_for_it["accuracy"], abs=0.05)


@pytest.mark.filterwarnings("ignore:`shuffle=True`")
def test_datasets_and_optimizers_with_a_schedule_of_their_own(trained, tmp_path):
    model, train, val = trained
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 10)
    scheduled = keras.models.clone_model(model)
    scheduled.set_weights(model.get_weights())
    data = [tf.data.Dataset.from_tensor_slices((x, keras.ops.one_hot(y, 3))).batch(64) for x, y in (train, val)]
    scheduled.compile(keras.optimizers.SGD(schedule), "categorical_crossentropy", metrics=["auc"])
    recipe = Recipe([{"method": "prune", "amount": 0.3}, {"method": "quantize", "benchmark": False}])
    result = tfprune.compress(scheduled, *data, recipe, tmp_path / "out", verbose=0)
    assert result.metric == "auc"
    assert result.state["done"][0]["measured"]["zeros"] > result.state["whole"]["zeros"]
    assert float(result.model.optimizer.learning_rate) == pytest.approx(0.01)


def test_the_floor_brings_back_the_last_model_above_it(trained, tmp_path):
    model, train, val = trained
    recipe = Recipe(
        [
            {"method": "factorize", "budget": "params=0.9"},
            {"method": "prune", "amount": 0.97, "epochs": 0, "refit": False, "layers": ["two", "hidden"]},
            {"method": "export", "benchmark": False},
        ],
        floor=0.95,
    )
    result = tfprune.compress(model, train, val, recipe, tmp_path / "out", verbose=0)
    assert [entry["kept"] for entry in result.state["done"]] == [True, False, True]
    assert "below the floor" in (tmp_path / "out" / "card.md").read_text()
    assert result.state["done"][2]["measured"]["accuracy"] == result.state["done"][0]["measured"]["accuracy"]
    assert result.state["done"][2]["measured"]["zeros"] < result.state["done"][1]["measured"]["zeros"]


def test_folders_of_others_are_left_alone(trained, tmp_path):
    model, train, val = trained
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    shrink = Recipe([{"method": "shrink"}])
    with pytest.raises(InputError, match="not empty"):
        tfprune.compress(model, train, val, shrink, tmp_path / "mine", verbose=0)
    tfprune.compress(model, train, val, shrink, tmp_path / "out", verbose=0)
    with pytest.raises(InputError, match="another recipe"):
        tfprune.compress(model, train, val, Recipe([{"method": "shrink"}], seed=1), tmp_path / "out", verbose=0)
    tfprune.compress(model, train, val, Recipe(HALF), tmp_path / "out", overwrite=True, verbose=0)
    assert not (tmp_path / "out" / "stage_1_shrink.keras").exists()
    tfprune.compress(model, train, val, shrink, tmp_path / "mine", overwrite=True, verbose=0)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_what_a_killed_process_was_writing_is_swept_away(trained, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    left = [".metrics-abcd_123.json", ".stage_1_shrink-abcd_123.keras", ".model-abcd_123.keras"]
    for name in left:
        (out / name).write_text("cut o")
    (out / ".mine-abcd_123.keras").write_text("precious")
    with pytest.raises(InputError, match="not empty"):  # because of what is not ours, which stays
        tfprune.compress(*trained, Recipe([{"method": "shrink"}]), out, verbose=0)
    (out / ".mine-abcd_123.keras").unlink()
    tfprune.compress(*trained, Recipe([{"method": "shrink"}]), out, verbose=0)
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


def test_overwriting_removes_only_what_is_ours_in_the_folder(trained, tmp_path):
    out, precious = tmp_path / "out", tmp_path / "precious.keras"
    precious.write_text("precious")
    for file in (str(precious), "../precious.keras"):
        out.mkdir(exist_ok=True)
        (out / "metrics.json").write_text(f'{{"mark": "of another", "done": [{{"file": "{file}"}}]}}')
        (out / "stage_7_old.keras").write_text("old")
        (out / "backup").mkdir()
        tfprune.compress(*trained, Recipe([{"method": "shrink"}]), out, overwrite=True, verbose=0)
        assert precious.read_text() == "precious"
        assert not (out / "stage_7_old.keras").exists()
        assert not (out / "backup").exists()


def test_no_stage_is_read_from_outside_of_the_folder(trained, tmp_path):
    out, recipe = tmp_path / "out", Recipe([{"method": "shrink"}])
    tfprune.compress(*trained, recipe, out, verbose=0)
    trained[0].save(tmp_path / "elsewhere.keras")
    state = json.loads((out / "metrics.json").read_text())
    state["done"][0]["file"] = "../elsewhere.keras"
    (out / "metrics.json").write_text(json.dumps(state))
    with pytest.raises(InputError, match="another recipe"):
        tfprune.compress(*trained, recipe, out, verbose=0)


def test_a_stage_whose_file_is_damaged_or_lost_is_made_again(trained, tmp_path):
    out, recipe = tmp_path / "out", Recipe(HALF)
    once = tfprune.compress(*trained, recipe, out, verbose=0)
    (out / "stage_2_shrink.keras").write_bytes((out / "stage_2_shrink.keras").read_bytes()[:999])
    with pytest.raises(InputError, match=r"stage_2_shrink.keras can't be loaded: .*\. Delete that file"):
        tfprune.compress(*trained, recipe, out, verbose=0)
    (out / "stage_2_shrink.keras").unlink()
    again = tfprune.compress(*trained, recipe, out, verbose=0)
    assert [one["measured"] for one in again.state["done"]] == [one["measured"] for one in once.state["done"]]


def test_random_layers_draw_the_same_in_a_network_from_a_file(tmp_path):
    """A .keras file doesn't hold what dropout draws next; a layer's own seed counts in each stage."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(40, 8)).astype("float32"), rng.integers(0, 3, 40)
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(16), layers.Dropout(0.5), layers.Dense(16), layers.GaussianNoise(0.1, seed=3)]
    )
    model.add(layers.Dense(3, activation="softmax"))
    model.compile("adam", CROSS_ENTROPY)
    out, recipe = tmp_path / "out", Recipe([{"method": "fine_tune", "epochs": 1}, {"method": "fine_tune", "epochs": 1}])
    once = tfprune.compress(model, data, data, recipe, out, verbose=0)
    (out / "stage_2_fine_tune.keras").unlink()
    keras.utils.set_random_seed(99)
    again = tfprune.compress(model, data, data, recipe, out, verbose=0)
    for own, other in zip(again.model.get_weights(), once.model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)


def test_the_backup_of_another_training_is_not_resumed(trained, tmp_path):
    out, recipe = tmp_path / "out", Recipe([{"method": "fine_tune", "epochs": 1}])
    model, train, _ = trained
    other = keras.models.clone_model(model)
    other.compile("sgd", CROSS_ENTROPY)
    backup = tfprune.BackupAndRestore(str(out / "backup"), delete_checkpoint=False)
    other.fit(*train, epochs=1, callbacks=[backup], verbose=0)
    with pytest.raises(InputError, match="not empty"):
        tfprune.compress(*trained, recipe, out, verbose=0)
    result = tfprune.compress(*trained, recipe, out, overwrite=True, verbose=0)
    assert [one["epoch"] for one in result.state["epochs"]] == [0]


def test_another_loss_is_another_work(trained, tmp_path):
    model, train, val = trained
    recipe = Recipe([{"method": "shrink"}])
    tfprune.compress(*trained, recipe, tmp_path / "out", verbose=0)
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    other.compile(keras.optimizers.Adam(0.01), CROSS_ENTROPY, metrics=["accuracy"])
    tfprune.compress(other, train, val, recipe, tmp_path / "out", verbose=0)  # the same again: goes on
    other.compile(keras.optimizers.Adam(0.01), "mse", metrics=["accuracy"])
    with pytest.raises(InputError, match="another recipe or model"):
        tfprune.compress(other, train, val, recipe, tmp_path / "out", verbose=0)


def test_layers_that_were_frozen_before_a_stage_are_frozen_after_it(trained, tmp_path):
    block = keras.Sequential([layers.Dense(4, name="inner"), layers.Dense(4, name="own")], name="block")
    model = keras.Sequential([keras.Input((6,)), block, layers.Dense(2, name="head")])
    block.get_layer("inner").trainable = False
    model.compile("sgd", "mse")
    data = np.ones((8, 6)), np.ones((8, 2))
    work = Work(
        model, model, data, data, tmp_path, seed=0, batch_size=8, metric=None, floor=None, tell=print, verbose=0
    )  # fmt: skip
    weights = block.get_weights()
    work.fit([], epochs=1, freeze=["block"])
    for before, after in zip(weights, block.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert [block.get_layer(name).trainable for name in ("inner", "own")] == [False, True]


@pytest.mark.parametrize(
    "given",
    [
        {"method": "prune", "criterion": "random", "refit": False}, {"method": "regularize"},
        {"method": "factorize", "epochs": 1, "rank": 0.5},
    ],
    ids=lambda given: given["method"],
)  # fmt: skip
def test_the_seed_of_a_recipe_is_that_of_its_stages(given, trained, tmp_path, monkeypatch):
    model, train, val = trained
    (stage,) = Recipe([given]).steps
    work = Work(
        model, model, train, val, tmp_path, seed=7, batch_size=64, metric=None, floor=None, tell=print, verbose=0
    )  # fmt: skip
    (callback,) = [stage._callback(work)] if given["method"] == "factorize" else stage.callbacks(work)
    assert callback.seed == 7


def test_models_that_are_not_compiled(trained, tmp_path):
    model = keras.Model.from_config(trained[0].get_config())
    with pytest.raises(InputError, match="not compiled"):
        tfprune.compress(model, *trained[1:], "moderate", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="metric 'acc' is not among"):
        tfprune.compress(*trained, Recipe(HALF, metric="acc"), tmp_path / "other", verbose=0)


def test_the_command(trained, tmp_path):
    model, train, val = trained
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=train[0], y=train[1], x_val=val[0], y_val=val[1])
    Recipe([*HALF, {"method": "distil"}, {"method": "quantize"}], name="quick").save(tmp_path / "quick.yaml")
    options = ["compress", "model.keras", "--data", "data.npz", "--recipe", "quick.yaml", "--out", "out"]
    done = tfprune_command(tmp_path, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tfprune: wrote out" in done.stdout
    assert "model_int8.tflite" in done.stdout
    again = tfprune_command(tmp_path, *options, "--json")
    assert '"method": "distil"' in again.stdout
    from typer.testing import CliRunner

    import_module("tfprune.cli.compress")
    from tfprune.cli.app import app

    listed = CliRunner().invoke(app, ["recipes"]).stdout
    assert all(name in listed for name in NAMED)
    assert Recipe.from_yaml(CliRunner().invoke(app, ["recipes", "tiny"]).stdout) == find_recipe("tiny")
    bad = CliRunner().invoke(app, ["compress", str(tmp_path / "model.keras"), "--data", str(tmp_path / "data.npz"),
                                   "--recipe", "quik", "--out", str(tmp_path / "o2")])  # fmt: skip
    assert isinstance(bad.exception, InputError)
    assert "Unknown recipe 'quik'" in str(bad.exception)


def test_a_speed_up_is_that_of_rounds_not_of_medians(trained, tmp_path, monkeypatch):
    """Something else ran in some rounds, so that the medians say slower; pairs of the same round say what is so."""
    model, train, val = trained

    def disturbed(paths, **_):
        memory = Memory(1, 1)
        first, second = (Latency(0, 0, 0, ms, ms, ms, ms, ms, ms, 0, ms, ms, 9, 1) for ms in (0.05, 0.07))
        return [
            ModelResult(str(paths[0]), 2, 1, first, memory, None),
            ModelResult(str(paths[1]), 2, 1, second, memory, Speedup(1.25, p5=1.1, p95=1.4, num_rounds=20)),
        ]

    monkeypatch.setattr(tfprune.recipe.export.benchmark, "run", disturbed)
    result = tfprune.compress(model, train, val, Recipe([{"method": "export"}]), tmp_path / "out", verbose=0)
    assert result.state["exported"]["float32"]["speedup"] == 1.25
    assert "speed-up 1.25x (5-95 %: 1.10-1.40" in (tmp_path / "out" / "log.txt").read_text()
    assert "| 0.070 | 0.050 | 1.25× |" in (tmp_path / "out" / "card.md").read_text()
    assert [file.speedup for file in tfprune.report.of_folder(tmp_path / "out").files] == [1.25]
