"""The recipe for microcontrollers with a budget of flash and RAM."""

import json

import keras
import numpy as np
import pytest
import yaml
from keras import layers

import tfprune
from tfprune import Budget, InputError
from tfprune.recipe import Recipe, find_recipe, tiny


def test_tiny_takes_a_budget_in_every_form():
    recipe = tiny(budget=Budget(flash="256kB", ram=65536))
    assert recipe == tiny(budget=["flash=256kB", "ram=65536"])
    assert tiny(budget="ram=64kB").steps[0].budget == ["ram=64kB"]
    assert [step.method for step in recipe.steps] == ["fit_device", "distil", "export_device"]
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert yaml.safe_load(recipe.to_yaml())["stages"][0] == {
        "method": "fit_device", "budget": ["flash=256kB", "ram=65536"]
    }  # fmt: skip
    assert find_recipe("tiny") == tiny(), "without one it is what it was"


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"method": "fit_device"}, "no budget"),
        ({"method": "fit_device", "budget": "macs=0.5"}, "give one of flash or RAM"),
        ({"method": "fit_device", "budget": "flash=lots"}, "flash is 'lots'"),
        ({"method": "fit_device", "budget": "flash=1kB", "scope": "globl"}, "scope is 'globl'"),
        ({"method": "fit_device", "budget": "flash=1kB", "samples": 0}, "samples is 0"),
        ({"method": "export_device", "budget": "params=0.5"}, "give one of flash or RAM"),
    ],
)
def test_what_is_wrong_is_said_at_once(stage, message):
    with pytest.raises(InputError, match=rf"Stage 1 .*{message}"):
        Recipe([stage])


@pytest.fixture
def net():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3), name="image"), layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"), layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ],
        name="net",
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.slow
def test_the_folder_has_what_goes_onto_the_device(net, tmp_path):
    pytest.importorskip("tflite_micro")
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(96, 12, 12, 3)).astype("float32"), generator.integers(0, 3, 96)
    recipe = tiny(epochs=1, budget=["flash=9kB", "ram=9kB"])
    result = tfprune.compress(net, (x[:64], y[:64]), (x[64:], y[64:]), recipe, tmp_path / "out", verbose=0)
    made = result.state["exported"]["micro"]
    path = tmp_path / "out" / made["file"]
    assert path.stat().st_size == made["bytes"] <= 9000
    assert tfprune.micro.measure(path).arena_bytes == made["arena_bytes"] <= 9000
    assert f"model_arena_bytes = {made['arena_bytes']};" in (tmp_path / "out" / "model_micro.h").read_text()
    assert (tmp_path / "out" / "model_micro.cc").exists()
    assert 0 <= made["top_class"] <= 1
    card = (tmp_path / "out" / "card.md").read_text()
    assert f"in {made['arena_bytes']:,} bytes of RAM" in card
    assert "`model_micro.cc`" in card
    log = (tmp_path / "out" / "log.txt").read_text()
    assert "smallest: " in log
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["exported"]["micro"] == made
    again = tfprune.compress(net, (x[:64], y[:64]), (x[64:], y[64:]), recipe, tmp_path / "out", verbose=0)
    assert again.state["exported"] == result.state["exported"]


def test_what_is_exported_has_to_fit(net, tmp_path):
    pytest.importorskip("tflite_micro")
    x, y = np.ones((16, 12, 12, 3), "float32"), np.zeros(16)
    recipe = Recipe([{"method": "export_device", "budget": "flash=2kB"}])
    with pytest.raises(InputError, match=r"does not fit the budget: .* too large \(flash by"):
        tfprune.compress(net, (x, y), (x, y), recipe, tmp_path / "out", verbose=0)
    assert not list((tmp_path / "out").glob("model_micro*"))
