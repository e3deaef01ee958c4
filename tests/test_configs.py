"""Every public class that has a config comes back from it, by way of JSON and Keras' own serialisation."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from typing import Any

import keras
import pytest

import tfprune
from tfprune.cost import Budget
from tfprune.partition import Device, Link
from tfprune.targets import Target

GIVEN: dict[str, dict[str, Any]] = {
    "BackupAndRestore": {"backup_dir": "backup", "save_freq": 7},
    "Block": {"outputs": 2, "inputs": 8},
    "Budget": {"macs": 0.5, "latency": "3 ms"},
    "Device": {"name": "phone", "speed": 0.5, "memory": "2GB"},
    "Devices": {"devices": [Device("a"), Device("b", 2.0)], "links": [Link("1MB/s", "2 ms")]},
    "FactorizeCallback": {"budget": Budget(macs=0.5), "begin": 0.1, "end": 0.5},
    "Factorize": {"rank": 0.5, "layers": ["a"]},
    "Filter": {"soft": False, "round_to": 4},
    "FitDevice": {"budget": ["flash=256kB", "ram=128kB"]},
    "GateCallback": {"budget": Budget(macs=0.4), "ramp": 0.2},
    "Gathered": {"criterion": "taylor", "within": "sum"},
    "Growing": {"amount": Budget(macs=0.5), "criterion": "l2", "scope": "global"},
    "Link": {"bandwidth": "10MB/s", "delay": "2 ms"},
    "Optuna": {"sampler": "random", "batch": 2},
    "Plan": {"remove": {"a": [1, 2]}, "forms": {"b": ["spatial", [0.5]]}, "precision": "int8"},
    "PolynomialDecay": {"initial_sparsity": 0.1, "final_sparsity": 0.7, "begin": 10, "end": 90, "power": 2.0},
    "PruneCallback": {"sparsity": Budget(macs=0.5), "granularity": "filter", "per_layer": {"a": 0.5}, "verbose": 0},
    "Recipe": {"stages": [{"method": "prune", "amount": 0.5, "epochs": 2}, {"method": "shrink"}], "seed": 3},
    "SparsityBoard": {"log_dir": "logs", "layers": [keras.layers.Conv2D, "head"]},
    "StepSchedule": {"milestones": [(0.5, 1), (0.8, 2)]},
    "TFLiteExportCallback": {"path": "model.tflite", "target": Target("board", align={"float32": 16})},
    "Target": {"name": "board", "precisions": ("float32",), "align": {"float32": 16}},
}
"""What a class is made with, where it needs something, or where other values than its own are worth a look."""

ELSEWHERE = {"Distiller", "FunctionSchedule"}
"""With a model or a function in them; tested with these."""


def every_class() -> list[type]:
    """Return the classes of the package that Keras knows by a name of tfprune's."""
    found: dict[str, type] = {}
    for info in pkgutil.walk_packages(tfprune.__path__, "tfprune."):
        if "child" in info.name or info.name.endswith("__main__") or ".cli" in info.name:
            continue
        for value in vars(importlib.import_module(info.name)).values():
            if inspect.isclass(value) and value.__module__.startswith("tfprune") and "get_config" in dir(value):
                name = keras.saving.get_registered_name(value)
                if name.startswith("tfprune>") and keras.saving.get_registered_object(name) is value:
                    found[name] = value
    return [found[name] for name in sorted(found)]


CLASSES = [kind for kind in every_class() if kind.__name__ not in ELSEWHERE]


def test_all_of_them_are_looked_at():
    names = {kind.__name__ for kind in CLASSES}
    assert set(GIVEN) - names == set()
    assert len(names) > 85


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_it_comes_back(kind):
    given = GIVEN.get(kind.__name__, {})
    made = kind(**given)
    config = json.loads(json.dumps(made.get_config()))
    again = kind.from_config(config)
    assert type(again) is kind
    assert json.loads(json.dumps(again.get_config())) == config
    told = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    whole = keras.saving.deserialize_keras_object(told, safe_mode=True)
    assert type(whole) is kind
    assert json.loads(json.dumps(whole.get_config())) == config


@keras.saving.register_keras_serializable(package="of_ones_own")
class Scale(keras.layers.Layer):
    """A layer of one's own."""


@pytest.mark.parametrize(
    "made",
    [
        tfprune.PruneCallback(layers=[keras.layers.Conv2D, Scale], skip="head"),
        tfprune.GateCallback(0.5, layers=[keras.layers.Conv2D, Scale], skip="head"),
        tfprune.FactorizeCallback(rank=0.5, layers=[keras.layers.Conv2D, Scale], skip="head"),
        tfprune.RegularizeCallback(layers=[keras.layers.Conv2D, Scale], skip="head"),
    ],
    ids=lambda made: type(made).__name__,
)
def test_types_of_layers_come_back_as_types(made):
    again = type(made).from_config(json.loads(json.dumps(made.get_config())))
    assert (again.layers, again.skip) == ([keras.layers.Conv2D, Scale], ["head"])
    told = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    assert keras.saving.deserialize_keras_object(told).layers == [keras.layers.Conv2D, Scale]


def test_types_that_keras_does_not_know_are_refused():
    config = tfprune.PruneCallback(layers=[keras.layers.Conv2D]).get_config()
    config["layers"][0]["layer_type"] = "Strange"
    with pytest.raises(tfprune.InputError, match=r"no type of layers 'Strange'; define it before"):
        tfprune.PruneCallback.from_config(config)
