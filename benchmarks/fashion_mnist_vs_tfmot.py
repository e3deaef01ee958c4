"""Test accuracy on Fashion-MNIST after pruning to 50, 80, 90 and 95 %: tfprune beside TFMOT, everything else equal.

Both train the same network (`tfprune.models.small_cnn`, rebuilt in Keras 2 for TFMOT) from the same initial weights, on
the same batches in the same order, with the same optimizer (Adam, 0.001) for the same number of epochs. Both prune the
same layers (conv_2, conv_3, hidden) on the same cubic ramp, from 5 % at step 0 to the final sparsity at three quarters
of the training, rounded to a multiple of 100 steps. TFMOT updates its masks every 100 steps, which is its default;
tfprune about 100 times over the ramp, which is its own. The sparsity is counted in the weights after `strip` and
`strip_pruning`. Sparsity 0 is training without pruning.

Each library runs in a process of its own. Every result is written to the JSON file at once, and a second run of the
same command does only what is missing there.

    python benchmarks/fashion_mnist_vs_tfmot.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, run_python, write_json
from libraries import LIBRARIES, Library, Ramp, child_task, load, start

SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95)
PRUNED = ("conv_2", "conv_3", "hidden")
BATCH = 128
LEARNING_RATE = 0.001
TFMOT_FREQUENCY = 100
SETTINGS = ("epochs", "images")
"""What must be equal for results to stand in one file."""

MAKE_WEIGHTS = """
import sys, keras, numpy as np
from tfprune.models import small_cnn
keras.utils.set_random_seed(int(sys.argv[1]))
weights = {f"{layer.name}/{i}": w for layer in small_cnn().layers for i, w in enumerate(layer.get_weights())}
np.savez(sys.argv[2], **weights)
"""


def small_cnn(keras: Any) -> Any:
    """Return the network of `tfprune.models.small_cnn`, built with any version of Keras."""
    layers = keras.layers
    x = inputs = keras.Input((28, 28, 1), name="image")
    x = layers.Rescaling(1 / 255)(x)
    for index, width in enumerate((16, 32, 64), 1):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv_{index}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm_{index}")(x)
        x = layers.ReLU(name=f"relu_{index}")(x)
        x = layers.MaxPooling2D(name=f"pool_{index}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="classes")(x))


def load_weights(model: Any, path: Path) -> None:
    """Set the weights of a network from the file that `MAKE_WEIGHTS` writes; every array has to find its place."""
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        placed = 0
        for layer in model.layers:
            values = [arrays[f"{layer.name}/{index}"] for index in range(len(layer.get_weights()))]
            layer.set_weights(values)
            placed += len(values)
        if placed != len(arrays.files):
            raise RuntimeError(f"{placed} of {len(arrays.files)} arrays belong to the network")


def make_batches(images: Any, labels: Any, epochs: int, seed: int) -> Any:
    """Return the batches of all epochs, each epoch in an order of its own that depends on the seed only."""
    import numpy as np
    import tensorflow as tf

    whole = len(images) // BATCH * BATCH
    orders = [np.random.default_rng([seed, epoch]).permutation(len(images))[:whole] for epoch in range(epochs)]
    x, y = tf.constant(images), tf.constant(labels.astype("int64"))

    def gather(indices: Any) -> tuple[Any, Any]:
        return tf.cast(tf.gather(x, indices), tf.float32), tf.gather(y, indices)

    return tf.data.Dataset.from_tensor_slices(np.concatenate(orders)).batch(BATCH).map(gather).prefetch(2)


def ramp(sparsity: float, total_steps: int, name: str) -> Ramp:
    """Return the schedule: the same for both libraries but for how often masks are updated."""
    end = max(int(0.75 * total_steps) // TFMOT_FREQUENCY, 1) * TFMOT_FREQUENCY
    return Ramp(min(0.05, sparsity), sparsity, end, TFMOT_FREQUENCY if name == "tfmot" else None)


def counted_sparsity(model: Any) -> float:
    """Return the fraction of zeros in the kernels of the pruned layers."""
    kernels = [layer.get_weights()[0] for layer in model.layers if layer.name in PRUNED]
    return sum(int((kernel == 0).sum()) for kernel in kernels) / sum(kernel.size for kernel in kernels)


def train(library: Library, name: str, data: Any, weights: Path, job: dict[str, Any], settings: dict[str, Any]) -> Any:
    """Train and prune one network, and return what came out."""
    keras = library.keras
    keras.backend.clear_session()
    keras.utils.set_random_seed(job["seed"])
    images, epochs = settings["images"], settings["epochs"]
    steps = images // BATCH
    model, callbacks = small_cnn(keras), []
    load_weights(model, weights)
    if job["sparsity"]:
        model, callbacks = library.prune(model, PRUNED, ramp(job["sparsity"], epochs * steps, name))
    model.compile(keras.optimizers.Adam(LEARNING_RATE), keras.losses.SparseCategoricalCrossentropy())
    batches = make_batches(data.x_train[:images], data.y_train[:images], epochs, job["seed"])
    begin = time.perf_counter()
    history = model.fit(batches, steps_per_epoch=steps, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    seconds = time.perf_counter() - begin
    if job["sparsity"]:
        model = library.strip(model)
    predicted = model.predict(data.x_test.astype("float32"), batch_size=500, verbose=0).argmax(axis=1)
    return {
        **job,
        "library": name,
        "accuracy": float((predicted == data.y_test).mean()),
        "counted_sparsity": counted_sparsity(model),
        "seconds": seconds,
        "train_losses": [float(loss) for loss in history.history["loss"]],
    }


def work(name: str, task: dict[str, Any]) -> dict[str, Any]:
    """Do one job; runs in a process of its own."""
    from tfprune.datasets import fashion_mnist

    library = load(name)
    return train(library, name, fashion_mnist(task["data_dir"]), Path(task["weights"]), task["job"], task["settings"])


def key(job: dict[str, Any]) -> tuple[Any, ...]:
    """Return what makes a job or its result that job."""
    return job["library"], job["sparsity"], job["seed"]


def earlier_results(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is in the file of an earlier run, None if there is none.

    Raises:
        SystemExit: If that run had other settings.
    """
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["settings"] != settings:
        raise SystemExit(f"{path} is of a run with {content['settings']}, not {settings}; choose another --out.")
    return content


def run_all(content: dict[str, Any], path: Path, jobs: Iterable[dict[str, Any]], data_dir: str | None) -> None:
    """Do the jobs that have no result yet, and write the file after each."""
    with tempfile.TemporaryDirectory() as folder:
        for job in jobs:
            if key(job) in {key(result) for result in content["results"]}:
                continue
            weights = Path(folder, f"{job['seed']}.npz")
            if not weights.exists():
                run_python(["-c", MAKE_WEIGHTS, str(job["seed"]), str(weights)], KERAS_BACKEND="tensorflow")
            only = {name: value for name, value in job.items() if name != "library"}
            task = {"job": only, "weights": str(weights), "settings": content["settings"], "data_dir": data_dir}
            result = start(__file__, job["library"], task)
            content["results"].append(result)
            write_json(path, content)
            print(
                f"{result['library']} {result['sparsity']:.0%} seed {result['seed']}: {result['accuracy']:.4f}, "
                f"{result['counted_sparsity']:.4%} zeros, {result['seconds']:.0f} s",
                flush=True,
            )


def spread(values: list[float], scale: float = 100.0) -> str:
    """Return mean and standard deviation in words, in percent."""
    deviation = f" ± {scale * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{scale * statistics.mean(values):.2f}{deviation}"


def table(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = []
    for sparsity in SPARSITIES:
        for name in LIBRARIES:
            found = [r for r in content["results"] if r["library"] == name and r["sparsity"] == sparsity]
            if found:
                accuracy = spread([r["accuracy"] for r in found])
                zeros = sorted({f"{100 * r['counted_sparsity']:.3f}" for r in found})
                rows.append([f"{sparsity:.0%}", name, accuracy, ", ".join(zeros), len(found)])
    headers = ["sparsity", "library", "test accuracy, %", "counted zeros, %", "seeds"]
    settings = ", ".join(f"{content['settings'][name]} {name}" for name in SETTINGS)
    return f"{markdown(headers, rows)}\n\nMean ± standard deviation over seeds; {settings}, batches of {BATCH}."


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--data-dir", help="folder with the four idx.gz files; see tfprune.datasets.fashion_mnist")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    path = destination(arguments, "fashion_mnist_vs_tfmot")
    settings = {"epochs": arguments.epochs, "images": 60_000}
    if arguments.quick:
        settings = {"epochs": 2, "images": 100 * BATCH}
    content = earlier_results(path, settings) or {"environment": environment(), "settings": settings, "results": []}
    jobs = [
        {"library": name, "sparsity": sparsity, "seed": seed}
        for seed in range(1 if arguments.quick else arguments.seeds)
        for sparsity in ((0.0, 0.9) if arguments.quick else SPARSITIES)
        for name in LIBRARIES
    ]
    run_all(content, path, jobs, arguments.data_dir)
    report(path, content, table(content))


if __name__ == "__main__":
    child = child_task()
    if child is None:
        main()
    else:
        write_json(child[2], work(*child[:2]))
