"""Models as people write them: cut right, saved and loaded without tfprune, trainable, exported."""

from __future__ import annotations

import json
from importlib.metadata import version

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from graph.oracle import check_cut, difference, scramble
from graph.user_models import MODELS, Blur, random_batch
from keras import layers, ops

import tfprune
from tfprune.graph import trace
from tfprune.linting.fix import rewrite
from tfprune.surgery import cut_graph, shrink

LOAD = """
import json, sys
sys.modules["tfprune"] = None
import keras, numpy as np
worst = {}
for name, path, data in json.loads(sys.argv[1]):
    model = keras.models.load_model(path)
    with np.load(data) as arrays:
        x = {key[3:]: arrays[key] for key in arrays.files if key.startswith("in:")}
        expected = [arrays[f"out:{n}"] for n in range(len(arrays.files) - len(x))]
    got = keras.tree.flatten(model(x if len(x) > 1 else next(iter(x.values()))))
    worst[name] = max(float(abs(np.asarray(a) - b).max()) for a, b in zip(got, expected))
    own = {type(layer).__module__.partition(".")[0] for layer in model._flatten_layers()}
    assert own == {"keras"}, own
print(json.dumps(worst))
"""


@pytest.fixture(scope="module")
def cut():
    """Return a function that gives a model by name, its graph and what is left of it; each is made once."""
    made = {}

    def get(name):
        if name not in made:
            build, groups = MODELS[name]
            model = build()
            made[name] = (model, *check_cut(model, *groups, inputs=random_batch(name, model), lively=True))
        return made[name]

    return get


@pytest.mark.parametrize("name", MODELS)
def test_what_is_left_computes_what_zeros_do(name, cut):
    """The oracle, with every group named in `MODELS` cut, and the outputs as they were."""
    model, _, _, small = cut(name)
    x = random_batch(name, model)
    before, after = (keras.tree.map_structure(lambda y: tuple(y.shape), m(x)) for m in (model, small))
    assert before == after


def test_all_load_without_tfprune(cut, tmp_path, run_python):
    """Saved as .keras and loaded in a process in which tfprune can't be imported: stock layers, same outputs."""
    jobs = []
    for name in MODELS.keys() - {"opaque"}:
        _, _, _, small = cut(name)
        x, path, data = random_batch(name, small), str(tmp_path / f"{name}.keras"), str(tmp_path / f"{name}.npz")
        small.save(path)
        arrays = {f"in:{key}": value for key, value in (x if isinstance(x, dict) else {"x": x}).items()}
        outputs = keras.tree.flatten(small(x))
        np.savez(data, **arrays, **{f"out:{n}": np.asarray(y) for n, y in enumerate(outputs)})
        jobs.append((name, path, data))
    worst = json.loads(run_python(LOAD, json.dumps(jobs), warm="bare").stdout.splitlines()[-1])
    assert worst.keys() == MODELS.keys() - {"opaque"}
    assert max(worst.values()) < 1e-6, worst


@pytest.mark.parametrize("name", ["vit", "yolo", "resnet_class", "hand_attention"])
def test_tflite_gives_the_same(name, cut, tmp_path):
    """The smaller model becomes a .tflite file that agrees with it."""
    _, _, _, small = cut(name)
    if tuple(map(int, version("ai-edge-litert").split(".")[:2])) < (2, 2):
        small, _ = rewrite(small)  # which compute a convolution of one wrong, as it was written
    result = tfprune.to_tflite(small, tmp_path / "small.tflite", parity_data=random_batch(name, small))
    assert result.parity.relative < 1e-4


def test_raw_tensorflow_is_held_and_named(cut):
    """Channels around raw TensorFlow stay, with the reason; the others go; the custom layer is kept as it was."""
    _, graph, chosen, small = cut("opaque")
    assert [node.path for node in graph.opaque] == ["blur"]
    assert "it is raw TensorFlow; keras.ops could be followed" in graph.opaque[0].opaque
    held = graph.group("held")
    assert not held.prunable
    assert "blur is opaque" in held.reason
    assert "held" not in chosen
    assert isinstance(small.get_layer("blur"), Blur)


def test_a_lambda_is_held_and_named():
    """Nobody looks into a Lambda."""
    model = keras.Sequential([
        keras.Input((6,)), layers.Dense(8, name="one"), layers.Dense(8, name="two"),
        layers.Lambda(lambda x: x[:, ::-1], name="turn"), layers.Dense(8, name="three"), layers.Dense(2),
    ])  # fmt: skip
    graph, _, _ = check_cut(model, "one", "three", held=["two"])
    assert [(node.path, node.opaque) for node in graph.opaque] == [("turn", "it is a Lambda")]


class Weights(layers.Layer):
    """Weights used directly: scaled, indexed, reshaped, repeated for each sample."""

    def build(self, shape):
        _, steps, width = shape
        self.scale = self.add_weight(shape=(width,), name="scale")
        self.position = self.add_weight(shape=(steps, width), name="position")
        self.token = self.add_weight(shape=(width,), name="token", trainable=False)
        self.mix = self.add_weight(shape=(width, 2 * width), name="mix")

    def call(self, x):
        token = ops.tile(ops.reshape(self.token, (1, 1, -1)), (ops.shape(x)[0], 1, 1))
        x = x * ops.exp(self.scale) + self.position[None, : x.shape[1]]
        return ops.matmul(ops.concatenate([token, x], axis=1), self.mix)


def direct_weights():
    """Return a model with a layer that uses its weights directly."""
    image = keras.Input((5, 8), name="x")
    x = Weights(name="own")(layers.Dense(6, name="before")(image))
    return keras.Model(image, layers.Dense(3, name="out")(layers.Dense(4, activation="relu", name="after")(x)))


def test_direct_weights_are_followed():
    """What a layer does to its weights alone is recorded; channels of a weight go with those that it meets."""
    graph, chosen, small = check_cut(direct_weights(), "before", "own/mix", "after")
    assert not graph.opaque
    assert {entry.path.rpartition("/")[2] for entry in graph.group("before").slices} >= {"scale", "position", "token"}
    assert small.count_params() < direct_weights().count_params()
    assert len(chosen) == 3


def test_direct_weights_come_back_trainable(tmp_path):
    """They are Dense layers on a constant one: trained or frozen as they were, any batch size, saved and loaded."""
    model = scramble(direct_weights())
    small = cut_graph(trace(model), {"before": [1, 4]})
    x = np.random.default_rng(0).normal(size=(7, 5, 8)).astype("float32")
    assert difference(small(x)[:1], small(x[:1])) < 1e-6
    shapes = {layer.name: layer.kernel.shape for layer in small.layers if layer.name in ("scale", "position", "token")}
    assert shapes == {"scale": (1, 4), "position": (1, 20), "token": (1, 4)}
    assert not small.get_layer("token").trainable
    before = {v.path: np.array(v.numpy()) for v in small.variables}
    small.compile("adam", "mse")
    small.train_on_batch(x, np.ones((7, 6, 3), "float32"))
    moved = {v.path.split("/")[-2] for v in small.weights if (before[v.path] != v.numpy()).any()}
    assert moved >= {"scale", "position", "before", "after"}
    assert "token" not in moved
    small.save(tmp_path / "small.keras")
    assert difference(small(x), keras.models.load_model(tmp_path / "small.keras")(x)) == 0


def test_direct_weights_keep_their_momentum():
    """With the optimizer carried over, theirs is cut and comes along in the new shape."""
    model = scramble(direct_weights())
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
    model.train_on_batch(np.ones((4, 5, 8), "float32"), np.ones((4, 6, 3), "float32"))
    small = shrink(model, {"before": [1, 4]}, optimizer=True)
    old, new = (
        next(np.array(v.numpy()) for v in m.optimizer.variables if "position" in v.path) for m in (model, small)
    )
    assert new.any()
    np.testing.assert_array_equal(new.reshape(5, 4), old[:, [0, 2, 3, 5]])


def test_tflite_folds_direct_weights(tmp_path):
    """Nothing is computed from the input to get at them: as many operations as with constants."""
    small = shrink(scramble(direct_weights()), {"before": [1]})
    path = tmp_path / "small.tflite"
    tfprune.to_tflite(small, path)
    operations = [detail["op_name"] for detail in Interpreter(model_path=str(path))._get_ops_details()]
    allowed = {"FULLY_CONNECTED", "BATCH_MATMUL", "RESHAPE", "MUL", "ADD", "CONCATENATION", "DELEGATE"}
    assert set(operations) <= allowed, operations
    assert operations.count("FULLY_CONNECTED") + operations.count("BATCH_MATMUL") == 4, operations


class Positions(layers.Layer):
    """A table of positions that is cut to the length of the sequence and broadcast to its shape."""

    def build(self, shape):
        self.table = self.add_weight(shape=(10, shape[-1]), name="table")

    def call(self, x):
        shape = ops.shape(x)
        return ops.broadcast_to(ops.slice(ops.convert_to_tensor(self.table), (0, 0), shape[1:]), shape)


class Causal(layers.Layer):
    """Attention of one head under a mask that is made for the whole batch, of projections of unknown length."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.parts = [layers.EinsumDense("abc,cd->abd", (None, size), name=name) for name in ("q", "k", "v")]

    def build(self, shape):
        for part in self.parts:
            part.build(shape)

    def call(self, x):
        batch, steps, _ = ops.shape(x)
        earlier = ops.arange(steps)[:, None] >= ops.arange(steps)[None]
        mask = ops.broadcast_to(earlier[None], (batch, steps, steps))
        q, k, v = (part(x) for part in self.parts)
        scores = ops.reshape(ops.einsum("abd,acd->abc", q, k), (batch, steps, steps))
        return ops.einsum("abc,acd->abd", ops.softmax(ops.where(mask, scores, -1e9)), v)


def test_code_that_uses_the_batch_size_is_followed():
    """Position tables and causal masks that are broadcast to the batch: nothing is opaque, any batch size works."""
    words = keras.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(9, 8, name="words_table")(words)
    x = Causal(6, name="causal")(x + Positions(name="positions")(x))
    model = keras.Model(words, layers.Dense(2)(layers.Dense(5, activation="relu", name="hidden")(x)))
    graph, _, small = check_cut(model, "words_table", "causal/q", "causal/v", "hidden")
    assert not graph.opaque
    tokens = np.arange(30).reshape(5, 6) % 9
    assert difference(small(tokens)[:1], small(tokens[:1])) < 1e-6
