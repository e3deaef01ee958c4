"""Noting what layers return leaves them as they were."""

import keras
import numpy as np
from keras import layers

from tfprune.distillation.capture import Capture


def test_a_call_that_was_replaced_before_is_there_again():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="hidden"), layers.Dense(1)])
    layer = model.layers[0]
    own = layer.call
    vars(layer)["call"] = replaced = lambda x: 2 * own(x)
    x = np.ones((5, 3), np.float32)
    with Capture({"hidden": layer, "again": layer}).running() as seen:
        model(x)
    assert vars(layer)["call"] is replaced
    np.testing.assert_allclose(seen["hidden"][0], 2 * own(x))
    del vars(layer)["call"]
    with Capture({"hidden": layer}).running():
        model(x)
    assert "call" not in vars(layer)
