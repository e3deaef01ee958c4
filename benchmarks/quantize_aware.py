"""Test accuracy of int8 files of pruned networks: quantised after training, and trained for it under the masks.

Two networks, `tfprune.models.small_cnn` and a depthwise-separable one, are pruned to 80 % by `PruneCallback`. From each
pruned network as many epochs go on, on the same batches and at the same rate, in three ways, zeros kept:

- `float`: as it is. Measured as float32, as the int8 file that calibration makes of it, and as that with kernels
  rounded to 4 bits.
- `int8`: with `QuantizeCallback()`; its int8 file.
- `4 bits`: with `QuantizeCallback(bits=4)`; its int8 file, whose kernels have 15 values for each channel.

Accuracies of files are the interpreter's. Every result is written to the JSON file at once, and a second run of the
same command does only what is missing there. Images are the subset that comes with tfprune, or all with `--data-dir`.

    python benchmarks/quantize_aware.py
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH, SPARSITY = 128, 0.8
NETWORKS = ("plain", "separable")
COLUMNS = {
    "float32": "float32",
    "int8_after": "int8 after training",
    "int8_aware": "int8, trained for it",
    "bits4_after": "4-bit weights after training",
    "bits4_aware": "4-bit weights, trained for it",
}


def network(name: str) -> Any:
    """Return an untrained network."""
    import keras
    from keras import layers

    from tfprune.models import small_cnn

    if name == "plain":
        return small_cnn()
    x = inputs = keras.Input((28, 28, 1), name="image")
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))
    for width, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Conv2D(width, 1, use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="separable")


def fit(model: Any, data: Any, rate: float, epochs: int, callbacks: list[Any], seed: int) -> None:
    """Train, on batches that depend on the seed only."""
    import keras

    keras.utils.set_random_seed(seed)
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * len(data.x_train) // BATCH)
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(data.x_train, data.y_train, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=callbacks)


def of_file(model: Any, data: Any, folder: Path) -> Any:
    """Return the classes that the interpreter finds with the int8 file of a network."""
    import tfprune

    path = folder / "model.tflite"
    calibration = data.x_train[:256].astype("float32")
    tfprune.to_tflite(model, path, quantize="int8", representative_data=calibration, overwrite=True, verify=False)
    return tfprune.benchmark.predict(path, data.x_test.astype("float32"))[0].argmax(axis=1)


def zeros(model: Any) -> float:
    """Return the part of the pruned kernels' weights that is zero, counted."""
    from tfprune.pruning import Pruner

    return float(Pruner(model, SPARSITY).measure())


def measure(name: str, seed: int, data: Any, settings: dict[str, int], folder: Path) -> dict[str, Any]:
    """Train one network in all ways, and return what came out."""
    import keras

    import tfprune
    from tfprune.quantization import FakeQuantized

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = network(name)
    fit(model, data, 1e-3, settings["epochs"], [tfprune.PruneCallback(SPARSITY, verbose=0)], seed)
    pruned = model.get_weights()
    found: dict[str, Any] = {"network": name, "seed": seed, "sparsity": {}, "same_class": {}}

    def note(column: str, classes: Any) -> None:
        found[column] = float((classes == data.y_test).mean())
        found["same_class"][column] = float((classes == reference).mean())

    fit(model, data, 1e-4, settings["more"], [tfprune.PruneCallback(SPARSITY, schedule="constant", verbose=0)], seed)
    reference = model.predict(data.x_test, batch_size=500, verbose=0).argmax(axis=1)
    note("float32", reference)
    found["sparsity"]["float"] = zeros(model)
    note("int8_after", of_file(model, data, folder))
    FakeQuantized(model, bits=4).round_kernels()
    note("bits4_after", of_file(model, data, folder))
    for column, bits in (("int8_aware", 8), ("bits4_aware", 4)):
        model.set_weights(pruned)
        fit(model, data, 1e-4, settings["more"], [tfprune.QuantizeCallback(bits=bits, verbose=0)], seed)
        found["sparsity"][column] = zeros(model)
        note(column, of_file(model, data, folder))
    return found


def table(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = []
    for name in NETWORKS:
        found = [r for r in content["results"] if r["network"] == name]
        if not found:
            continue
        exact = statistics.mean(r["float32"] for r in found)
        for column, words in COLUMNS.items():
            values = [100 * r[column] for r in found]
            deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            same = statistics.mean(r["same_class"][column] for r in found)
            lost = statistics.mean(values) - 100 * exact
            rows.append(
                [f"{name}, {words}", f"{statistics.mean(values):.2f}{deviation}", f"{lost:+.2f}", f"{same:.2%}"]
            )
    settings = content["settings"]
    counted = [part for r in content["results"] for part in r["sparsity"].values()]
    note = (
        f"{settings['epochs']} epochs while pruning, {settings['more']} after it in each way, "
        f"{settings['images']:,} images; {settings['tested']:,} to test; "
        f"{len({r['seed'] for r in content['results']})} seeds. "
        f"Zeros of the pruned kernels at the end, counted: {min(counted):.2%} to {max(counted):.2%}."
    )
    headers = ["network", "test accuracy, %", "to float32", "same class as float32"]
    return f"{markdown(headers, rows)}\n\nMean ± standard deviation over seeds; {note}"


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8, help="while pruning")
    parser.add_argument("--more", type=int, default=4, help="epochs after pruning")
    parser.add_argument("--data-dir", help="folder with the four idx.gz files; the subset that is included without it")
    arguments = parser.parse_args()
    path = destination(arguments, "quantize_aware")
    from tfprune.datasets import fashion_mnist, fashion_mnist_small

    data = fashion_mnist(arguments.data_dir) if arguments.data_dir else fashion_mnist_small()
    epochs, more = (1, 1) if arguments.quick else (arguments.epochs, arguments.more)
    if arguments.quick:
        data = dataclasses.replace(data, x_train=data.x_train[: 20 * BATCH], y_train=data.y_train[: 20 * BATCH])
    settings = {"epochs": epochs, "more": more, "images": len(data.x_train), "tested": len(data.x_test)}
    content: dict[str, Any] = {"environment": environment(), "settings": settings, "results": []}
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["settings"] != settings:
            raise SystemExit(f"{path} is of a run with {content['settings']}, not {settings}; choose another --out.")
    done = {(r["network"], r["seed"]) for r in content["results"]}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1 if arguments.quick else arguments.seeds):
            for name in NETWORKS:
                if (name, seed) not in done:
                    result = measure(name, seed, data, settings, Path(folder))
                    content["results"].append(result)
                    write_json(path, content)
                    told = ", ".join(f"{column} {result[column]:.4f}" for column in COLUMNS)
                    print(f"{name} seed {seed}: {told}", flush=True)
    report(path, content, table(content))


if __name__ == "__main__":
    main()
