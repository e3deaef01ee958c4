"""Networks that are hard to cut: several inputs and outputs, shared, nested, masked, with tokens of their own."""

from __future__ import annotations

import keras
from keras import layers, ops
from refit.zoo import MODELS as ZOO


class Tokens(layers.Layer):
    """Adds a class token and a position to each patch."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token", initializer="normal")
        self.position = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), name="position", initializer="normal")

    def call(self, x):
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1) + self.position


def vision_transformer():
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Reshape((4, 8))(layers.Conv2D(8, 4, 4)(x))
    x = Tokens()(x)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y)])
        x = layers.Add()([x, layers.Dense(8)(layers.Dense(16, activation="gelu")(layers.LayerNormalization()(x)))])
    return keras.Model(inputs, layers.Dense(3)(x[:, 0]))


def nested():
    inner_input = keras.Input((8, 8, 4))
    inner = keras.Model(inner_input, layers.ReLU()(layers.Conv2D(4, 3, padding="same")(inner_input)), name="inner")
    inputs = keras.Input((8, 8, 4))
    x = layers.Add()([inner(inputs), inputs])
    x = inner(x)  # shared: called again
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def siamese():
    shared = keras.Sequential([keras.Input((6,)), layers.Dense(5, activation="relu"), layers.Dense(4)], name="tower")
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    a, b = shared(left), shared(right)
    return keras.Model([left, right], [layers.Dense(2)(layers.Subtract()([a, b])), a])


def windows():
    """Other axes are put into that of the batch and back."""
    inputs = keras.Input((4, 6))
    x = layers.Dense(6)(inputs)
    x = ops.reshape(x, (-1, 6))
    x = layers.Dense(6, activation="relu")(x)
    x = ops.reshape(x, (-1, 4, 6))
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


def masked():
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(10, 6, mask_zero=True)(inputs)
    x = layers.LSTM(4)(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Dense(3)(x)))


MODELS = {**ZOO, **{f.__name__: f for f in (vision_transformer, nested, siamese, windows, masked)}}
