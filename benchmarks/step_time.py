"""Step time while pruning ÷ plain step time, for tfprune and for TFMOT, and what pruning adds to a checkpoint.

Each library runs in a process of its own, with its own Keras, on the same two networks and the same random data. In it
every variant (plain, plain again as a control, and pruned with an update every 100, 10 and 1 steps) has a model, a
callback list and Keras' own compiled train function, driven step by step as `fit` does. The variants take turns, ten
steps each, so a busy moment of the machine meets all of them. A step is callbacks and train function; the first turn,
with tracing, does not count. The ratio is that of the sums over 100 steps, so that it holds an update every 100 steps;
its median is reported. The sparsity rises all the time (from 50 % towards 80 %, ten times later than the steps end), so
that each update changes the masks.

Goals for tfprune: at most 1.02, 1.03 and 1.10; no variables added.

    python benchmarks/step_time.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json
from libraries import LIBRARIES, Library, Ramp, child_task, load, start

FREQUENCIES = (100, 10, 1)
GOALS = {100: 1.02, 10: 1.03, 1: 1.10}
BATCH = 128
STEPS_IN_TURN = 10
TURNS_IN_GROUP = 10
STEPS_OF_DATA = 20
PRUNED = ("conv_2", "conv_3", "hidden")


@dataclass(frozen=True)
class Block:
    """Wall time and CPU time of a few steps, in seconds; CPU time is that of all threads."""

    wall: float
    cpu: float


def convolutional(keras: Any) -> Any:
    """Return a network of 32,906 parameters: three convolutions and a Dense layer on their means."""
    x = inputs = keras.Input((28, 28, 1))
    for index, width in enumerate((16, 32, 64), 1):
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv_{index}")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(128, activation="relu", name="hidden")(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax", name="classes")(x))


def dense(keras: Any) -> Any:
    """Return a network of 657,667 parameters: two convolutions and a large Dense layer."""
    x = inputs = keras.Input((28, 28, 1))
    for index, width in enumerate((32, 64), 1):
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv_{index}")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(203, activation="relu", name="hidden")(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax", name="classes")(x))


NETWORKS: dict[str, Callable[[Any], Any]] = {"33 k": convolutional, "658 k": dense}


def make_data(steps: int) -> tuple[Any, Any]:
    """Return random images and labels for an epoch of `steps` steps."""
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.random((steps * BATCH, 28, 28, 1), dtype=np.float32), rng.integers(0, 10, steps * BATCH)


class Driver:
    """A training that is driven step by step, as `fit` does it.

    Args:
        library: The library.
        network: Name of the network.
        frequency: Steps between mask updates; None is without pruning.
        data: Images and labels.
        total_steps: Length of the training.
    """

    def __init__(
        self, library: Library, network: str, frequency: int | None, data: tuple[Any, Any], total_steps: int
    ) -> None:
        import tensorflow as tf

        self.model, callbacks = make_model(library, network, frequency, total_steps)
        self.model.optimizer.build(self.model.trainable_variables)
        if library.keras.__version__.startswith("3"):
            self.model._symbolic_build(data_batch=tuple(array[:BATCH] for array in data))
        steps = {"epochs": 1, "steps": total_steps}
        self.callbacks = library.keras.callbacks.CallbackList(callbacks, model=self.model, **steps)
        self.model.make_train_function()
        self.batches = iter(tf.data.Dataset.from_tensor_slices(data).batch(BATCH).cache().repeat().prefetch(2))
        self.callbacks.on_train_begin()
        self.callbacks.on_epoch_begin(0)
        self.done = 0

    def turn(self) -> Block:
        """Make a few steps; return what they took."""
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(STEPS_IN_TURN):
            self.callbacks.on_train_batch_begin(self.done)
            logs = self.model.train_function(self.batches)
            self.callbacks.on_train_batch_end(self.done, logs)
            self.done += 1
        return Block(time.perf_counter() - wall, time.process_time() - cpu)


def make_model(library: Library, network: str, frequency: int | None, total_steps: int) -> tuple[Any, list[Any]]:
    """Return a fresh compiled model and its callbacks; `frequency` None is without pruning."""
    keras = library.keras
    keras.utils.set_random_seed(0)
    model, callbacks = NETWORKS[network](keras), []
    if frequency is not None:
        names = [name for name in PRUNED if any(layer.name == name for layer in model.layers)]
        model, callbacks = library.prune(model, names, Ramp(0.5, 0.8, 10 * total_steps, frequency))
    model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy())
    return model, callbacks


def fit(model: Any, data: tuple[Any, Any], epochs: int, callbacks: list[Any]) -> None:
    """Train in silence, without a shuffle."""
    model.fit(*data, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)


def compare(library: Library, network: str, data: tuple[Any, Any], steps: int) -> list[dict[str, Any]]:
    """Return times and ratios for each variant, from interleaved trainings; the first is the control."""
    library.keras.backend.clear_session()
    variants = (None, None, *FREQUENCIES)
    drivers = [Driver(library, network, frequency, data, steps + STEPS_IN_TURN) for frequency in variants]
    turns: list[list[Block]] = [[] for _ in variants]
    for number in range(steps // STEPS_IN_TURN + 1):
        for index in sorted(range(len(variants)), key=lambda i: (i + number) % len(variants)):
            turns[index].append(drivers[index].turn())
    plain, *others = [groups(blocks[1:]) for blocks in turns]
    return [
        {"frequency": frequency, **summarise(plain, times)}
        for frequency, times in zip(variants[1:], others, strict=True)
    ]


def groups(blocks: list[Block]) -> list[Block]:
    """Return the mean time of a step in every group of consecutive turns."""
    whole = range(0, len(blocks) - TURNS_IN_GROUP + 1, TURNS_IN_GROUP)
    steps = STEPS_IN_TURN * TURNS_IN_GROUP
    chunks = [blocks[first : first + TURNS_IN_GROUP] for first in whole]
    return [Block(sum(b.wall for b in chunk) / steps, sum(b.cpu for b in chunk) / steps) for chunk in chunks]


def summarise(plain: list[Block], pruned: list[Block]) -> dict[str, Any]:
    """Return medians over groups of steps."""
    ratios = [b.wall / a.wall for a, b in zip(plain, pruned, strict=True)]
    return {
        "step_ratio": statistics.median(ratios),
        "step_ratios": ratios,
        "cpu_ratio": statistics.median(b.cpu / a.cpu for a, b in zip(plain, pruned, strict=True)),
        "plain_ms": 1000 * statistics.median(a.wall for a in plain),
        "pruned_ms": 1000 * statistics.median(b.wall for b in pruned),
    }


def first_steps(library: Library, network: str, frequency: int | None, data: tuple[Any, Any]) -> dict[str, Any]:
    """Return how much longer a `fit` of one step takes with pruning, from alternating runs."""
    pairs = [[first_step(library, network, f, data) for f in (None, frequency)] for _ in range(3)]
    return {
        "first_step_ratio": statistics.median(pruned / plain for plain, pruned in pairs),
        "first_steps_s": pairs,
    }


def first_step(library: Library, network: str, frequency: int | None, data: tuple[Any, Any]) -> float:
    """Return the seconds of a `fit` of one step with a fresh model."""
    library.keras.backend.clear_session()
    model, callbacks = make_model(library, network, frequency, 100)
    batch = tuple(array[:BATCH] for array in data)
    begin = time.perf_counter()
    fit(model, batch, 1, callbacks)
    return time.perf_counter() - begin


def checkpoint(library: Library, network: str, data: tuple[Any, Any], *, pruned: bool) -> dict[str, int]:
    """Return variables and bytes of the weights that a checkpoint written in the middle of a training holds."""
    found: dict[str, int] = {}

    class Save(library.keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.weights.h5")
                self.model.save_weights(path)
                found["file_bytes"] = path.stat().st_size
            found["variables"] = len(self.model.weights)
            found["bytes"] = sum(value.nbytes for value in self.model.get_weights())

    model, callbacks = make_model(library, network, 1 if pruned else None, 10)
    fit(model, tuple(array[: 2 * BATCH] for array in data), 1, [Save(), *callbacks])
    return found


def measure(name: str, task: dict[str, Any]) -> dict[str, Any]:
    """Measure one library; runs in a process of its own."""
    warnings.filterwarnings("ignore", "Training ended at")  # the ramp is meant to be longer than the training
    library = load(name)
    data = make_data(STEPS_OF_DATA)
    return {
        network: {
            "parameters": NETWORKS[network](library.keras).count_params(),
            "times": compare(library, network, data, task["steps"]),
            "first_step": first_steps(library, network, 1, data),
            "checkpoint": {
                "plain": checkpoint(library, network, data, pruned=False),
                "pruned": checkpoint(library, network, data, pruned=True),
            },
        }
        for network in NETWORKS
    }


def times_table(results: dict[str, Any]) -> str:
    """Return step times as Markdown."""
    headers = [
        "network, update every", "library", "plain step, ms", "pruned step, ms", "pruned ÷ plain", "spread",
        "CPU time ÷ plain", "goal", "first `fit` step ÷ plain",
    ]  # fmt: skip
    rows = [
        [
            f"{network}, {times['frequency']} steps" if times["frequency"] else f"{network}, plain again",
            name,
            f"{times['plain_ms']:.1f}",
            f"{times['pruned_ms']:.1f}",
            f"**{times['step_ratio']:.3f}**",
            f"{min(times['step_ratios']):.3f} – {max(times['step_ratios']):.3f}",
            f"{times['cpu_ratio']:.3f}",
            f"≤ {GOALS[times['frequency']]:.2f}" if name == "tfprune" and times["frequency"] else "",
            f"{results[name][network]['first_step']['first_step_ratio']:.2f}" if times["frequency"] == 1 else "",
        ]
        for network in NETWORKS
        for index in range(1 + len(FREQUENCIES))
        for name in LIBRARIES
        for times in [results[name][network]["times"][index]]
    ]
    return markdown(headers, rows)


def checkpoint_table(results: dict[str, Any]) -> str:
    """Return checkpoint sizes as Markdown."""
    headers = ["checkpoint in a training", "library", "variables", "bytes of weights", "bytes of file", "file ÷ plain"]
    rows = []
    for network in NETWORKS:
        for name in LIBRARIES:
            found = results[name][network]["checkpoint"]
            rows += [
                [
                    f"{network}, {kind}",
                    name,
                    found[kind]["variables"],
                    f"{found[kind]['bytes']:,}",
                    f"{found[kind]['file_bytes']:,}",
                    f"{found[kind]['file_bytes'] / found['plain']['file_bytes']:.2f}",
                ]
                for kind in ("plain", "pruned")
            ]
    return markdown(headers, rows)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--steps", type=int, default=500, help="steps of each variant, a multiple of 100")
    arguments = parser.parse_args()
    made = environment()
    task = {"steps": 100 if arguments.quick else arguments.steps}
    results = {name: start(__file__, name, task) for name in LIBRARIES}
    tables = f"{times_table(results)}\n\n{checkpoint_table(results)}"
    report(destination(arguments, "step_time"), {"environment": made, "task": task, "results": results}, tables)


if __name__ == "__main__":
    child = child_task()
    if child is None:
        main()
    else:
        write_json(child[2], measure(*child[:2]))
