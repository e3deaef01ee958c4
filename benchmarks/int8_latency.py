"""int8 files at a part of what the original takes as int8: planned by the latency of int8 operations, or of float ones.

Each network is cut without labels or training: by multiply-accumulates, by the latency of its float file, and by that
of its int8 file, with factors and with filters. What comes out is exported as int8, answers test images by the
interpreter, and is timed beside the original as int8, taking turns. Networks of keras.applications have random weights
and say only whether times come out as predicted. Each result is written at once; the same command continues.

    python benchmarks/int8_latency.py --data-dir <folder with resnet56_cifar10.keras and cifar10_lossless_subset.npz>
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, resumed, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

JUDGED = ("resnet20_cifar10", "resnet56_cifar10")
TIMED = ("MobileNetV2", "ResNet50")
QUICK = "small_cnn"
BOUNDS = {
    "macs, 0.5": {"macs": 0.5},
    "float latency, 0.5": {"latency": 0.5},
    "int8 latency, 0.75": {"latency": 0.75, "quantize": "int8"},
    "int8 latency, 0.5": {"latency": 0.5, "quantize": "int8"},
}
METHODS = ("factors", "filters")
SAMPLES = 1024


class Task:
    """A network, images to look at without labels, and others to judge by where its weights are trained."""

    def __init__(self, name: str, folder: Path | None) -> None:
        import keras
        import numpy as np

        import tfprune

        self.name = name
        self.tests: tuple[Any, Any] | None = None
        keras.utils.set_random_seed(0)
        if name == QUICK:
            self.model = tfprune.models.small_cnn()
            self.images = np.random.default_rng(0).normal(size=(64, 28, 28, 1)).astype("float32")
            return
        if name in TIMED:
            shape = (160, 160, 3)
            self.model = getattr(keras.applications, name)(weights=None, input_shape=shape, classes=10)
            self.images = np.random.default_rng(0).normal(size=(64, *shape)).astype("float32")
            return
        if folder is None:
            raise SystemExit("Give --data-dir, the folder with the networks and images.")
        self.model = keras.models.load_model(folder / f"{name}.keras")
        with np.load(folder / "cifar10_lossless_subset.npz") as arrays:
            self.images = arrays["x_train"][:SAMPLES].astype("float32")
            self.tests = arrays["x_test"].astype("float32"), arrays["y_test"].reshape(-1)

    def accuracy(self, path: Path) -> float | None:
        """Return the per cent of test images whose top class the interpreter gets right."""
        import tfprune

        if self.tests is None:
            return None
        (scores,) = tfprune.benchmark.predict(path, self.tests[0])
        return float((scores.argmax(-1) == self.tests[1]).mean() * 100)


def int8_file(model: Any, task: Task, path: Path) -> Path:
    """Export a network as int8."""
    import tfprune

    tfprune.to_tflite(model, path, quantize="int8", representative_data=task.images[:256], verify=False)
    return path


def measure(task: Task, bound: str, method: str, seconds: float) -> dict[str, Any]:
    """Return what a budget leaves of a network: its accuracy and its time, as int8."""
    import tfprune
    from tfprune.errors import InputError

    budget = tfprune.Budget(**BOUNDS[bound])
    plan_of = tfprune.plan_factorization if method == "factors" else tfprune.plan_filters
    row = {"network": task.name, "bound": bound, "method": method}
    try:
        plan = plan_of(task.model, budget, data=task.images, samples=len(task.images), verbose=0)
    except InputError as error:
        return {**row, "failed": str(error)}
    made = plan.repair().model
    with tempfile.TemporaryDirectory() as folder:
        whole = int8_file(task.model, task, Path(folder, "whole.tflite"))
        small = int8_file(made, task, Path(folder, "small.tflite"))
        timed = tfprune.benchmark.run([whole, small], threads=1, min_seconds=seconds)
        took = [one.latency.cpu_p5_ms for one in timed]
        predicted = None if budget.latency is None else plan.after.latency / plan.before.latency
        return {
            **row,
            "whole_accuracy": task.accuracy(whole),
            "accuracy": task.accuracy(small),
            "fewer_macs": plan.before.macs / plan.after.macs,
            "whole_ms": took[0],
            "ms": took[1],
            "left": took[1] / took[0],
            "predicted": predicted if budget.quantize else None,
            "bytes": small.stat().st_size,
        }


def table(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = []
    for row in content["results"]:
        name = [row["network"], row["bound"], row["method"]]
        if "failed" in row:
            rows.append([*name, "can't be met", "", "", "", ""])
            continue
        judged = row["accuracy"] is not None
        rows.append(
            [
                *name,
                f"{row['fewer_macs']:.2f}×",
                f"{row['whole_accuracy']:.2f}" if judged else "",
                f"{row['accuracy']:.2f}" if judged else "",
                "" if row["predicted"] is None else f"{row['predicted']:.2f}",
                f"{row['left']:.2f}",
            ]
        )
    headers = [
        "network", "budget", "what goes", "fewer MACs", "int8, before", "int8, after", "int8 latency left, predicted",
        "measured",
    ]  # fmt: skip
    return markdown(headers, rows)


def main() -> None:
    import keras

    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, help="the folder with the networks and images")
    parser.add_argument("--networks", nargs="+", choices=(*JUDGED, *TIMED), default=[*JUDGED, *TIMED])
    arguments = parser.parse_args()
    path = destination(arguments, "int8_latency")
    content = resumed(path, arguments.quick)
    content.setdefault("environment", environment())
    for name in [QUICK] if arguments.quick else arguments.networks:
        keras.backend.clear_session()
        task = Task(name, arguments.data_dir)
        for bound in ["int8 latency, 0.75"] if arguments.quick else BOUNDS:
            for method in METHODS[1:] if arguments.quick or name in TIMED else METHODS:
                key = (name, bound, method)
                if any((row["network"], row["bound"], row["method"]) == key for row in content["results"]):
                    continue
                content["results"].append(measure(task, bound, method, 0.2 if arguments.quick else 2.0))
                print(content["results"][-1], flush=True)
                if not arguments.quick:
                    write_json(path, content)
    report(path, content, table(content))


if __name__ == "__main__":
    main()
