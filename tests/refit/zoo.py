"""Small models of every kind of network that the refit has to repair."""

import keras
import numpy as np
from keras import layers, ops


def plain():
    x = inputs = keras.Input((12, 12, 3))
    for filters in (8, 12):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(5)(x))


def residual():
    x = inputs = keras.Input((8, 8, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x)))
    for filters, strides in ((8, 1), (8, 1), (12, 2)):
        y = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
        if strides > 1:
            x = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides, use_bias=False)(x))
        x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def mobile():
    """Inverted residuals with depthwise convolutions and squeeze-and-excitation."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same")(x)
    for _ in range(2):
        y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(16, 1, use_bias=False)(x)))
        y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
        y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(16, 1, activation="sigmoid")(layers.Conv2D(6, 1, activation="relu")(gate))
        y = layers.Multiply()([y, gate])
        y = layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(y))
        x = layers.Add()([x, y])
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def dense_blocks():
    """Concatenations, normalised before they are read."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same")(x)
    for _ in range(3):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = layers.Conv2D(12, 1, use_bias=False)(y)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        x = layers.Concatenate()([x, layers.Conv2D(6, 3, padding="same", use_bias=False)(y)])
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def grouped():
    x = inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(8, 3, padding="same", groups=2, activation="relu")(x)
    x = layers.SeparableConv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Conv2D(3, 1)(x))


def transformer():
    inputs = keras.Input((6, 8))
    x = layers.Dense(16)(inputs)
    for _ in range(2):
        x = x + layers.MultiHeadAttention(4, 4)(y := layers.LayerNormalization()(x), y)
        y = layers.Dense(24, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(16)(y)
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling1D()(x)))


def over_time():
    inputs = keras.Input((4, 6, 6, 2))
    x = layers.TimeDistributed(layers.Conv2D(8, 3, activation="relu"))(inputs)
    x = layers.TimeDistributed(layers.Conv2D(8, 3, activation="relu"))(x)
    x = layers.TimeDistributed(layers.GlobalAveragePooling2D())(x)
    x = layers.TimeDistributed(layers.Dense(8, activation="relu"))(x)
    return keras.Model(inputs, layers.TimeDistributed(layers.Dense(3))(x))


def two_inputs():
    image, table = keras.Input((6, 6, 3), name="image"), keras.Input((4,), name="table")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(image))
    y = layers.Dense(8, activation="relu")(table)
    z = layers.Dense(12, activation="relu")(layers.Concatenate()([x, y]))
    return keras.Model({"image": image, "table": table}, {"a": layers.Dense(3)(z), "b": layers.Dense(1)(z)})


class Block(layers.Layer):
    """A subclassed layer with weights that it uses directly."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 12), name="kernel")
        self.inner = layers.Dense(8, activation="relu", name="inner")
        self.inner.build((None, 12))

    def call(self, x):
        return self.inner(ops.relu(ops.matmul(x, self.kernel)))


class Subclassed(keras.Model):
    """A subclassed model around a composite layer."""

    def __init__(self):
        super().__init__()
        self.first = layers.Dense(16, activation="relu")
        self.second = layers.Dense(16, activation="relu")
        self.block = Block()
        self.head = layers.Dense(3)

    def call(self, x):
        return self.head(self.block(self.second(self.first(x))))


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 10), "float32"))
    return model


MODELS = {
    f.__name__: f
    for f in (
        plain, residual, mobile, dense_blocks, grouped, transformer, over_time, two_inputs, subclassed,
    )
}  # fmt: skip
