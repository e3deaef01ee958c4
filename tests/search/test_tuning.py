"""Trainings of a search draw the same whatever was drawn before, also in a network that comes from a file."""

import keras
import numpy as np
from keras import layers

from tfprune.distillation.teacher import snapshot
from tfprune.recipe.work import Work
from tfprune.search.tuning import tuned


def test_a_training_ends_with_the_same_weights_whatever_was_drawn_before(tmp_path):
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(16), layers.Dropout(0.5), layers.GaussianNoise(0.1, seed=3)]
    )
    model.add(layers.Dense(3, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    data = rng.normal(size=(40, 8)).astype("float32"), rng.integers(0, 3, 40)
    work = Work(
        model, model, data, data, tmp_path, seed=0, batch_size=8, metric=None, floor=None, tell=print, verbose=0
    )  # fmt: skip
    student, teacher = snapshot(model), snapshot(model)
    work.compile(teacher)
    once = tuned(student, teacher, work, data, epochs=2, seed=5)
    student.save(tmp_path / "student.keras")
    model(data[0], training=True)  # draws
    keras.utils.set_random_seed(99)
    other = tuned(keras.models.load_model(tmp_path / "student.keras"), teacher, work, data, epochs=2, seed=5)
    for own, again in zip(other.get_weights(), once.get_weights(), strict=True):
        np.testing.assert_array_equal(own, again)
    another = tuned(student, teacher, work, data, epochs=2, seed=6)
    assert any((own != again).any() for own, again in zip(another.get_weights(), once.get_weights(), strict=True))
