"""The main job, end to end, on real images: train, halve the time without labels, prune, convert, compare, time."""

from __future__ import annotations

import contextlib
import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.table import Table

import tfprune.benchmark
from tfprune.callbacks import PruneCallback
from tfprune.cost import Budget
from tfprune.datasets import ImageData, fashion_mnist, fashion_mnist_small
from tfprune.errors import InputError
from tfprune.export import ExportResult, to_tflite
from tfprune.factorization import factorize
from tfprune.files import write_atomically
from tfprune.models import small_cnn
from tfprune.schedules import check_sparsity
from tfprune.version import __version__

__all__ = ["DATASETS", "Demo", "DemoRow", "FILES", "run_demo"]

DATASETS = {"fashion_mnist_small": 12, "fashion_mnist": 6}
"""The data sets, and how many epochs are enough for each."""

FILES: dict[str, dict[str, Any]] = {
    "dense": {},
    "halved": {},
    "halved_int8": {"quantize": "int8"},
    "pruned": {},
    "pruned_sparse": {"sparse": True},
    "pruned_int8": {"quantize": "int8"},
}
"""The files that are written, and how each is exported."""
HALF = Budget(latency=0.5)
HOW = f"factorize(model, {HALF}, data=images)"
IMAGES = 1024
"""How many images `halved` is made with; their labels are not looked at."""


@dataclass(frozen=True)
class DemoRow:
    """One .tflite file: all of it measured on the file itself."""

    file: str
    accuracy: float
    sparsity: float
    bytes: int
    gzip_bytes: int
    median_ms: float
    p95_ms: float
    speedup: float
    parity_max_abs: float
    sha256: str


@dataclass(frozen=True)
class Demo:
    """What the demo measured, on what data and machine, and how it was trained."""

    dataset: str
    test_images: int
    epochs: int
    sparsity: float
    seed: int
    rows: tuple[DemoRow, ...]
    environment: dict[str, Any]
    command: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    def table(self) -> Table:
        """Return a rich table with a row for each file."""
        table = Table(title=f"{self.dataset}, {self.epochs} epochs each")
        columns = ("file", "accuracy", "zeros", "bytes", "gzip", "ms (p95)", "speed-up")
        for column in columns:
            table.add_column(column, justify="left" if column == "file" else "right")
        for row in self.rows:
            table.add_row(*cells(row))
        return table


def cells(row: DemoRow) -> list[str]:
    """Return a row as text."""
    return [
        row.file,
        f"{row.accuracy:.1%}",
        f"{row.sparsity:.1%}",
        f"{row.bytes:,}",
        f"{row.gzip_bytes:,}",
        f"{row.median_ms:.3f} ({row.p95_ms:.3f})",
        f"{row.speedup:.2f}×",
    ]


def run_demo(
    out: str | Path,
    *,
    dataset: str = "fashion_mnist_small",
    data_dir: str | Path | None = None,
    sparsity: float = 0.8,
    epochs: int | None = None,
    seed: int = 0,
    verbose: int = 2,
    overwrite: bool = False,
) -> Demo:
    """Train a network, halve its time without labels, train it pruned, and measure the .tflite files that come out.

    Args:
        out: Folder to write to; made if it is missing.
        dataset: `"fashion_mnist_small"` (comes with tfprune) or `"fashion_mnist"`.
        data_dir: Folder with the idx.gz files of the whole Fashion-MNIST.
        sparsity: Fraction of zeros, in [0, 1).
        epochs: Epochs of each training; None is enough for the data set.
        seed: Seed of weights, order of the data and masks.
        verbose: Keras' progress: 0 nothing, 1 bars, 2 a line an epoch.
        overwrite: Whether files of an earlier demo may be replaced.

    Returns:
        The measurements.

    Raises:
        InputError: If an argument is not allowed or a file exists; before anything is trained.
    """
    folder = Path(out)
    if dataset not in DATASETS:
        raise InputError(f"Unknown dataset {dataset!r}; choose {' or '.join(map(repr, DATASETS))}.")
    check_sparsity(sparsity)
    if epochs is not None and epochs < 1:
        raise InputError(f"epochs is {epochs}; give a number from 1.")
    names = [f"{name}.tflite{suffix}" for name in FILES for suffix in ("", ".md", ".json")] + [
        "results.json",
        "README.md",
    ]
    if not overwrite and (existing := [name for name in names if (folder / name).exists()]):
        raise InputError(
            f"{folder} has {', '.join(existing)}; choose another folder or allow overwriting (--overwrite)."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} can't be made: {error.strerror}; choose another one.") from error
    data = fashion_mnist(data_dir) if dataset == "fashion_mnist" else fashion_mnist_small()
    length = epochs or DATASETS[dataset]
    quiet = contextlib.redirect_stdout(io.StringIO()) if not verbose else contextlib.nullcontext()
    with quiet:
        models = {"dense": train(data, length, seed, verbose, [])}
        print(f"\nHalving its time with {IMAGES:,} images, no labels and no training")
        models["halved"] = factorize(
            models["dense"], HALF, data=data.x_train[:IMAGES], samples=IMAGES, seed=seed, verbose=int(verbose > 0)
        )
        callback = PruneCallback(sparsity, seed=seed, verbose=int(verbose > 0))
        models["pruned"] = train(data, length, seed, verbose, [callback])
        exports = {name: convert(models, name, folder, data) for name in FILES}
    timing = tfprune.benchmark.run([str(folder / f"{name}.tflite") for name in FILES])
    rows = [measure(name, exports[name], result, folder, data) for name, result in zip(FILES, timing, strict=True)]
    demo = Demo(
        dataset=data.name,
        test_images=len(data.x_test),
        epochs=length,
        sparsity=sparsity,
        seed=seed,
        rows=tuple(rows),
        environment={**asdict(timing.environment), "python": platform.python_version(), "tfprune": __version__},
        command=f"tfprune demo --dataset {dataset} --sparsity {sparsity:g} --epochs {length} --seed {seed}",
    )
    for name, row in zip(FILES, rows, strict=True):
        exports[name].save_card(extra=facts(demo, row), overwrite=True)
    write_atomically(folder / "results.json", json.dumps(demo.to_dict(), indent=2) + "\n")
    others = sorted(path.name for path in folder.glob("*.tflite") if path.stem not in FILES)
    write_atomically(folder / "README.md", card(demo, others))
    return demo


def train(data: ImageData, epochs: int, seed: int, verbose: int, callbacks: list[Any]) -> keras.Model:
    """Return a network trained from the weights and with the batches that belong to a seed."""
    keras.utils.set_random_seed(seed)
    model = small_cnn()
    steps = -(-len(data.x_train) // 64) * epochs
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    print(f"\nTraining {'pruned' if callbacks else 'dense'} for {epochs} epochs")
    model.fit(data.x_train, data.y_train, batch_size=64, epochs=epochs, verbose=verbose, callbacks=callbacks)
    return model


def convert(models: dict[str, keras.Model], name: str, folder: Path, data: ImageData) -> ExportResult:
    """Write one of the files."""
    options = FILES[name]
    print(f"Exporting {name}.tflite")
    return to_tflite(
        models[name.partition("_")[0]],
        folder / f"{name}.tflite",
        representative_data=data.x_train[:200],
        overwrite=True,
        **options,
    )


def measure(
    name: str, export: ExportResult, timing: tfprune.benchmark.ModelResult, folder: Path, data: ImageData
) -> DemoRow:
    """Return a file's row; its accuracy is that of the interpreter on the test images."""
    (scores,) = tfprune.benchmark.predict(str(folder / f"{name}.tflite"), data.x_test)
    return DemoRow(
        file=name,
        accuracy=float(np.mean(np.argmax(scores, axis=-1) == data.y_test)),
        sparsity=export.sparsity,
        bytes=export.bytes,
        gzip_bytes=export.gzip_bytes,
        median_ms=timing.latency.median_ms,
        p95_ms=timing.latency.p95_ms,
        speedup=timing.speedup.median if timing.speedup else 1.0,
        parity_max_abs=export.parity.max_abs if export.parity else float("nan"),
        sha256=export.sha256,
    )


def facts(demo: Demo, row: DemoRow) -> dict[str, str]:
    """Return what a file's own card says beyond its export: how it was trained, accuracy and latency."""
    host = demo.environment
    how = {"pruned": f" with PruneCallback({demo.sparsity:g})", "halved": f"; then {HOW} with {IMAGES:,} images"}
    callback = how.get(row.file.partition("_")[0], "")
    interpreter = f"{host['interpreter']} {host['versions'][host['interpreter']]}"
    return {
        "Trained": f"small_cnn on {demo.dataset}, {demo.epochs} epochs, seed {demo.seed}{callback}",
        "Accuracy": f"{row.accuracy:.1%} of {demo.test_images:,} test images, by the interpreter",
        "Latency": f"{row.median_ms:.3f} ms (median; p95 {row.p95_ms:.3f}), one thread on {host['cpu']}, "
        f"{interpreter}; {row.speedup:.2f} × as fast as dense.tflite",
        "Made by": demo.command,
    }


def card(demo: Demo, others: Sequence[str] = ()) -> str:
    """Return the model card of a demo's files, as Markdown.

    Args:
        demo: The demo.
        others: Names of other .tflite files in the folder.
    """
    host = demo.environment
    worst = min(demo.rows, key=lambda row: abs(row.accuracy - 0.5)).accuracy
    error = 1.96 * (worst * (1 - worst) / demo.test_images) ** 0.5
    head = "| file | accuracy | zeros | bytes | gzip | ms (p95) | speed-up | SHA-256 |"
    rows = [f"| {' | '.join(cells(row))} | `{row.sha256}` |" for row in demo.rows]
    paragraphs = [
        "# Models of the demo",
        f"A convolutional network for {demo.dataset}, trained twice for {demo.epochs} epochs from the same weights: "
        f"dense, and with `PruneCallback({demo.sparsity:g})`. `halved` is the dense one after `{HOW}`, with {IMAGES:,} "
        "images, without labels or training; on another machine it has other layers. Inputs are images of 28 × 28 × 1 "
        "with values from 0 to 255; outputs are ten class probabilities.",
        "\n".join([head, "|" + " --- |" * 8, *rows]),
        f"Accuracy is the interpreter's on {demo.test_images:,} test images (± {error:.1%}, 95 %). Latency is the "
        f"median of one inference, one thread, files interleaved, on {host['cpu']}; the speed-up is the median ratio "
        "of CPU times to `dense.tflite` within rounds. `pruned_sparse.tflite` holds the numbers of `pruned.tflite` as "
        "float16, without the zeros. Zeros alone make no dense kernel faster: the pruned files are smaller, not "
        "quicker.",
        f"Made by `{demo.command}` with tfprune {host['tfprune']}, {host['interpreter']} "
        f"{host['versions'][host['interpreter']]}, Python {host['python']}. Each file has a card of its own beside it; "
        "`results.json` has all figures.",
        *([f"Not of the demo, each with its card: {', '.join(f'[`{n}`]({n}.md)' for n in others)}."] if others else []),
        "Images: Fashion-MNIST © 2017 Zalando SE, MIT licence.",
    ]
    return "\n\n".join(paragraphs) + "\n"
