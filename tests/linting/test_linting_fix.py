"""What the linter rewrites computes the same, and is then of the form for which zeros are skipped."""

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune.errors import InputError
from tfprune.linting.fix import rewrite


def with_head(head, channels=3):
    x = inputs = keras.Input((16, 16, channels))
    x = layers.Conv2D(8, 3, strides=2, name="stem")(layers.ZeroPadding2D(1, name="pad")(x))
    x = layers.Conv2D(24, 1, activation="relu", name="mix")(x)
    return keras.Model(inputs, head(x), name="net")


def convolutional(x):
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Conv2D(12, 1, activation="relu", use_bias=False, name="features")(x)
    return layers.Reshape((5,))(layers.Conv2D(5, 1, name="head")(x))


def averaged(x):
    return layers.Dense(5)(layers.Flatten()(layers.AveragePooling2D(8)(x)))


def strided_to_one(x):
    x = layers.DepthwiseConv2D(8, name="whole")(x)
    return layers.Dense(5)(layers.Flatten(name="flat")(x))


def excited(x):
    gate = layers.Dense(6, activation="relu", name="squeeze")(layers.GlobalAveragePooling2D(name="pool")(x))
    gate = layers.Dense(24, activation="sigmoid", name="excite")(gate)
    x = layers.Multiply()([x, layers.Reshape((1, 1, 24), name="back")(gate)])
    return layers.Dense(5)(layers.GlobalAveragePooling2D()(x))


def pooled(x):
    return layers.Dense(5)(layers.GlobalAveragePooling2D()(x))


CASES = {
    "convolutional head": (with_head(convolutional), {"features", "head"}),
    "average pooling": (with_head(averaged), {"average_pooling2d", "flatten"}),
    "excitation": (with_head(excited), {"squeeze", "excite", "pool", "back"}),
    "grey": (with_head(pooled, channels=1), {"pad", "stem"}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_mended_model_computes_the_same_and_fits(name):
    model, touched = CASES[name]
    x = np.random.default_rng(0).normal(size=(8, *model.input_shape[1:])).astype("float32")
    before = [value.copy() for value in model.get_weights()]
    assert not tfprune.lint(model).fits
    report = tfprune.lint(model, fix=True)
    np.testing.assert_allclose(report.model.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    assert report.fits, report
    assert {line.split(":")[0] for line in report.fixed} >= touched - {"flatten"}
    assert [layer.name for layer in report.model.layers][-1] == model.layers[-1].name
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_map_of_one_position_is_pooled_instead_of_flattened():
    model = with_head(strided_to_one)
    made, told = rewrite(model)
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(made.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    assert told == ("flat: a global average pooling of one position instead of Flatten",)


def test_a_gate_stays_as_it_is_and_so_does_a_model_without_fault():
    def gated(x):
        gate = layers.Conv2D(24, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        return pooled(layers.Multiply()([x, gate]))

    for head in (gated, pooled):
        model = with_head(head)
        assert rewrite(model) == (model, ())


def test_compilation_is_carried_over_and_the_model_is_plain(tmp_path, run_python):
    model = with_head(convolutional)
    model.compile("adam", "mse")
    made = tfprune.lint(model, fix=True).model
    assert made.optimizer is not None
    made.save(tmp_path / "m.keras")
    code = (
        "import sys, keras; m = keras.models.load_model(sys.argv[1]);print(m.count_params(), 'tfprune' in sys.modules)"
    )
    assert run_python(code, str(tmp_path / "m.keras"), warm="bare").stdout.split() == [
        str(model.count_params()),
        "False",
    ]


def test_a_file_can_not_be_rewritten(tmp_path):
    tfprune.to_tflite(with_head(pooled), tmp_path / "m.tflite", verify=False)
    with pytest.raises(InputError, match="can't be rewritten; give the Keras model"):
        tfprune.lint(tmp_path / "m.tflite", fix=True)
