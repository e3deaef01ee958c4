"""Step time while pruning ÷ plain step time, for tfprune and for TFMOT, and what pruning adds to a checkpoint.

Each library runs in a process of its own, with its own Keras, on the same two networks and the same random data. The
variants (plain, and pruned with an update every 100, 10 and 1 steps) are one long `fit` each, in a thread each, but
only one computes at a time: after every 25 steps it hands over to the next. So a busy moment of the machine meets all
of them. Everything between the beginning of a step and the beginning of the 25th after it counts, callbacks and ends of
epochs included; the first 25 steps, with tracing, do not. The ratio is taken over 100 steps each, and its median
reported, beside that of the CPU time, which other processes disturb less. The sparsity rises all the time (from 50 %
towards 80 %, ten times later than the training ends), so that each update changes the masks.

Goals for tfprune: at most 1.02, 1.03 and 1.10; no variables added.

    python benchmarks/step_time.py
"""

from __future__ import annotations

import collections
import concurrent.futures
import statistics
import tempfile
import threading
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
STEPS_IN_BLOCK = 25
BLOCKS_IN_GROUP = 4
STEPS_IN_EPOCH = 100
PRUNED = ("conv_2", "conv_3", "hidden")


@dataclass(frozen=True)
class Block:
    """Wall time and CPU time of a few steps, in seconds."""

    wall: float
    cpu: float


class Turns:
    """Lets threads compute in turn, one at a time."""

    def __init__(self, count: int) -> None:
        self._order = collections.deque(range(count))
        self._changed = threading.Condition()

    def take(self, who: int) -> None:
        """Wait until it is this thread's turn."""
        with self._changed:
            self._changed.wait_for(lambda: self._order[0] == who)

    def give(self, who: int) -> None:
        """Hand over to the next thread."""
        with self._changed:
            self._order.rotate(-1)
            self._changed.notify_all()

    def leave(self, who: int) -> None:
        """Take no more turns."""
        with self._changed:
            self._order.remove(who)
            self._changed.notify_all()


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


def make_timer(keras: Any, turns: Turns, who: int) -> Any:
    """Return a callback, to be the first in the list, that takes turns and times blocks of steps."""

    class Timer(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.blocks: list[Block] = []
            self.steps = 0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if self.steps % STEPS_IN_BLOCK == 0:
                if self.steps:
                    now = Block(time.perf_counter() - self.begin.wall, time.process_time() - self.begin.cpu)
                    self.blocks.append(now)
                    turns.give(who)
                    turns.take(who)
                self.begin = Block(time.perf_counter(), time.process_time())
            self.steps += 1

    return Timer()


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


def take_part(
    library: Library, network: str, frequency: int | None, data: tuple[Any, Any], epochs: int, turns: Turns, who: int
) -> list[Block]:
    """Train one variant in turns with others, and return its times."""
    turns.take(who)
    try:
        model, callbacks = make_model(library, network, frequency, epochs * len(data[1]) // BATCH)
        timer = make_timer(library.keras, turns, who)
        fit(model, data, epochs, [timer, *callbacks])
        return timer.blocks[1:]
    finally:
        turns.leave(who)


def compare(library: Library, network: str, data: tuple[Any, Any], epochs: int) -> list[dict[str, Any]]:
    """Return times and ratios for each frequency, from interleaved trainings."""
    library.keras.backend.clear_session()
    variants = (None, *FREQUENCIES)
    turns = Turns(len(variants))
    with concurrent.futures.ThreadPoolExecutor(len(variants)) as pool:
        futures = [
            pool.submit(take_part, library, network, frequency, data, epochs, turns, who)
            for who, frequency in enumerate(variants)
        ]
        plain, *pruned = [groups(future.result()) for future in futures]
    return [
        {"frequency": frequency, **summarise(plain, times), **first_steps(library, network, frequency, data, epochs)}
        for frequency, times in zip(FREQUENCIES, pruned, strict=True)
    ]


def groups(blocks: list[Block]) -> list[Block]:
    """Return the mean time of a step in every group of consecutive blocks."""
    whole = range(0, len(blocks) - BLOCKS_IN_GROUP + 1, BLOCKS_IN_GROUP)
    steps = STEPS_IN_BLOCK * BLOCKS_IN_GROUP
    chunks = [blocks[first : first + BLOCKS_IN_GROUP] for first in whole]
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


def first_steps(library: Library, network: str, frequency: int, data: tuple[Any, Any], rounds: int) -> dict[str, Any]:
    """Return how much longer a `fit` of one step takes with pruning, from alternating runs."""
    pairs = [[first_step(library, network, f, data) for f in (None, frequency)] for _ in range(min(rounds, 5))]
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
    data = make_data(STEPS_IN_EPOCH)
    return {
        network: {
            "parameters": NETWORKS[network](library.keras).count_params(),
            "times": compare(library, network, data, task["epochs"]),
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
        "CPU time ÷ plain", "goal", "first step ÷ plain",
    ]  # fmt: skip
    rows = [
        [
            f"{network}, {times['frequency']} steps",
            name,
            f"{times['plain_ms']:.1f}",
            f"{times['pruned_ms']:.1f}",
            f"**{times['step_ratio']:.3f}**",
            f"{min(times['step_ratios']):.3f} – {max(times['step_ratios']):.3f}",
            f"{times['cpu_ratio']:.3f}",
            f"≤ {GOALS[times['frequency']]:.2f}" if name == "tfprune" else "",
            f"{times['first_step_ratio']:.2f}",
        ]
        for network in NETWORKS
        for index in range(len(FREQUENCIES))
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
    parser.add_argument("--epochs", type=int, default=9, help=f"epochs of {STEPS_IN_EPOCH} steps")
    arguments = parser.parse_args()
    made = environment()
    task = {"epochs": 2 if arguments.quick else arguments.epochs}
    results = {name: start(__file__, name, task) for name in LIBRARIES}
    tables = f"{times_table(results)}\n\n{checkpoint_table(results)}"
    report(destination(arguments, "step_time"), {"environment": made, "task": task, "results": results}, tables)


if __name__ == "__main__":
    child = child_task()
    if child is None:
        main()
    else:
        write_json(child[2], measure(*child[:2]))
