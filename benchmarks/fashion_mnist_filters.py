"""Test accuracy on Fashion-MNIST against multiply-accumulates: whole filters pruned while training, against two others.

For each budget the same network (`tfprune.models.small_cnn`) is trained from the same initial weights for the same
number of epochs on the same batches:

- `filters`: `PruneCallback(Budget(macs=…), granularity="filter")`, then `tfprune.shrink`; the small one is measured.
- `scratch`: a network of the same layer widths, trained from scratch for as many epochs.
- `weights`: `PruneCallback(sparsity)` of single weights, with as many multiply-accumulates if every zero were skipped
  (no runtime here does that for 3x3 convolutions).

Every result is written to the JSON file at once, and a second run of the same command does only what is missing there.

    python benchmarks/fashion_mnist_filters.py --data-dir FOLDER_OF_THE_IDX_FILES
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import time
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
FRACTIONS = (1.0, 0.5, 0.25, 0.1)
WAYS = ("filters", "scratch", "weights")
BATCH = 128


def kernels_macs(model: Any) -> dict[str, int]:
    """Return the multiply-accumulates of each layer with a kernel."""
    from tfprune.report import summarise

    return {row.path.rsplit("/", 1)[0]: row.macs or 0 for row in summarise(model).rows}


def sparsity_for(model: Any, fraction: float) -> float:
    """Return the sparsity of what `PruneCallback` prunes by default that leaves a fraction of all products."""
    macs = kernels_macs(model)
    pruned = sum(macs[name] for name in ("conv_2", "conv_3", "hidden"))
    return (1 - fraction) * sum(macs.values()) / pruned


def like(small: Any, seed: int) -> Any:
    """Return a network with the widths of a small one and weights drawn anew."""
    import keras

    keras.utils.set_random_seed(seed)
    return keras.models.clone_model(small)


def train(way: str, fraction: float, seed: int, data: Any, epochs: int) -> dict[str, Any]:
    """Train one network, and return what came out."""
    import keras

    import tfprune
    from tfprune.graph import trace

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model, callbacks = tfprune.models.small_cnn(), []
    if way == "filters" and fraction < 1:
        callbacks = [tfprune.PruneCallback(tfprune.Budget(macs=fraction), granularity="filter", verbose=0)]
    if way == "weights" and fraction < 1:
        callbacks = [tfprune.PruneCallback(sparsity_for(model, fraction), verbose=0)]
    if way == "scratch" and fraction < 1:
        model = like(tfprune.prune_filters(model, tfprune.Budget(macs=fraction), verbose=0), seed)
    model.compile(keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
    begin = time.perf_counter()
    model.fit(data.x_train, data.y_train, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=callbacks)
    seconds = time.perf_counter() - begin
    small = tfprune.shrink(model) if way == "filters" else model
    predicted = small.predict(data.x_test, batch_size=500, verbose=0).argmax(axis=1)
    cost = tfprune.cost.CostModel(trace(small)).whole
    return {
        "way": way,
        "fraction": fraction,
        "seed": seed,
        "accuracy": float((predicted == data.y_test).mean()),
        "macs": cost.macs,
        "parameters": cost.parameters,
        "seconds": seconds,
    }


def table(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = []
    for fraction in FRACTIONS:
        for way in WAYS:
            found = [r for r in content["results"] if r["way"] == way and r["fraction"] == fraction]
            if not found:
                continue
            values = [100 * r["accuracy"] for r in found]
            deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            macs = f"{found[0]['macs']:,}" if way != "weights" or fraction == 1 else f"{found[0]['macs']:,} (dense)"
            row = [f"{fraction:.0%}", way, f"{statistics.mean(values):.2f}{deviation}", macs]
            rows.append([*row, f"{found[0]['parameters']:,}", f"{statistics.mean(r['seconds'] for r in found):.0f}"])
    settings = content["settings"]
    seeds = len({r["seed"] for r in content["results"]})
    note = f"{settings['epochs']} epochs, {settings['images']:,} images, {seeds} seeds"
    headers = ["MACs", "how", "test accuracy, %", "MACs of the network", "parameters", "training, s"]
    return f"{markdown(headers, rows)}\n\nMean ± standard deviation over seeds; {note}."


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--data-dir", help="folder with the four idx.gz files; see tfprune.datasets.fashion_mnist")
    arguments = parser.parse_args()
    path = destination(arguments, "fashion_mnist_filters")
    settings = {"epochs": arguments.epochs, "images": 60_000}
    if arguments.quick:
        settings = {"epochs": 2, "images": 100 * BATCH}
    content = {"environment": environment(), "settings": settings, "results": []}
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["settings"] != settings:
            raise SystemExit(f"{path} is of a run with {content['settings']}, not {settings}; choose another --out.")
    from tfprune.datasets import fashion_mnist

    data, images = fashion_mnist(arguments.data_dir), settings["images"]
    data = dataclasses.replace(data, x_train=data.x_train[:images], y_train=data.y_train[:images])
    done = {(r["way"], r["fraction"], r["seed"]) for r in content["results"]}
    for seed in range(1 if arguments.quick else arguments.seeds):
        for fraction in FRACTIONS:
            for way in WAYS if fraction < 1 else WAYS[:1]:
                if (way, fraction, seed) in done:
                    continue
                result = train(way, fraction, seed, data, settings["epochs"])
                content["results"].append(result)
                write_json(path, content)
                print(
                    f"{way} {fraction:.0%} seed {seed}: {result['accuracy']:.4f}, {result['macs']:,} MACs", flush=True
                )
    report(path, content, table(content))


if __name__ == "__main__":
    main()
