"""Random Keras graphs, and a command that puts many of them to the oracle: `python tests/graph/random_graphs.py`."""

from __future__ import annotations

import argparse
import collections
import os
import random
import sys
import time
import traceback

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from keras import layers, ops

ACTIVATIONS = ("relu", "linear", "sigmoid", "tanh", "gelu", "softplus", "elu", "hard_silu", "leaky_relu")


class Twice(layers.Layer):
    """A subclassed layer with layers of its own: two convolutions around a shortcut."""

    def __init__(self, filters, activation, **kwargs):
        super().__init__(**kwargs)
        self.one = layers.Conv2D(filters, 3, padding="same", name="one")
        self.norm = layers.BatchNormalization(name="norm")
        self.two = layers.Conv2D(filters, 1, name="two")
        self.act = layers.Activation(activation, name="act")

    def build(self, shape):
        self.one.build(shape)
        shape = self.one.compute_output_shape(shape)
        self.norm.build(shape)
        self.two.build(shape)
        super().build(shape)

    def call(self, x, training=False):
        y = ops.relu(self.norm(self.one(x), training=training))
        return self.act(self.two(y)) + y


class RandomGraph:
    """Builds one model by choosing.

    Args:
        choose: Returns one of the options that it is given.
    """

    def __init__(self, choose):
        self.choose = choose
        self.used = []

    def model(self):
        """Return the model; `used` has the names of the blocks in it."""
        image = keras.Input((self.choose((4, 6, 8)), 4, self.choose((1, 3, 4))), name="image")
        inputs, x = {"image": image}, self.conv(image)
        for _ in range(self.choose((1, 2, 3, 4, 5))):
            name = self.choose(sorted(BLOCKS))
            self.used.append(name)
            x = BLOCKS[name](self, x, inputs)
            if x.shape[1] < 2 or x.shape[2] < 2:
                x = layers.UpSampling2D(2)(x)
        outputs = {}
        for number in range(self.choose((1, 1, 2, 3))):
            name = self.choose(sorted(HEADS))
            self.used.append(name)
            outputs[f"out{number}"] = HEADS[name](self, x)
            x = self.conv(x)
        if len(inputs) == 1:
            inputs = image
        return keras.Model(inputs, outputs if len(outputs) > 1 else outputs["out0"])

    def flag(self):
        """Return True or False."""
        return self.choose((True, False))

    def act(self, x):
        """Return an activation of x, as a layer or as an operation."""
        name = self.choose(ACTIVATIONS)
        if self.flag():
            return layers.Activation(name)(x)
        return {"relu": ops.relu, "sigmoid": ops.sigmoid, "tanh": ops.tanh, "gelu": ops.gelu}.get(name, ops.silu)(x)

    def conv(self, x, filters=None, size=None):
        """Return a convolution of x, perhaps normalised and activated."""
        filters = filters or self.choose((4, 6, 8, 12))
        x = layers.Conv2D(filters, size or self.choose((1, 3)), padding="same", use_bias=self.flag())(x)
        if self.flag():
            x = layers.BatchNormalization(scale=self.choose((True, True, False)), center=self.flag())(x)
        return self.act(x) if self.flag() else x

    def residual(self, x, inputs):
        for _ in range(self.choose((1, 2, 3))):
            y = self.conv(self.conv(x), x.shape[-1])
            join = self.choose(("add", "subtract", "multiply", "maximum", "average", "operator", "where"))
            if join == "operator":
                x = x + 0.5 * y
            elif join == "where":
                x = ops.where(x > 0, x, y)
            else:
                x = getattr(layers, join.capitalize())()([x, y])
        return x

    def concat(self, x, inputs):
        parts = [self.conv(x) for _ in range(self.choose((1, 2, 3)))]
        parts += [x] * self.choose((0, 1, 1, 2))
        if self.flag():
            return self.conv(layers.Concatenate()(parts) if len(parts) > 1 else parts[0])
        return ops.concatenate(parts, axis=-1)

    def split(self, x, inputs):
        count = self.choose([n for n in (2, 3, 4) if x.shape[-1] % n == 0] or [1])
        pieces = list(ops.split(x, count, axis=-1))
        pieces[0] = self.conv(pieces[0], pieces[0].shape[-1] if self.flag() else None)
        if self.flag() and pieces[0].shape == pieces[-1].shape:
            return layers.Add()(pieces) if count > 1 else pieces[0]
        order = pieces[::-1] if self.flag() else pieces
        return ops.concatenate(order, axis=-1)

    def depthwise(self, x, inputs):
        if self.flag():
            return layers.SeparableConv2D(self.choose((4, 6, 8)), 3, padding="same", depth_multiplier=2)(x)
        x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=self.choose((1, 2)), activation="relu")(x)
        return x if x.shape[-1] < 24 else self.conv(x)

    def grouped(self, x, inputs):
        groups = self.choose([n for n in (2, 3, 4) if x.shape[-1] % n == 0] or [1])
        for _ in range(self.choose((1, 2))):
            x = layers.Conv2D(groups * self.choose((1, 2, 3)), 3, padding="same", groups=groups)(x)
        return self.act(x)

    def channelwise(self, x, inputs):
        count = x.shape[-1]
        return layers.Conv2D(count * self.choose((1, 2)), 3, padding="same", groups=count)(x)

    def squeeze_excite(self, x, inputs):
        s = layers.GlobalAveragePooling2D(keepdims=self.flag())(x)
        s = layers.Dense(self.choose((2, 4)), activation=self.choose(ACTIVATIONS))(s)
        s = layers.Dense(x.shape[-1], activation="sigmoid")(s)
        return layers.Multiply()([x, layers.Reshape((1, 1, x.shape[-1]))(s)])

    def shuffle(self, x, inputs):
        _, height, width, channels = x.shape
        groups = self.choose([n for n in (2, 3, 4) if channels % n == 0] or [1])
        if self.flag():
            x = layers.Reshape((height, width, groups, channels // groups))(x)
            x = layers.Permute((1, 2, 4, 3))(x)
            return layers.Reshape((height, width, channels))(x)
        x = ops.reshape(x, (-1, height, width, groups, channels // groups))
        return ops.reshape(ops.transpose(x, (0, 1, 2, 4, 3)), (-1, height, width, channels))

    def resample(self, x, inputs):
        kind = self.choose(("up", "transposed", "max", "average", "pad", "crop", "resize", "strided"))
        if kind in ("up", "transposed", "resize") and x.shape[1] > 8:
            kind = "max"
        return {
            "up": lambda: layers.UpSampling2D(2)(x),
            "transposed": lambda: layers.Conv2DTranspose(self.choose((4, 6)), 3, strides=2, padding="same")(x),
            "max": lambda: layers.MaxPooling2D(2, padding="same")(x),
            "average": lambda: layers.AveragePooling2D(2, padding="same")(x),
            "pad": lambda: layers.ZeroPadding2D(1)(x),
            "crop": lambda: layers.Cropping2D(((0, 1), (0, 0)))(x),
            "resize": lambda: layers.Resizing(6, 6)(x),
            "strided": lambda: layers.Conv2D(6, 3, strides=2, padding="same")(x),
        }[kind]()

    def shared(self, x, inputs):
        y = self.conv(x, x.shape[-1])
        layer = layers.Conv2D(self.choose((4, 6)), 3, padding="same", activation=self.choose(ACTIVATIONS))
        one, two = layer(x), layer(y)
        return one + two if self.flag() else layers.Concatenate()([one, two])

    def nested(self, x, inputs):
        inner = keras.Input(x.shape[1:])
        y = self.conv(self.conv(inner), x.shape[-1])
        if self.flag():
            y = y + inner
        model = keras.Model(inner, y)
        x = model(x)
        return model(x) if self.flag() else x

    def subclassed(self, x, inputs):
        layer = Twice(self.choose((4, 6)), self.choose(ACTIVATIONS))
        return layer(x)

    def sliced(self, x, inputs):
        channels = x.shape[-1]
        kind = self.choose(("front", "stride", "pad", "take", "flip", "repeat", "tile"))
        if kind == "front":
            return ops.concatenate([x[..., : channels // 2], self.act(x[..., channels // 2 :])], axis=-1)
        if kind == "stride":
            return x[..., :: self.choose((1, 2))]
        if kind == "pad":
            return ops.pad(x, ((0, 0), (0, 0), (0, 0), self.choose(((0, 2), (1, 1), (2, 0)))))
        if kind == "take":
            return ops.take(x, [channels - 1, *range(channels - 1)], axis=-1)
        if kind == "flip":
            return ops.flip(x, axis=-1)
        return ops.repeat(x, 2, axis=-1) if kind == "repeat" else ops.tile(x, (1, 1, 1, 2))

    def gate(self, x, inputs):
        parts = [ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=-1, keepdims=True)]
        y = parts[0] if self.flag() else ops.concatenate(parts, axis=-1)
        return x * layers.Conv2D(1, 3, padding="same", activation="sigmoid")(y)

    def normalised(self, x, inputs):
        kind = self.choose(
            ("LayerNormalization", "RMSNormalization", "GroupNormalization", "PReLU", "UnitNormalization")
        )
        settings = {"GroupNormalization": {"groups": x.shape[-1] if self.flag() else 1}}.get(kind, {})
        settings = {"shared_axes": [1, 2]} if kind == "PReLU" and self.flag() else settings
        return getattr(layers, kind)(**settings)(x)

    def attention(self, x, inputs):
        _, height, width, channels = x.shape
        x = tokens = layers.Reshape((height * width, channels))(x)
        x = layers.RMSNormalization()(x) if self.flag() else x
        x = layers.MultiHeadAttention(self.choose((1, 2, 3)), self.choose((2, 4)))(x, x)
        x = x + tokens if self.flag() else x
        return layers.Reshape((height, width, x.shape[-1]))(x)

    def heads_by_hand(self, x, inputs):
        _, height, width, channels = x.shape
        steps, heads, size = height * width, self.choose((1, 2, 3)), self.choose((2, 3))
        tokens = ops.reshape(x, (-1, steps, channels))
        q, k, v = (layers.Dense(heads * size, use_bias=self.flag())(tokens) for _ in range(3))
        q, k, v = (ops.transpose(ops.reshape(t, (-1, steps, heads, size)), (0, 2, 1, 3)) for t in (q, k, v))
        scores = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / size**0.5, axis=-1)
        y = ops.reshape(ops.transpose(ops.matmul(scores, v), (0, 2, 1, 3)), (-1, steps, heads * size))
        return layers.Reshape((height, width, -1))(layers.Dense(self.choose((4, channels)))(y))

    def sequence(self, x, inputs):
        _, height, width, channels = x.shape
        x = layers.Reshape((height, width * channels))(x)
        kind = self.choose(("lstm", "gru", "both", "conv"))
        units = width * self.choose((1, 2))
        if kind == "both":
            x = layers.Bidirectional(layers.GRU(units, return_sequences=True))(x)
        elif kind == "conv":
            x = layers.Conv1D(units, 3, padding="same", activation="relu")(x)
        else:
            x = (layers.LSTM if kind == "lstm" else layers.GRU)(units, return_sequences=True)(x)
        return layers.Reshape((height, width, x.shape[-1] // width))(x)

    def second_input(self, x, inputs):
        if "vector" not in inputs:
            inputs["vector"] = keras.Input((5,), name="vector")
        style = layers.Dense(x.shape[-1], activation=self.choose(ACTIVATIONS))(inputs["vector"])
        style = layers.Reshape((1, 1, x.shape[-1]))(style)
        return x * style if self.flag() else layers.Add()([x, style])

    def tokens(self, x, inputs):
        if "tokens" not in inputs:
            inputs["tokens"] = keras.Input((3,), dtype="int32", name="tokens")
        y = layers.Embedding(8, self.choose((4, 6)))(inputs["tokens"])
        y = layers.GlobalMaxPooling1D()(y) if self.flag() else layers.Flatten()(y)
        return x + layers.Dense(x.shape[-1])(y)[:, None, None, :]

    def classify(self, x):
        x = layers.GlobalAveragePooling2D()(x) if self.flag() else layers.GlobalMaxPooling2D()(x)
        x = layers.Dense(self.choose((4, 8)), activation=self.choose(ACTIVATIONS))(x) if self.flag() else x
        return layers.Dense(3, activation=self.choose((None, "softmax")))(x)

    def flatten(self, x):
        x = layers.Flatten()(self.conv(x, 4))
        for _ in range(self.choose((1, 2))):
            x = layers.Dense(self.choose((4, 6)), activation=self.choose(ACTIVATIONS))(x)
        return layers.Dense(2)(x)

    def segment(self, x):
        return layers.Conv2D(2, 1, activation="sigmoid")(x)

    def features(self, x):
        return ops.mean(x, axis=(1, 2))

    def similarity(self, x):
        x = layers.GlobalAveragePooling2D()(x)
        return layers.Dot(axes=-1)([layers.Dense(6)(x), layers.Dense(6, activation="tanh")(x)])


HEADS = {name: getattr(RandomGraph, name) for name in ("classify", "flatten", "segment", "features", "similarity")}
BLOCKS = {
    name: getattr(RandomGraph, name)
    for name in (
        "residual", "concat", "split", "depthwise", "grouped", "channelwise", "squeeze_excite", "shuffle", "resample",
        "shared", "nested", "subclassed", "sliced", "gate", "normalised", "attention", "heads_by_hand", "sequence",
        "second_input", "tokens",
    )
}  # fmt: skip


def numbered(seed):
    """Return the random graph of that number."""
    graph = RandomGraph(random.Random(seed).choice)
    return graph, graph.model()


def main():
    """Put many graphs to the oracle and print what came out."""
    from oracle import check_oracle, double

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--graphs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after that time")
    arguments = parser.parse_args()
    begin, pruned, groups, failed, blocks = time.monotonic(), 0, 0, [], collections.Counter()
    done = 0
    for seed in range(arguments.first, arguments.first + arguments.graphs):
        if time.monotonic() - begin > arguments.seconds:
            break
        keras.backend.clear_session(free_memory=False)
        with double():
            graph, model = numbered(seed)
        try:
            _, chosen, small = check_oracle(model, seed=seed, tolerance=1e-6)
            assert {n: x.shape for n, x in outputs_of(model)} == {n: x.shape for n, x in outputs_of(small)}
            pruned, groups = pruned + bool(chosen), groups + len(chosen)
        except Exception as error:
            failed.append(seed)
            print(f"graph {seed} {graph.used}: {type(error).__name__}: {error}", flush=True)
            if not isinstance(error, AssertionError):
                traceback.print_exc(limit=-4)
        blocks.update(set(graph.used))
        done += 1
        if done % 100 == 0:
            print(f"{done} graphs, {time.monotonic() - begin:.0f} s, {len(failed)} failed", flush=True)
    print(f"{done} graphs, {pruned} with channels removed, {groups} groups cut, {len(failed)} failed: {failed}")
    print(", ".join(f"{name} {count}" for name, count in blocks.most_common()))
    sys.exit(bool(failed))


def outputs_of(model):
    """Return the outputs of a model with their places."""
    return enumerate(keras.tree.flatten(model.outputs))


if __name__ == "__main__":
    main()
