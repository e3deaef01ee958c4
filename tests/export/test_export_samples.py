"""Example data in every form that people have them in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfprune.errors import InputError
from tfprune.export import to_tflite
from tfprune.inputs.samples import gather, random_samples
from tfprune.inputs.signature import InputSpec, Signature

ONE = Signature((InputSpec("x", (1, 4), "float32"),), 0)
TWO = Signature((InputSpec("b", (1, 4), "float32"), InputSpec("a", (1, 3), "float32")), [0, 0])
X = np.arange(40, dtype="float64").reshape(10, 4)
Y = np.arange(10)
A = np.arange(30).reshape(10, 3)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return X[2 * index : 2 * index + 2], Y[2 * index : 2 * index + 2]


@pytest.mark.parametrize(
    "data",
    [
        X,
        tf.constant(X),
        (X,),
        (X, Y),
        (X, X),
        (X, Y, Y),
        {"x": X},
        {"x": X, "label": Y},
        [X[:5], X[5:]],
        list(X),
        [(X[:5], Y[:5]), (X[5:], Y[5:])],
        [{"x": X[:5]}, {"x": X[5:]}],
        tf.data.Dataset.from_tensor_slices(X).batch(3),
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(3),
        tf.data.Dataset.from_tensor_slices({"x": X}).batch(3),
        tf.data.Dataset.from_tensor_slices(X),
        Batches(),
    ],
    ids=lambda data: type(data).__name__,
)
def test_one_input(data):
    (array,) = gather(data, ONE, 100)
    np.testing.assert_array_equal(array, X)
    assert array.dtype == np.float32


def test_a_generator():
    np.testing.assert_array_equal(gather((X[i : i + 3] for i in range(0, 10, 3)), ONE, 100)[0], X)


@pytest.mark.parametrize(
    "data",
    [
        (X, A),
        [X, A],
        {"a": A, "b": X},
        ((X, A), Y),
        ({"a": A, "b": X}, Y),
        [((X[:5], A[:5]), Y[:5]), ((X[5:], A[5:]), Y[5:])],
        tf.data.Dataset.from_tensor_slices(((X, A), Y)).batch(4),
        tf.data.Dataset.from_tensor_slices(({"a": A, "b": X}, Y)).batch(4),
    ],
)
def test_two_inputs_in_the_right_order(data):
    first, second = gather(data, TWO, 100)
    np.testing.assert_array_equal(first, X)
    np.testing.assert_array_equal(second, A)
    assert second.dtype == np.float32


def test_few_samples_of_many_are_spread_over_arrays_and_the_first_of_iterables():
    assert gather(X, ONE, 4)[0][:, 0].tolist() == [0, 12, 24, 36]
    endless = tf.data.Dataset.from_tensor_slices(X).batch(2).repeat()
    assert gather(endless, ONE, 5)[0][:, 0].tolist() == [0, 4, 8, 12, 16]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X[:, :3], r"expected \(samples, 4\)"),
        (X[:0], "empty"),
        (iter([]), "no batch"),
        (np.where(X == 7, np.nan, X), "NaN"),
        (X.astype(str), "give numbers"),
        ({"y": X}, "keys"),
        (3, "can't be read"),
        ([X[:5], X[5:, :2]], "differ in the shape"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        gather(data, ONE, 100)


def test_random_samples_are_seeded_and_valid():
    tokens = Signature((InputSpec("t", (None, 6), "int32"), InputSpec("x", (1, 2), "float32")), [0, 0])
    ids, real = random_samples(tokens, 50, 3)
    assert (ids.dtype, ids.min(), ids.max(), real.dtype) == (np.int32, 0, 1, np.float32)
    assert 0.7 < real.std() < 1.3
    again = random_samples(tokens, 50, 3, vocabulary=9)[0]
    assert (again.min(), again.max()) == (0, 8)


def test_two_inputs_are_calibrated_with_their_own_data(tmp_path):
    b, a = keras.Input((4,), name="b"), keras.Input((3,), name="a")
    model = keras.Model([b, a], keras.layers.Dense(2)(b) + keras.layers.Dense(2)(a))
    data = (X / 40, A * 100.0)
    result = to_tflite(model, tmp_path / "m.tflite", quantize="int8", representative_data=data, io_dtype="int8")
    scales = {info.name: info.scale for info in result.inputs}
    assert scales["b"] < 0.01 < 5 < scales["a"]
