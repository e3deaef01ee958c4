"""What the examples in docstrings may use: NumPy, Keras, tfprune, two .tflite files and images that fit them."""

import doctest
import inspect
import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

FROM_MODULE = doctest.DocTestFinder._from_module
doctest.DocTestFinder._from_module = lambda self, module, thing: FROM_MODULE(self, module, inspect.unwrap(thing))
"""Examples of decorated functions run too: doctest takes these for the decorator's module."""

MODELS = Path(__file__).with_name("tflite_models")


@pytest.fixture(autouse=True)
def folder_of_the_example(request, monkeypatch, tmp_path):
    if not isinstance(request.node, pytest.DoctestItem):
        return
    for source, name in (("dense", "dense"), ("pruned_sparse", "small")):
        shutil.copy(MODELS / f"{source}.tflite", tmp_path / f"{name}.tflite")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="session")
def names_of_the_example(doctest_namespace):
    import keras
    import numpy as np

    import tfprune

    x_test = tfprune.datasets.fashion_mnist_small().x_test[:8]
    doctest_namespace.update(keras=keras, np=np, tfprune=tfprune, x_test=x_test, Budget=tfprune.Budget)
