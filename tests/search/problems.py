"""Small problems of which the best is known: losses that add up, and a budget."""

from __future__ import annotations

import itertools

import keras
import numpy as np
from keras import layers

from tfprune.search import Space
from tfprune.search.path import greedy_path


class Knapsack:
    """Choices whose losses and savings add up, with a budget of half of all there is to use."""

    def __init__(self, seed: int, choices: int = 6, levels: int = 4, part: float = 0.5) -> None:
        rng = np.random.default_rng(seed)
        rises = rng.uniform(0.1, 1.0, (choices, levels - 1)) ** 2
        self.losses = tuple(np.concatenate([[0.0], np.cumsum(row)]) for row in rises)
        self.costs = [np.linspace(1.0, 0.1, levels) * weight for weight in rng.uniform(0.5, 2.0, choices)]
        self.total = sum(cost[0] for cost in self.costs)
        self.part = part
        names = tuple(f"choice_{n}" for n in range(choices))
        path = greedy_path(self.losses, self.used)
        self.space = Space(names, (levels,) * choices, self.used, self.losses, path)

    def loss(self, point) -> float:
        return float(sum(own[level] for own, level in zip(self.losses, point, strict=True)))

    def used(self, point) -> float:
        return float(sum(own[level] for own, level in zip(self.costs, point, strict=True))) / self.total / self.part

    def optimum(self) -> float:
        points = itertools.product(*map(range, self.space.sizes))
        return min(self.loss(point) for point in points if self.space.allowed(point))


def network(seed: int = 0) -> keras.Model:
    """A trained-like residual network with channels that matter little, compiled."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(12, 3, padding="same", activation="relu", name="stem")(inputs)
    y = layers.Conv2D(16, 3, padding="same", use_bias=False, name="inner")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.ReLU(name="relu")(y)
    y = layers.Conv2D(12, 3, padding="same", name="outer")(y)
    x = layers.Add(name="add")([x, y])
    x = layers.Conv2D(24, 3, strides=2, activation="relu", name="last")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(16, activation="relu", name="hidden")(x)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax", name="head")(x), name="residual")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def images(count: int = 96, seed: int = 0):
    """Images, with labels that can be told from them."""
    x = np.random.default_rng(seed).normal(size=(count, 12, 12, 3)).astype("float32")
    y = 2 * (x[:, :6].mean(axis=(1, 2, 3)) > 0) + (x[:, :, :6].mean(axis=(1, 2, 3)) > 0)
    return x, y.astype("int32")
