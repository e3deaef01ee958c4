"""Models as people write them, small but whole: each with what must be prunable in it."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from graph.oracle import random_inputs
from keras import layers, ops


def conv_bn(x, filters, size=3, strides=1, activation="relu", name=None):
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, name=name)(x)
    return layers.Activation(activation)(layers.BatchNormalization()(x))


def unet():
    """U-Net: skips by concatenation, transposed convolutions up."""
    image = keras.Input((16, 16, 3))
    x, skips = image, []
    for level, filters in enumerate((6, 10)):
        x = conv_bn(conv_bn(x, filters, name=f"down{level}a"), filters, name=f"down{level}b")
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.SpatialDropout2D(0.2)(conv_bn(x, 16, name="bottom"))
    for level, skip in reversed(list(enumerate(skips))):
        x = layers.Conv2DTranspose(skip.shape[-1], 2, strides=2, name=f"up{level}")(x)
        x = conv_bn(layers.Concatenate()([skip, x]), skip.shape[-1], name=f"up{level}a")
    return keras.Model(image, layers.Conv2D(2, 1, activation="softmax", name="mask")(x))


def yolo():
    """A YOLO-like detector: split-and-join blocks, up-sampling neck, three scales as a dict."""
    image = keras.Input((32, 32, 3))

    def csp(x, filters, name):
        one, two = ops.split(conv_bn(x, filters, 1, activation="silu", name=f"{name}_in"), 2, axis=-1)
        y = two + conv_bn(conv_bn(two, filters // 2, activation="silu", name=f"{name}_mid"), filters // 2)
        return conv_bn(ops.concatenate([one, two, y], axis=-1), filters, 1, activation="silu", name=f"{name}_out")

    small = csp(conv_bn(image, 8, strides=4, name="stem"), 8, "c3")
    middle = csp(conv_bn(small, 12, strides=2, name="to4"), 12, "c4")
    large = csp(conv_bn(middle, 16, strides=2, name="to5"), 16, "c5")
    pooled = [large] + [layers.MaxPooling2D(size, strides=1, padding="same")(large) for size in (3, 5)]
    large = conv_bn(layers.Concatenate()(pooled), 12, 1, activation="silu", name="spp")
    middle = csp(layers.Concatenate()([layers.UpSampling2D()(large), middle]), 12, "n4")
    small = csp(layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(middle), small]), 8, "n3")
    down = layers.Concatenate()([conv_bn(small, 8, strides=2, name="down3"), middle])
    scales = {"small": small, "middle": csp(down, 12, "p4"), "large": large}
    return keras.Model(image, {name: layers.Conv2D(3 * 7, 1, name=f"head_{name}")(x) for name, x in scales.items()})


def ssd():
    """An SSD head: boxes and classes of several scales, reshaped and joined."""
    image = keras.Input((32, 32, 3))
    x = conv_bn(image, 8, strides=2, name="stem")
    boxes, classes = [], []
    for level in range(3):
        x = conv_bn(layers.DepthwiseConv2D(3, 2, padding="same")(x), 12, 1, activation="relu6", name=f"level{level}")
        boxes.append(layers.Reshape((-1, 4))(layers.Conv2D(3 * 4, 3, padding="same", name=f"box{level}")(x)))
        classes.append(layers.Reshape((-1, 5))(layers.Conv2D(3 * 5, 3, padding="same", name=f"class{level}")(x)))
    scores = layers.Softmax(name="scores")(layers.Concatenate(axis=1)(classes))
    return keras.Model(image, [layers.Concatenate(axis=1, name="boxes")(boxes), scores])


def crnn():
    """Text recognition: convolutions, columns as steps, two directions of LSTM."""
    image = keras.Input((8, 24, 1))
    x = layers.MaxPooling2D(2)(conv_bn(image, 8, name="conv1"))
    x = layers.MaxPooling2D((2, 1))(conv_bn(x, 12, name="conv2"))
    x = layers.Reshape((12, -1), name="columns")(layers.Permute((2, 1, 3))(x))
    x = layers.Dropout(0.2)(layers.Dense(10, activation="relu", name="dense")(x))
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True), name="bi1")(x)
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True, dropout=0.1), name="bi2")(x)
    return keras.Model(image, layers.Dense(11, activation="softmax", name="text")(x))


class Tokens(layers.Layer):
    """Puts a class token in front and adds a position embedding."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")
        self.position = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), name="position")

    def call(self, x):
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1) + self.position


def vit():
    """A vision transformer."""
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(12, 4, strides=4, name="patches")(image)
    x = Tokens(name="tokens")(layers.Reshape((16, 12))(x))
    for block in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = x + layers.MultiHeadAttention(3, 4, dropout=0.1, name=f"attention{block}")(y, y)
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.Dense(24, activation="gelu", name=f"wide{block}")(y)
        x = x + layers.Dropout(0.1)(layers.Dense(12, name=f"narrow{block}")(y))
    x = layers.LayerNormalization()(x)
    return keras.Model(image, layers.Dense(4, name="classes")(x[:, 0]))


class Scale(layers.Layer):
    """A learned scale for each channel."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        return x * self.scale


def convnext():
    """ConvNeXt blocks: depthwise, normalised, wide, scaled, added."""
    image = keras.Input((16, 16, 3))
    x = layers.LayerNormalization()(layers.Conv2D(8, 4, strides=4, name="stem")(image))
    for block in range(2):
        y = layers.LayerNormalization()(layers.DepthwiseConv2D(7, padding="same")(x))
        y = layers.Activation("gelu")(layers.Dense(24, name=f"wide{block}")(y))
        x = layers.Add()([x, Scale(name=f"scale{block}")(layers.Dense(8, name=f"narrow{block}")(y))])
    x = layers.Conv2D(12, 2, strides=2, name="down")(x)
    return keras.Model(image, layers.Dense(3, name="classes")(layers.GlobalAveragePooling2D()(x)))


def generator():
    """A GAN's generator."""
    return keras.Sequential([
        keras.Input((10,)),
        layers.Dense(4 * 4 * 12, use_bias=False, name="dense"), layers.BatchNormalization(), layers.LeakyReLU(0.2),
        layers.Reshape((4, 4, 12)),
        layers.Conv2DTranspose(8, 4, strides=2, padding="same", name="up1"), layers.BatchNormalization(),
        layers.ReLU(), layers.Conv2DTranspose(6, 4, strides=2, padding="same", activation="relu", name="up2"),
        layers.Conv2D(3, 3, padding="same", activation="tanh", name="image"),
    ])  # fmt: skip


def autoencoder():
    """An encoder and a decoder, models themselves, with a code between them."""
    image = keras.Input((12, 12, 1))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv1")(image)
    x = layers.Flatten()(layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="conv2")(x))
    encoder = keras.Model(image, layers.Dense(5, name="code")(x), name="encoder")
    code = keras.Input((5,))
    y = layers.Reshape((3, 3, 8))(layers.Dense(72, activation="relu", name="dense")(code))
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv")(layers.UpSampling2D(2)(y))
    y = layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid", name="image")(y)
    decoder = keras.Model(code, y, name="decoder")
    whole = keras.Input((12, 12, 1))
    return keras.Model(whole, decoder(encoder(whole)))


def two_tower():
    """Users and items, words of both from one embedding, compared by their cosine."""
    user, item = (keras.Input((5,), dtype="int32", name=name) for name in ("user", "item"))
    age = keras.Input((1,), name="age")
    words = layers.Embedding(20, 8, name="words")
    mean = layers.GlobalAveragePooling1D()
    left = layers.Concatenate()([mean(words(user)), layers.Dense(4, activation="relu", name="age_dense")(age)])
    left = layers.Dense(6, name="user_out")(layers.Dense(12, activation="relu", name="user_hidden")(left))
    right = layers.Dense(12, activation="relu", name="item_hidden")(mean(words(item)))
    right = layers.Dense(6, name="item_out")(right)
    score = layers.Dot(axes=1, normalize=True)([left, right])
    return keras.Model({"user": user, "item": item, "age": age}, layers.Dense(1, activation="sigmoid")(score))


class Block(layers.Layer):
    """A residual block written as a layer, with a projection where the width changes."""

    def __init__(self, filters, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.conv1 = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False, name="conv1")
        self.norm1 = layers.BatchNormalization()
        self.conv2 = layers.Conv2D(filters, 3, padding="same", use_bias=False, name="conv2")
        self.norm2 = layers.BatchNormalization()
        self.project = layers.Conv2D(filters, 1, strides) if strides > 1 else None
        self.dropout = layers.Dropout(0.3)

    def call(self, x, training=None):
        y = ops.relu(self.norm1(self.conv1(x), training=training))
        y = self.dropout(self.norm2(self.conv2(y), training=training), training=training)
        return keras.activations.relu(y + (x if self.project is None else self.project(x)))


class ResNet(keras.Model):
    """A residual network written as a class."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = layers.Conv2D(6, 3, padding="same", name="stem")
        self.blocks = [Block(6, name="block0"), Block(10, 2, name="block1"), Block(10, name="block2")]
        self.pool = layers.GlobalAveragePooling2D()
        self.classes = layers.Dense(3, name="classes")

    def call(self, x, training=False):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, training=training)
        return self.classes(self.pool(x))


def resnet_class():
    """The residual network, built by a call."""
    model = ResNet()
    model(ops.zeros((1, 8, 8, 3)))
    return model


class Mixed(keras.Model):
    """A class with functional and sequential parts, dicts in and out."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        image = keras.Input((8, 8, 3))
        x = layers.Conv2D(8, 3, activation="relu", name="conv")(image)
        self.eye = keras.Model(image, layers.GlobalMaxPooling2D()(x), name="eye")
        ear = [layers.Dense(6, activation="tanh", name="one"), layers.Dense(8, name="two")]
        self.ear = keras.Sequential(ear, name="ear")
        self.gate = layers.Dense(8, activation="sigmoid", name="gate")
        self.classes = layers.Dense(3, name="classes")
        self.value = layers.Dense(1, name="value")

    def call(self, inputs, training=False):
        seen, heard = self.eye(inputs["image"]), self.ear(inputs["sound"])
        both = seen * self.gate(heard) + heard
        return {"classes": ops.softmax(self.classes(both)), "value": self.value(both)}


def mixed_class():
    """The class of mixed parts, built by a call."""
    model = Mixed()
    model({"image": ops.zeros((1, 8, 8, 3)), "sound": ops.zeros((1, 5))})
    return model


@keras.saving.register_keras_serializable("user_models")
class Blur(layers.Layer):
    """Raw TensorFlow, into which nobody can look."""

    def call(self, x):
        return tf.nn.avg_pool2d(x, 2, 1, "SAME")


def opaque():
    """A network with raw TensorFlow in the middle."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="before")(image)
    x = layers.Conv2D(6, 3, padding="same", name="held")(x)
    x = Blur(name="blur")(x)
    x = layers.Conv2D(10, 3, activation="relu", name="after")(x)
    return keras.Model(image, layers.Dense(2, name="classes")(layers.Flatten()(x)))


class SelfAttention(layers.Layer):
    """Multi-head self-attention by hand."""

    def __init__(self, heads, size, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.size = heads, size
        self.qkv = [layers.Dense(heads * size, name=name) for name in ("query", "key", "value")]

    def build(self, shape):
        for dense in self.qkv:
            dense.build(shape)
        self.out = layers.Dense(shape[-1], name="out")
        self.out.build((*shape[:-1], self.heads * self.size))

    def call(self, x):
        steps = x.shape[1]
        q, k, v = (
            ops.transpose(ops.reshape(dense(x), (-1, steps, self.heads, self.size)), (0, 2, 1, 3)) for dense in self.qkv
        )
        scores = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / self.size**0.5)
        y = ops.reshape(ops.transpose(ops.matmul(scores, v), (0, 2, 1, 3)), (-1, steps, self.heads * self.size))
        return self.out(y)


def hand_attention():
    """A text classifier whose attention is written by hand."""
    words = keras.Input((7,), dtype="int32", name="words")
    x = layers.Embedding(20, 8, name="embedding")(words)
    x = x + SelfAttention(2, 4, name="attention")(x)
    x = layers.Dense(12, activation="relu", name="hidden")(x)
    return keras.Model(words, layers.Dense(2, name="classes")(layers.GlobalMaxPooling1D()(x)))


def random_batch(name, model, batch=3):
    """Return inputs for one of the models."""
    rng = np.random.default_rng(0)
    if name == "resnet_class":
        return rng.normal(size=(batch, 8, 8, 3)).astype("float32")
    if name == "mixed_class":
        return {
            "image": rng.normal(size=(batch, 8, 8, 3)).astype("float32"),
            "sound": rng.normal(size=(batch, 5)).astype("float32"),
        }
    return random_inputs(model, batch=batch)


SCALES = ("c3", "c4", "c5", "n3", "n4", "p4")
MODELS = {
    "unet": (unet, ["down0a", "down0b", "down1a", "down1b", "bottom", "up0", "up0a", "up1", "up1a"]),
    "yolo": (yolo, ["stem", "spp", "down3", *(f"{s}_{p}" for s in SCALES for p in ("in", "in#2", "mid", "out"))]),
    "ssd": (ssd, ["stem", "level0", "level1", "level2"]),
    "crnn": (crnn, ["conv1", "conv2", "dense", "bi1", "bi2"]),
    "vit": (vit, ["attention0", "attention0#2", "attention0#3", "wide0", "attention1", "wide1"]),
    "convnext": (convnext, ["wide0", "wide1", "down"]),
    "generator": (generator, ["dense#3", "up1", "up2"]),
    "autoencoder": (autoencoder, ["encoder/conv1", "encoder/conv2", "encoder/code", "decoder/dense#3", "decoder/conv"]),
    "two_tower": (two_tower, ["words", "age_dense", "item_hidden", "user_hidden", "user_out"]),
    "resnet_class": (resnet_class, ["stem", "block0/conv1", "block1/conv1", "block1/conv2", "block2/conv1"]),
    "mixed_class": (mixed_class, ["ear/one", "ear/two"]),
    "opaque": (opaque, ["before", "after"]),
    "hand_attention": (
        hand_attention,
        ["embedding", "attention/key", "attention/key#2", "attention/value", "hidden"],
    ),
}
"""How each is built, and the names of the groups in it that are to lose channels."""
