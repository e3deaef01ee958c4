"""Which networks can be pruned while they train, by tfprune and by TFMOT: kinds of layers, of models, of training.

Each network is small, written once for both Keras versions, and trained for a few steps at half of the sparsity as the
documentation of either library says; then the zeros in all its kernels are counted. What a library refuses is told by
the first line of its error.

    python benchmarks/coverage.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json
from libraries import LIBRARIES, child_task, load, start

NETWORKS: dict[str, Callable[[Any], Any]] = {}
"""A model by what is special about it, made by a Keras."""

OPTIONS: dict[str, dict[str, Any]] = {
    "compiled by XLA": {"jit_compile": True},
    "several steps at once": {"steps_per_execution": 2},
    "run eagerly": {"run_eagerly": True},
}
"""How a plain network is compiled."""

STEPS, BATCH, SPARSITY = 8, 8, 0.5


def network(name: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register what makes a network."""

    def register(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        NETWORKS[name] = make
        return make

    return register


def images(keras: Any, layers: list[Any]) -> Any:
    """Return a model of images: a convolution, some layers, a head."""
    first = [keras.Input((8, 8, 4)), keras.layers.Conv2D(8, 3, padding="same")]
    return keras.Sequential([*first, *layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)])


def sequence(keras: Any, layers: list[Any]) -> Any:
    """Return a model of sequences: some layers, a head."""
    return keras.Sequential([keras.Input((6, 8)), *layers, keras.layers.Flatten(), keras.layers.Dense(3)])


SIMPLE: dict[str, Callable[[Any], Any]] = {
    "Dense": lambda keras: sequence(keras, [keras.layers.Dense(16, activation="relu")]),
    "Conv1D": lambda keras: sequence(keras, [keras.layers.Conv1D(16, 3)]),
    "Conv2D, BatchNormalization": lambda keras: images(keras, [keras.layers.BatchNormalization()]),
    "Conv2DTranspose": lambda keras: images(keras, [keras.layers.Conv2DTranspose(8, 3)]),
    "DepthwiseConv2D": lambda keras: images(keras, [keras.layers.DepthwiseConv2D(3)]),
    "SeparableConv2D": lambda keras: images(keras, [keras.layers.SeparableConv2D(8, 3)]),
    "EinsumDense": lambda keras: sequence(
        keras, [keras.layers.EinsumDense("btd,de->bte", output_shape=(6, 16), bias_axes="e")]
    ),
    "LSTM": lambda keras: sequence(keras, [keras.layers.LSTM(8, return_sequences=True)]),
    "GRU": lambda keras: sequence(keras, [keras.layers.GRU(8, return_sequences=True)]),
    "Bidirectional": lambda keras: sequence(
        keras, [keras.layers.Bidirectional(keras.layers.LSTM(8, return_sequences=True))]
    ),
    "TimeDistributed": lambda keras: sequence(keras, [keras.layers.TimeDistributed(keras.layers.Dense(16))]),
    "LayerNormalization": lambda keras: sequence(keras, [keras.layers.Dense(16), keras.layers.LayerNormalization()]),
}
NETWORKS.update(SIMPLE)


@network("MultiHeadAttention")
def attention(keras: Any) -> Any:
    inputs = keras.Input((6, 8))
    x = keras.layers.MultiHeadAttention(2, 4)(inputs, inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


@network("a layer used twice")
def shared(keras: Any) -> Any:
    inputs, layer = keras.Input((6, 8)), keras.layers.Dense(8)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(layer(layer(inputs)))))


@network("a model in a model")
def nested(keras: Any) -> Any:
    inner = keras.Sequential([keras.Input((6, 8)), keras.layers.Dense(16), keras.layers.Dense(8)])
    return sequence(keras, [inner])


@network("several inputs and outputs")
def branches(keras: Any) -> Any:
    inputs = keras.Input((6, 8))
    x = keras.layers.Flatten()(inputs)
    outputs = [keras.layers.Dense(3, name=name)(keras.layers.Dense(16)(x)) for name in ("one", "other")]
    return keras.Model(inputs, keras.layers.Add()(outputs))


@network("a layer of one's own")
def custom_layer(keras: Any) -> Any:
    class Scaled(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(int(shape[-1]), 16), initializer="glorot_uniform", name="kernel")

        def call(self, x: Any) -> Any:
            return x @ self.kernel

    return sequence(keras, [Scaled()])


@network("a subclass of Model")
def subclassed(keras: Any) -> Any:
    class Network(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = keras.layers.Dense(16, activation="relu")
            self.flat, self.head = keras.layers.Flatten(), keras.layers.Dense(3)

        def call(self, x: Any) -> Any:
            return self.head(self.flat(self.first(x)))

    return Network()


@network("a train_step of one's own")
def own_step(keras: Any) -> Any:
    import tensorflow as tf

    class Network(keras.Model):
        def train_step(self, data: Any) -> Any:
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(tf.one_hot(y, 3) - self(x, training=True)))
            variables = self.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            return {"loss": loss}

    inputs = keras.Input((6, 8))
    return Network(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Dense(16)(inputs))))


@network("mixed precision")
def mixed(keras: Any) -> Any:
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        return sequence(keras, [keras.layers.Dense(16, activation="relu")])
    finally:
        keras.mixed_precision.set_global_policy("float32")


def kernels(model: Any) -> list[Any]:
    """Return the arrays of a model that have at least two axes."""
    return [value for value in model.get_weights() if value.ndim > 1]


def attempt(library: Any, name: str, make: Callable[[Any], Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the share of zeros after a training with half of the sparsity, or what went wrong."""
    import numpy as np

    keras = library.keras
    keras.utils.set_random_seed(0)
    try:
        model = make(keras)
        shape = (8, 8, 4) if name.startswith(("Conv2D", "Depthwise", "Separable")) else (6, 8)
        x = np.random.default_rng(0).normal(size=(STEPS * BATCH, *shape)).astype("float32")
        y = np.arange(len(x)) % 3
        model(x[:1])
        total = sum(value.size for value in kernels(model))
        if hasattr(library, "sparsity"):
            schedule = library.sparsity.ConstantSparsity(SPARSITY, 0, frequency=1)
            model = library.sparsity.prune_low_magnitude(model, pruning_schedule=schedule)
            callbacks = [library.sparsity.UpdatePruningStep()]
        else:
            from tfprune import PruneCallback

            callbacks = [PruneCallback(SPARSITY, schedule="constant", layers=[model], verbose=0)]  # all layers
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, **options)
        model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0, callbacks=callbacks)
        left = library.strip(model)
        zeros = sum(int((value == 0).sum()) for value in kernels(left))
    except Exception as error:  # whatever a library raises is what is asked for
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        return {"error": f"{type(error).__name__}: {first}"[:300]}
    return {"zeros": zeros / total}


def everything() -> dict[str, tuple[Callable[[Any], Any], dict[str, Any]]]:
    """Return all networks, with how they are compiled."""
    plain = SIMPLE["Dense"]
    return {name: (make, {}) for name, make in NETWORKS.items()} | {
        name: (plain, options) for name, options in OPTIONS.items()
    }


def child(name: str, task: dict[str, Any], result_file: Path) -> None:
    """Try all networks with one library."""
    library = load(name)
    wanted = task["networks"]
    found = {
        key: attempt(library, key, make, options) for key, (make, options) in everything().items() if key in wanted
    }
    result_file.write_text(json.dumps(found), encoding="utf-8")


def cell(found: dict[str, Any]) -> str:
    """Return an outcome in a table's cell."""
    if "error" in found:
        return f"no: {found['error'].replace('|', '/')[:90]}"
    return f"{found['zeros']:.0%}" if found["zeros"] > 0 else "nothing pruned"


def main() -> None:
    parser = make_parser(__doc__)
    arguments = parser.parse_args()
    names = list(everything())[:3] if arguments.quick else list(everything())
    results = {library: start(__file__, library, {"networks": names}) for library in LIBRARIES}
    path = destination(arguments, "coverage")
    content = {"environment": environment(), "sparsity": SPARSITY, "results": results}
    write_json(path, content)
    rows = [[name, *(cell(results[library][name]) for library in LIBRARIES)] for name in names]
    text = markdown(["half of the weights pruned in `fit`: zeros in all kernels", "tfprune", "TFMOT"], rows)
    report(path, content, text)


if __name__ == "__main__":
    if (given := child_task()) is not None:
        child(*given)
    else:
        main()
