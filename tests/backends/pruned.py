"""What a user does on any backend, told as JSON: prunes while training, shrinks, cuts and refits. Run in a process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import keras
import numpy as np

import tfprune

layers, to_numpy = keras.layers, keras.ops.convert_to_numpy


def network() -> keras.Model:
    """Return a small residual network."""
    x = inputs = keras.Input((12, 12, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", use_bias=False)(x)))
    y = layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", use_bias=False, name="inner")(x))
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(32, 3, strides=2, activation="relu", name="wide")(x))
    return keras.Model(inputs, layers.Dense(4, name="classes")(x))


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return images and their classes, which can be learned."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 256)
    x = rng.normal(size=(256, 12, 12, 3)) + y[:, None, None, None] / 2
    return x.astype("float32"), y


class Watch(keras.callbacks.Callback):
    """Looks, after each step, whether the zeros that masks made are still there."""

    def __init__(self, pruning: tfprune.PruneCallback) -> None:
        super().__init__()
        self.pruning, self.zeros, self.held = pruning, [], []

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        pruner = self.pruning.pruner
        self.held.append(pruner.holds())
        self.zeros.append(pruner.measure())


def compiled(model: keras.Model, **options: object) -> keras.Model:
    """Return a compiled model."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, **options), loss, metrics=["accuracy"])
    return model


def prune(**options: object) -> dict[str, object]:
    """Prune while training; return what was seen."""
    keras.utils.set_random_seed(0)
    model, (x, y) = compiled(network(), **options), data()
    once = "use_ema" in options  # on JAX a second fit fails by itself: Keras donates averages and weights as one buffer
    if once:
        model.optimizer.build(model.trainable_variables)
    else:
        model.fit(x, y, batch_size=32, epochs=1, verbose=0)
    before = len(model.optimizer.variables)
    pruning = tfprune.PruneCallback(0.75, frequency=3, verbose=0)
    watch = Watch(pruning)
    history = model.fit(x, y, batch_size=32, epochs=4, verbose=0, callbacks=[pruning, watch], validation_data=(x, y))
    kernel = to_numpy(model.get_layer("inner").kernel)
    pruned = float((kernel == 0).mean())
    if not once:
        model.fit(x, y, batch_size=32, epochs=1, verbose=0)
    grown = float((to_numpy(model.get_layer("inner").kernel) == 0).mean())
    return {
        "sparsity": history.history["sparsity"], "kernel": pruned, "held": watch.held, "zeros": watch.zeros,
        "ourselves": pruning._apply_ourselves, "variables": [before, len(model.optimizer.variables)],
        "accuracy": history.history["val_accuracy"][-1], "grown": 0.0 if once else grown,
    }  # fmt: skip


def twice() -> bool:
    """Return whether the same seed gives the same weights, bit for bit."""
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        model, (x, y) = compiled(network()), data()
        model.fit(x, y, batch_size=32, epochs=2, verbose=0, callbacks=[tfprune.PruneCallback(0.5, verbose=0)])
        found.append([to_numpy(weight) for weight in model.weights])
    return all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def channels() -> dict[str, object]:
    """Prune channels while training, shrink, and compare."""
    keras.utils.set_random_seed(0)
    model, (x, y) = compiled(network()), data()
    pruning = tfprune.PruneCallback(tfprune.Budget(macs=0.5), granularity="filter", verbose=0)
    model.fit(x, y, batch_size=32, epochs=3, verbose=0, callbacks=[pruning])
    small = tfprune.shrink(model)
    difference = np.abs(model.predict(x, verbose=0) - small.predict(x, verbose=0)).max()
    return {"parameters": [model.count_params(), small.count_params()], "difference": float(difference)}


def cut() -> dict[str, object]:
    """Cut to half of the multiply-accumulates without labels, with and without a refit."""
    keras.utils.set_random_seed(0)
    model, (x, y) = compiled(network()), data()
    model.fit(x, y, batch_size=32, epochs=6, verbose=0)
    plan = tfprune.plan_filters(model, tfprune.Budget(macs=0.5), data=x)
    bare, repaired = plan.apply(), plan.repair()
    wanted = model.predict(x, verbose=0)
    errors = [float(np.mean((m.predict(x, verbose=0) - wanted) ** 2)) for m in (bare, repaired.model)]
    factors = tfprune.factorize(model, tfprune.Budget(macs=0.6), data=x)
    costs = [tfprune.cost.CostModel(tfprune.graph.trace(m)).whole.macs for m in (model, repaired.model, factors)]
    return {"errors": errors, "macs": costs, "variance": float(wanted.var())}


def said_of(wrong: Callable[[], object]) -> str:
    """Return what an error says, nothing if there is none."""
    try:
        wrong()
    except tfprune.errors.InputError as error:
        return str(error)
    return ""


def refused() -> list[str]:
    """Return what is said of what only TensorFlow does."""
    model, (x, y) = compiled(network()), data()
    taylor = tfprune.PruneCallback(0.5, criterion="taylor", data=(x, y))
    return [
        said_of(lambda: tfprune.GateCallback(tfprune.Budget(macs=0.5))),
        said_of(lambda: tfprune.PruneCallback(0.5, log_dir="logs")),
        said_of(lambda: model.fit(x, y, verbose=0, callbacks=[taylor])),
    ]


def exported(path: str) -> dict[str, object]:
    """Export what was pruned; the file is compared with the model by whoever computes it here."""
    keras.utils.set_random_seed(0)
    model, (x, y) = compiled(network()), data()
    model.fit(x, y, batch_size=32, epochs=2, verbose=0, callbacks=[tfprune.PruneCallback(0.75, verbose=0)])
    result = tfprune.to_tflite(model, f"{path}/float.tflite", parity_data=x[:32], sparse=True)
    int8 = tfprune.to_tflite(model, f"{path}/int8.tflite", quantize="int8", representative_data=x[:64])
    return {
        "sparsity": result.sparsity, "relative": result.parity.relative, "source": result.parity.source,
        "bytes": [result.bytes, int8.bytes],
    }  # fmt: skip


def everything(path: str) -> dict[str, object]:
    """Return what all parts tell."""
    return {
        "plain": prune(),
        "accumulated": prune(gradient_accumulation_steps=2),
        "averaged": prune(use_ema=True),
        "twice": twice(),
        "channels": channels(),
        "cut": cut(),
        "refused": refused(),
        "exported": exported(path),
    }


if __name__ == "__main__":
    print(json.dumps({"backend": keras.backend.backend(), "found": everything(sys.argv[1])}))
