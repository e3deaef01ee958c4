"""Code of layers as keras-hub's is: windows, tables of positions, caches; it is followed, for any number of samples."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph.oracle import check_cut, difference, scramble
from keras import layers, ops

import tfprune
from tfprune.graph import trace
from tfprune.surgery import cut_graph


class Part(layers.Layer):
    """A layer that makes others in `build`; they are named after what they do."""

    def make(self, name, layer, shape):
        layer.name = name
        layer.build(shape)
        setattr(self, name, layer)


class Patches(Part):
    """ViT's beginning: a token in front of each image's patches, and an embedding of their numbers."""

    def build(self, shape):
        width = shape[-1]
        self.token = self.add_weight(shape=(1, 1, width), name="token")
        self.make("positions", layers.Embedding(shape[1] + 1, width), (1, shape[1] + 1))

    def call(self, x):
        token = ops.tile(self.token, (ops.shape(x)[0], 1, 1))
        return ops.concatenate([token, x], axis=1) + self.positions(ops.arange(x.shape[1] + 1)[None])


class NumberedForEach(Patches):
    """The same with the numbers repeated for each image."""

    def call(self, x):
        numbers = ops.broadcast_to(ops.arange(x.shape[1])[None], (ops.shape(x)[0], x.shape[1]))
        return x + self.positions(numbers)


class NumberedByWeight(Patches):
    """SigLIP's: the numbers are a weight of integers."""

    def build(self, shape):
        super().build(shape)
        self.numbers = self.add_weight(shape=(1, shape[1]), dtype="int32", trainable=False, initializer="zeros")
        self.numbers.assign(np.arange(shape[1])[None])

    def call(self, x):
        return x + self.positions(self.numbers)


class WindowAttention(Part):
    """Attention in windows, with a table of biases by where one patch is from another, and a mask for each window."""

    def __init__(self, width, side, masked, **options):
        super().__init__(**options)
        self.width, self.side, self.masked = width, side, masked

    def build(self, shape):
        for name in "qkv":
            self.make(name, layers.Dense(self.width), shape)
        self.make("out", layers.Dense(shape[-1]), (*shape[:-1], self.width))
        self.bias = self.add_weight(shape=((2 * self.side - 1) ** 2, 1), name="bias")

    def call(self, x):
        steps, places = self.side**2, np.stack(np.divmod(np.arange(self.side**2), self.side), -1)
        apart = places[:, None] - places[None] + self.side - 1
        bias = ops.take(self.bias, apart[..., 0] * (2 * self.side - 1) + apart[..., 1], axis=0)
        scores = ops.einsum("bic,bjc->bij", self.q(x), self.k(x)) + ops.transpose(bias, (2, 0, 1))
        if self.masked:
            mask = np.random.default_rng(0).normal(size=(4, steps, steps)).astype("float32")
            scores = ops.reshape(scores, (ops.shape(x)[0] // 4, 4, steps, steps)) + mask[None]
            scores = ops.reshape(scores, (-1, steps, steps))
        return self.out(ops.einsum("bij,bjc->bic", ops.softmax(scores), self.v(x)))


class Windows(Part):
    """Swin's block: an image shifted, cut into windows by the batch size, and put together again."""

    def build(self, shape):
        self.make("attention", WindowAttention(6, 2, masked=True), (None, 4, shape[-1]))

    def call(self, x):
        _, height, width, channels = ops.shape(x)
        y = ops.roll(x, shift=(-1, -1), axis=(1, 2))
        y = ops.transpose(ops.reshape(y, (-1, height // 2, 2, width // 2, 2, channels)), (0, 1, 3, 2, 4, 5))
        y = self.attention(ops.reshape(y, (-1, 4, channels)))
        batch = ops.shape(y)[0] // (height * width // 4)
        y = ops.transpose(ops.reshape(y, (batch, height // 2, width // 2, 2, 2, channels)), (0, 1, 3, 2, 4, 5))
        return x + ops.roll(ops.reshape(y, (batch, height, width, channels)), shift=(1, 1), axis=(1, 2))


class Cached(Part):
    """A layer that returns what it has computed, a cache that there is not, and a constant."""

    def build(self, shape):
        self.make("inner", layers.Dense(7), shape)

    def call(self, x, cache=None):
        return self.inner(x), cache, ops.arange(3.0)


class Decoder(Part):
    """A layer that calls one that returns None too."""

    def build(self, shape):
        self.make("cached", Cached(), shape)

    def call(self, x):
        y, cache, numbers = self.cached(x)
        assert cache is None
        return y * ops.sum(numbers)


class Rotate(layers.Layer):
    """A layer that says it returns one tensor."""

    def call(self, x):
        return x

    def compute_output_shape(self, shape):
        return shape


class RotateTwo(Rotate):
    """A layer that has inherited that, and returns two."""

    def call(self, q, k):
        return (q, -k) if ops.ndim(q) == 3 else (k, q)


class Rotated(Part):
    """A layer that uses it."""

    def build(self, shape):
        self.rotate = RotateTwo()
        for name in "qk":
            self.make(name, layers.Dense(6), shape)

    def call(self, x):
        q, k = self.rotate(self.q(x), self.k(x))
        return ops.einsum("bic,bjc->bij", q, k)


def over(layer, shape=(4, 6), before=8):
    """Return a model with a layer between others."""
    inputs = keras.Input(shape)
    x = layer(layers.Dense(before, name="before")(inputs))
    return keras.Model(inputs, layers.Dense(3, name="out")(layers.Dense(5, activation="relu", name="after")(x)))


CODE = {
    "a token and an embedding of numbers": (lambda: over(Patches(name="own")), ["before", "after"]),
    "numbers for each sample": (lambda: over(NumberedForEach(name="own")), ["before", "after"]),
    "numbers that are a weight": (lambda: over(NumberedByWeight(name="own")), ["before", "after"]),
    "shifted windows": (
        lambda: over(Windows(name="own"), (4, 4, 6)),
        ["before", "own/attention/q", "own/attention/v", "after"],
    ),
    "None beside a tensor": (lambda: over(Decoder(name="own")), ["before", "own/cached/inner", "after"]),
    "more outputs than are said": (lambda: over(Rotated(name="own")), ["before", "own/q", "after"]),
}


@pytest.mark.parametrize("name", CODE)
def test_it_is_followed_and_cut_right(name, tmp_path):
    """Nothing is opaque; what is left computes what zeros do, for any number of samples, and comes back from a file."""
    build, groups = CODE[name]
    graph, _, small = check_cut(build(), *groups)
    assert not graph.opaque
    x = np.random.default_rng(0).normal(size=(5, *small.inputs[0].shape[1:])).astype("float32")
    assert difference(small(x)[:2], small(x[:2])) < 1e-6
    small.save(tmp_path / "small.keras")
    loaded = keras.models.load_model(tmp_path / "small.keras")
    assert difference(small(x), loaded(x)) == 0
    assert {type(layer).__module__.partition(".")[0] for layer in loaded.layers} == {"keras"}


@pytest.mark.parametrize("name", ["a token and an embedding of numbers", "shifted windows"])
def test_it_becomes_a_tflite_file(name, tmp_path):
    small = tfprune.prune_filters(scramble(CODE[name][0]()), 0.4, verbose=0)
    data = np.random.default_rng(0).normal(size=(4, *small.inputs[0].shape[1:])).astype("float32")
    assert tfprune.to_tflite(small, tmp_path / "small.tflite", parity_data=data).parity.relative < 1e-5


def test_an_embedding_of_numbers_is_still_trained():
    """It is a layer of its own in what comes out, not a constant."""
    small = cut_graph(trace(scramble(over(Patches(name="own")))), {"before": [1, 4]})
    (embedding,) = [layer for layer in small.layers if isinstance(layer, layers.Embedding)]
    before = embedding.embeddings.numpy().copy()
    assert before.shape == (5, 6)
    small.compile("sgd", "mse")
    small.train_on_batch(np.ones((2, 4, 6), "float32"), np.ones((2, 5, 3), "float32"))
    assert (embedding.embeddings.numpy() != before).any()


class OfTheBatch(Part):
    """A layer that embeds the samples' own numbers: what it makes depends on how many there are."""

    def build(self, shape):
        self.make("table", layers.Embedding(4096, shape[-1]), (None,))

    def call(self, x):
        return x + self.table(ops.arange(ops.shape(x)[0]))[:, None]


class SharedAmong(layers.Layer):
    """A layer that divides by how many samples there are, as a number that nobody sees in its arguments."""

    def call(self, x):
        batch = ops.shape(x)[0]
        return ops.reshape(x, (batch, *x.shape[1:])) / ops.cast(batch, "float32")


class Chosen(layers.Layer):
    """A layer that does something else with a large batch."""

    def call(self, x):
        x = ops.reshape(x, (ops.shape(x)[0], *x.shape[1:]))
        return ops.exp(x) if (x.shape[0] or 0) > 1500 else x


class RawCached(layers.Layer):
    """A layer of raw TensorFlow, which can't be followed, and returns None, which Keras' graphs can't have."""

    def call(self, x):
        return tf.reverse(x, [1]), None


class UsesRaw(Part):
    """A layer that uses it."""

    def build(self, shape):
        self.make("raw", RawCached(), shape)

    def call(self, x):
        return self.raw(x)[0]


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (OfTheBatch, "it makes something of the size of the batch"),
        (SharedAmong, "its TrueDivide depends on the batch size"),
        (Chosen, "its code depends on the batch size"),
        (UsesRaw, "All operation outputs must be tensors"),
    ],
)
def test_what_cannot_be_followed_is_held_with_its_own_reason(layer, why):
    graph = trace(over(layer(name="own")))
    assert [node.path for node in graph.opaque] == ["own"]
    assert why in graph.opaque[0].opaque
