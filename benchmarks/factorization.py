"""Accuracy and latency of factorised networks: each form with and without refit, the mixed choice, pruning, and both.

Networks are cut to 0.75, 0.5 and 0.35 of their multiply-accumulates, and of their latency as the table predicts it;
each result is exported and timed beside the whole network, taking turns. What chooses and refits sees images without
labels; test images are others. `--epochs` adds fine-tuning with labels, on the same few training images. Each result is
written at once; the same command continues where it was stopped.

    python benchmarks/factorization.py --data-dir <folder with resnet20_cifar10.keras and cifar10_lossless_subset.npz>
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

PARTS = (0.75, 0.5, 0.35)
NETWORKS = ("resnet20_cifar10", "resnet56_cifar10", "fashion_cnn")
FORMS = ("spatial", "channel_in", "channel_out", "tucker", "depthwise")
METHODS = (
    "mixed", "mixed, weights only", "mixed, not refitted", *FORMS, *(f"{form}, weights only" for form in FORMS),
    "filters", "filters, then mixed", "mixed, then filters",
)  # fmt: skip
BEFORE = 0.85
"""What the first of two steps leaves: its bound, for one of 0.35 … 0.75 in the end."""


class Task:
    """A network with images: some without labels to look at, others to test on."""

    def __init__(self, name: str, folder: Path | None) -> None:
        import keras
        import numpy as np

        self.name = name
        if name == "fashion_cnn":
            import tfprune
            from tfprune.demo import train

            data = tfprune.datasets.fashion_mnist_small()
            self.x_train, self.y_train = data.x_train, data.y_train
            self.x_test, self.y_test = data.x_test, data.y_test
            self.model = train(data, 12, 0, 0, [])
        else:
            if folder is None:
                raise SystemExit("Give --data-dir, the folder with the networks and images.")
            with np.load(folder / "cifar10_lossless_subset.npz") as arrays:
                self.x_train = arrays["x_train"].astype("float32")
                self.y_train = arrays["y_train"].reshape(-1).astype("int32")
                self.x_test = arrays["x_test"].astype("float32")
                self.y_test = arrays["y_test"].reshape(-1).astype("int32")
            self.model = keras.models.load_model(folder / f"{name}.keras")
            self.model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def enter(self, content: dict[str, Any]) -> None:
        """Write its accuracy; drop results of what was trained on another machine, and so is another network."""
        accuracy = self.accuracy(self.model)
        if self.name == "fashion_cnn" and content["dense"].get(self.name, accuracy) != accuracy:
            content["results"] = [row for row in content["results"] if row["network"] != self.name]
        content["dense"][self.name] = accuracy

    def accuracy(self, model: Any) -> float:
        """Return the percentage of test images whose top class is right."""
        scores = model.predict(self.x_test, batch_size=256, verbose=0)
        return float((scores.argmax(axis=1) == self.y_test).mean() * 100)

    def tune(self, model: Any, epochs: int) -> float:
        """Return the accuracy after training with labels on the same images; those of CIFAR shifted and mirrored."""
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(0)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=self.name != "fashion_cnn")
        steps = epochs * -(-len(self.x_train) // 128)
        rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
        model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss)
        size, channels = self.x_train.shape[1:3], self.x_train.shape[3]

        def vary(x: Any, y: Any) -> Any:
            x = tf.image.random_flip_left_right(tf.pad(x, [(4, 4), (4, 4), (0, 0)]))
            return tf.image.random_crop(x, (*size, channels)), y

        data = tf.data.Dataset.from_tensor_slices((self.x_train, self.y_train)).shuffle(len(self.x_train), seed=0)
        data = data if self.name == "fashion_cnn" else data.map(vary)
        model.fit(data.batch(128), epochs=epochs, shuffle=False, verbose=0)
        return self.accuracy(model)


def make(task: Task, method: str, bound: str, part: float, samples: int) -> tuple[Any, Any]:
    """Return a smaller network, and its last plan."""
    import tfprune

    def budget(share: float) -> Any:
        return tfprune.Budget(**{bound: share})

    def factorise(model: Any, limit: Any, form: Any = None, **options: Any) -> Any:
        return tfprune.plan_factorization(model, limit, form=form, samples=samples, **options)

    def filters(model: Any, limit: Any) -> Any:
        return tfprune.plan_filters(model, limit, data=task.x_train, samples=samples)

    name, _, how = method.partition(", ")
    form = [name, "svd"] if name in FORMS else None
    if how == "weights only":
        plan = factorise(task.model, budget(part), form)
        return plan.apply(), plan
    if how == "not refitted":
        plan = factorise(task.model, budget(part), form, data=task.x_train)
        return plan.apply(), plan
    two: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
        "filters, then mixed": (filters, lambda model, limit: factorise(model, limit, data=task.x_train)),
        "mixed, then filters": (lambda model, limit: factorise(model, limit, data=task.x_train), filters),
    }
    if method in two:
        first, second = two[method]
        share = part**0.8 if method == "mixed, then filters" else BEFORE
        step = first(task.model, budget(share))
        middle = step.repair().model
        whole = step.before
        limit = {"macs": int(part * whole.macs)} if bound == "macs" else {"latency": f"{part * whole.latency} ms"}
        plan = second(middle, tfprune.Budget(**limit))
        return plan.repair().model, plan
    plan = filters(task.model, budget(part)) if name == "filters" else factorise(
        task.model, budget(part), form, data=task.x_train
    )  # fmt: skip
    return plan.repair().model, plan


def measure(task: Task, method: str, bound: str, part: float, samples: int, epochs: int) -> dict[str, Any]:
    """Return the accuracy and latency of one network made smaller in one way."""
    import tfprune
    from tfprune.latency import measured_latency

    begin = time.perf_counter()
    try:
        made, plan = make(task, method, bound, part, samples)
    except tfprune.InputError as error:
        return {"reason": str(error)}
    seconds = time.perf_counter() - begin
    whole, small = measured_latency([task.model, made])
    costs = [tfprune.cost.CostModel(tfprune.graph.trace(one)).whole for one in (task.model, made)]
    predicted = None if plan.after.latency is None else plan.after.latency / plan.before.latency
    return {
        "accuracy": task.accuracy(made),
        "macs": costs[1].macs / costs[0].macs,
        "parameters": costs[1].parameters / costs[0].parameters,
        "latency": small / whole,
        "predicted": predicted if "then" not in method else None,
        "milliseconds": [whole, small],
        "seconds": seconds,
        "tuned": task.tune(made, epochs) if epochs else None,
    }


def table(results: list[dict[str, Any]], dense: dict[str, float]) -> str:
    """Return accuracies, multiply-accumulates and latencies as Markdown, by network and kind of budget."""
    parts = []
    for network, whole in dense.items():
        for bound in ("macs", "latency"):
            rows = []
            for method in METHODS:
                cells: list[str] = [method]
                for part in PARTS:
                    key = (network, bound, method, part)
                    found = [r for r in results if (r["network"], r["bound"], r["method"], r["part"]) == key]
                    cells += cells_of(found[0]) if found else ["", "", ""]
                if any(cells[1:]):
                    rows.append(cells)
            if rows:
                headers = [f"{bound} ×"]
                for part in PARTS:
                    headers += [f"{part}: top-1", "MACs", "ms"]
                parts.append(
                    f"{network}, {whole:.2f} % whole, cut to parts of its {bound}:\n\n{markdown(headers, rows)}"
                )
    return "\n\n".join(parts)


def cells_of(result: dict[str, Any]) -> list[str]:
    """Return a result's cells: accuracy, with that after fine-tuning, and parts of the whole that are left."""
    if "reason" in result:
        return ["can't be met", "", ""]
    tuned = f" ({result['tuned']:.2f})" if result.get("tuned") is not None else ""
    return [f"{result['accuracy']:.2f}{tuned}", f"{result['macs']:.3f}", f"{result['latency']:.3f}"]


def errors(results: list[dict[str, Any]]) -> str:
    """Return how far predicted latencies were from measured ones."""
    import numpy as np

    off = [abs(r["predicted"] / r["latency"] - 1) for r in results if r.get("predicted") is not None]
    if not off:
        return ""
    told = f"median error {np.median(off):.1%}, largest {max(off):.1%}"
    return f"Predicted against measured latency, {len(off)} networks: {told}."


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, help="where the ResNets and their images are")
    parser.add_argument("--samples", type=int, default=1024, help="images without labels that are looked at")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--bounds", nargs="+", default=["macs", "latency"], choices=["macs", "latency"])
    parser.add_argument("--parts", nargs="+", type=float, default=list(PARTS), choices=PARTS)
    parser.add_argument("--epochs", type=int, default=0, help="epochs of fine-tuning afterwards")
    arguments = parser.parse_args()
    run(arguments, destination(arguments, "factorization"))


def run(arguments: argparse.Namespace, path: Path) -> None:
    """Measure what is not in the file yet, and write it."""
    import json

    content: dict[str, Any] = {"environment": environment(), "samples": arguments.samples, "dense": {}, "results": []}
    if path.exists() and not arguments.quick:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["samples"] != arguments.samples:
            raise SystemExit(f"{path} was measured with {content['samples']} samples; give another --out.")
    networks = ["fashion_cnn"] if arguments.quick else arguments.networks
    for network in networks:
        task = Task(network, arguments.data_dir)
        task.enter(content)
        content["tested"] = len(task.y_test)
        for part in (0.5,) if arguments.quick else arguments.parts:
            for bound in arguments.bounds:
                for method in ("mixed", "filters") if arguments.quick else arguments.methods:
                    key = {"network": network, "bound": bound, "method": method, "part": part}
                    found = next((r for r in content["results"] if all(r[k] == v for k, v in key.items())), None)
                    if found is not None and ("reason" in found or not arguments.epochs or found["tuned"] is not None):
                        continue
                    samples = 256 if arguments.quick else arguments.samples
                    result = key | measure(task, method, bound, part, samples, arguments.epochs)
                    content["results"] = [r for r in content["results"] if r is not found] + [result]
                    write_json(path, content)
                    print({k: v for k, v in result.items() if k != "network"}, flush=True)
    results = content["results"]
    text = "\n\n".join(filter(None, [table(results, content["dense"]), errors(results)]))
    report(path, content, f"{text}\n\nIn brackets: after fine-tuning. Tested on {content['tested']:,} images.")


if __name__ == "__main__":
    main()
