"""The oracle on keras.applications; `benchmarks/applications_oracle.py` measures all of them."""

from __future__ import annotations

import functools
import json

import keras
import numpy as np
import pytest
from graph.oracle import check_oracle, choose, double, random_inputs, scramble
from graph.test_user_models import LOAD

import tfprune
from tfprune.graph import trace
from tfprune.surgery import cut_graph

FAST = {
    "MobileNet": ((32, 32, 3), 14, {"alpha": 0.5}),
    "MobileNetV2": ((32, 32, 3), 25, {"alpha": 0.35}),
    "MobileNetV3Small": ((32, 32, 3), 25, {"include_top": False}),
    "ResNet50V2": ((32, 32, 3), 30, {}),
    "EfficientNetB0": ((32, 32, 3), 38, {"include_top": False}),
}
SLOW = {
    "DenseNet121": ((32, 32, 3), 110, {}),
    "ConvNeXtTiny": ((32, 32, 3), 18, {}),
    "NASNetMobile": ((32, 32, 3), 100, {"include_top": False}),
    "InceptionV3": ((75, 75, 3), 90, {}),
    "Xception": ((71, 71, 3), 28, {}),
    "EfficientNetV2B0": ((32, 32, 3), 40, {}),
    "VGG16": ((32, 32, 3), 14, {}),
    "ResNet101": ((32, 32, 3), 60, {}),
}
"""Input shape, how many groups must lose channels at least, and settings."""

cases = [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


@pytest.fixture(scope="module")
def cut():
    """Return a function that cuts a model by name; each is cut once."""
    made = {}

    def get(name):
        if name not in made:
            shape, least, settings = (FAST | SLOW)[name]
            settings = {"classifier_activation": None, "classes": 10, **settings}
            build = functools.partial(getattr(keras.applications, name), weights=None, input_shape=shape, **settings)
            with double():
                graph, chosen, _ = check_oracle(build(), tolerance=1e-9, lively=True)
            assert len(chosen) >= least
            model = scramble(build())
            graph = trace(model)
            small = cut_graph(graph, choose(graph))
            assert not graph.opaque
            assert small.count_params() < 0.7 * model.count_params() or "ConvNeXt" in name
            made[name] = small
        return made[name]

    return get


@pytest.mark.parametrize("name", cases)
def test_cutting_an_application_is_zeroing_it(name, cut):
    """Nearly all groups cut by 30 to 50 %: equal outputs, no opaque operation, far fewer parameters."""
    assert cut(name).output_shape[-1] > 1


def test_they_load_without_tfprune(cut, tmp_path, run_python):
    """Saved and loaded where tfprune can't be imported: the same outputs, from layers of Keras alone."""
    jobs = []
    for name in FAST:
        model, path, data = cut(name), str(tmp_path / f"{name}.keras"), str(tmp_path / f"{name}.npz")
        model.save(path)
        x = random_inputs(model)
        np.savez(data, **{"in:x": x, "out:0": np.asarray(model(x))})
        jobs.append((name, path, data))
    worst = json.loads(run_python(LOAD, json.dumps(jobs), warm="bare").stdout.splitlines()[-1])
    assert worst.keys() == FAST.keys()
    assert max(worst.values()) < 1e-5, worst


def test_a_tflite_file_gives_the_same(cut, tmp_path):
    """MobileNetV2, cut, becomes a file that agrees with it."""
    small = cut("MobileNetV2")
    result = tfprune.to_tflite(small, tmp_path / "small.tflite", parity_data=random_inputs(small))
    assert result.parity.relative < 1e-4
