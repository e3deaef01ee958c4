"""Accuracy of networks that are fine-tuned by different teachers, cut by gates or criteria, and pruned by programmes.

Three questions, each with equal epochs and several seeds: what a cut network gains from cross-entropy, KD, DIST, or
DIST with features; whether gates find better channels than criteria at the same budget; and whether a change of
strategy while pruning helps. Each result is written at once; the same command continues where it was stopped.

    python benchmarks/programmable_training.py --data-dir <folder with resnet20_cifar10.keras and its images>
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from common import destination, make_parser, markdown, report, resumed, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from factorization import Task
from resnet_cifar10 import spread

NETWORKS = ("fashion_cnn", "resnet20_cifar10")
PARTS = (0.5, 0.3)
SEEDS = (0, 1, 2)
EPOCHS = {"fashion_cnn": 8, "resnet20_cifar10": 5}
RATES = {"fashion_cnn": 5e-4, "resnet20_cifar10": 2e-4}
"""Of Adam, falling to zero along half a wave."""
TEACHERS: dict[str, Any] = {
    "refitted, not fine-tuned": None,
    "cross-entropy": [],
    "KD": ["kd"],
    "DIST": ["dist"],
    "DIST and features": ["dist", "hint"],
    "KD, no labels": ["kd"],
    "DIST, no labels": ["dist"],
}
CUTS = (
    "gates, hard concrete", "gates, straight-through", "gates, Gumbel", "magnitude while training",
    "Taylor while training", "gates, hard concrete, refitted", "OBS and refit, then fine-tuned",
)  # fmt: skip
PROGRAMMES = {
    "magnitude": [("magnitude", "layer", 0.9)],
    "magnitude, global": [("magnitude", "global", 0.9)],
    "magnitude to 60 %, then Taylor": [("magnitude", "layer", 0.6), ("taylor", "layer", 0.9)],
    "layer to 60 %, then global": [("magnitude", "layer", 0.6), ("magnitude", "global", 0.9)],
}


def compile_for(task: Task, model: Any, seed: int, epochs: int, losses: Any = None, labels: bool = True) -> Any:
    """Return what is trained: a compiled model, or a distiller with it."""
    import keras

    import tfprune

    keras.utils.set_random_seed(seed)
    trained = model if not losses else tfprune.Distiller(model, task.model, losses, kinds=kind_of(task))
    steps = epochs * -(-len(task.x_train) // 64)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=task.name != "fashion_cnn")
    rate = keras.optimizers.schedules.CosineDecay(RATES[task.name], steps)
    trained.compile(keras.optimizers.Adam(rate), loss if labels else None)
    return trained


def kind_of(task: Task) -> str:
    """Return what the network answers."""
    return "softmax" if task.name == "fashion_cnn" else "logits"


def fit(task: Task, trained: Any, epochs: int, seed: int, labels: bool = True, callbacks: Any = ()) -> None:
    """Train on shifted and mirrored images."""
    import tensorflow as tf

    size, channels = task.x_train.shape[1:3], task.x_train.shape[3]

    def vary(x: Any, y: Any) -> Any:
        x = tf.image.random_flip_left_right(tf.pad(tf.cast(x, tf.float32), [(2, 2), (2, 2), (0, 0)]))
        x = tf.image.random_crop(x, (*size, channels))
        return (x, y) if labels else x

    data = tf.data.Dataset.from_tensor_slices((task.x_train, task.y_train)).shuffle(len(task.x_train), seed=seed)
    trained.fit(data.map(vary).batch(64), epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks))


def cut(task: Task, part: float, seed: int) -> Any:
    """Return a network with fewer filters, chosen and refitted on images without labels."""
    import tfprune

    plan = tfprune.plan_filters(task.model, tfprune.Budget(macs=part), data=task.x_train, samples=1024, seed=seed)
    return plan.repair().model


def copied(task: Task) -> Any:
    """Return a copy of the whole network."""
    from tfprune.distillation.teacher import snapshot

    return snapshot(task.model)


def taught(task: Task, method: str, part: float, seed: int, epochs: int) -> float:
    """Return the accuracy of a cut network after it has been taught."""
    losses, labels = TEACHERS[method], "no labels" not in method
    model = cut(task, part, seed)
    if losses is not None:
        fit(task, compile_for(task, model, seed, epochs, losses, labels), epochs, seed, labels)
    return float(task.accuracy(model))


def learned(task: Task, method: str, part: float, seed: int, epochs: int) -> float:
    """Return the accuracy of a network that was cut while it was trained."""
    import tfprune
    from tfprune.cost import CostModel
    from tfprune.graph import trace

    if method.startswith("OBS"):
        model = cut(task, part, seed)
        fit(task, compile_for(task, model, seed, epochs), epochs, seed)
        return float(task.accuracy(model))
    budget = tfprune.Budget(macs=part)
    model = copied(task)
    way = method.removesuffix(", refitted")
    refit = task.x_train[:1024] if method != way else None
    if way.startswith("gates"):
        gate = {"concrete": "hard_concrete", "through": "sigmoid", "Gumbel": "gumbel"}[
            way.replace("-", " ").split()[-1]
        ]
        callback: Any = tfprune.GateCallback(budget, gate=gate, refit=refit, seed=seed, verbose=0)
    else:
        criterion = way.split()[0].lower()
        data = (task.x_train, task.y_train) if criterion == "taylor" else None
        callback = tfprune.PruneCallback(
            budget,
            granularity="filter",
            criterion=criterion,
            data=data,
            frequency=50,
            refit=refit,
            seed=seed,
            verbose=0,
        )
    fit(task, compile_for(task, model, seed, epochs), epochs, seed, callbacks=[callback])
    small = tfprune.shrink(model)
    left = CostModel(trace(small)).whole.macs / CostModel(trace(task.model)).whole.macs
    if left > part:
        raise AssertionError(f"{method} left {left:.3f} of the multiply-accumulates, not {part}")
    return float(task.accuracy(small))


def programmed(task: Task, method: str, seed: int, epochs: int) -> float:
    """Return the accuracy at 90 % sparsity, pruned by a programme."""
    from tfprune.recipe import Recipe

    stages = PROGRAMMES[method]
    each = epochs // (len(stages) + 1)
    recipe = Recipe(
        [
            {
                "method": "prune",
                "criterion": criterion,
                "scope": scope,
                "amount": amount,
                "epochs": each,
                "refit": False,
            }
            for criterion, scope, amount in stages
        ]
        + [{"method": "fine_tune", "epochs": epochs - each * len(stages)}]
    )
    model = copied(task)
    trained = compile_for(task, model, seed, epochs)
    fit(task, trained, epochs, seed, callbacks=recipe.callbacks((task.x_train, task.y_train)))
    return float(task.accuracy(model))


def keys(networks: list[str]) -> list[dict[str, Any]]:
    """Return everything that is to be measured."""
    found = []
    for network in networks:
        for seed in SEEDS:
            for part in PARTS:
                found += [
                    {"network": network, "kind": kind, "method": method, "part": part, "seed": seed}
                    for kind, methods in (("teacher", TEACHERS), ("cut", CUTS))
                    for method in methods
                ]
            found += [
                {"network": network, "kind": "programme", "method": method, "part": 1.0, "seed": seed}
                for method in PROGRAMMES
            ]
    return found


def measure(task: Task, key: dict[str, Any], epochs: int) -> dict[str, Any]:
    """Return one accuracy, and what it took."""
    begin = time.perf_counter()
    if key["kind"] == "teacher":
        accuracy = taught(task, key["method"], key["part"], key["seed"], epochs)
    elif key["kind"] == "cut":
        accuracy = learned(task, key["method"], key["part"], key["seed"], epochs)
    else:
        accuracy = programmed(task, key["method"], key["seed"], epochs)
    return {**key, "accuracy": accuracy, "epochs": epochs, "seconds": time.perf_counter() - begin}


def table(content: dict[str, Any]) -> str:
    """Return the accuracies as Markdown."""
    texts = []
    for network, whole in content["dense"].items():
        own = [r for r in content["results"] if r["network"] == network]
        if not own:
            continue
        epochs = own[0]["epochs"]
        for kind, title, methods in (
            ("teacher", f"cut by OBS and refitted, then trained for {epochs} epochs by", TEACHERS),
            ("cut", f"cut in {epochs} epochs by", CUTS),
        ):
            rows = [
                [method, *(spread([r["accuracy"] for r in own if matches(r, kind, method, part)]) for part in PARTS)]
                for method in methods
            ]
            headers = [title, *(f"{part:.0%} of the MACs" for part in PARTS)]
            texts.append(f"{network}, {whole:.2f} % whole:\n\n{markdown(headers, rows)}")
        rows = [
            [method, spread([r["accuracy"] for r in own if matches(r, "programme", method, 1.0)])]
            for method in PROGRAMMES
        ]
        texts.append(markdown([f"90 % of the weights in {epochs} epochs by", "top-1"], rows))
    return "\n\n".join(texts)


def matches(result: dict[str, Any], kind: str, method: str, part: float) -> bool:
    """Whether a result is that of a cell."""
    return (result["kind"], result["method"], result["part"]) == (kind, method, part)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, help="where ResNet-20 and its images are")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    arguments = parser.parse_args()
    path = destination(arguments, "programmable_training")
    content = resumed(path, arguments.quick)
    networks = ["fashion_cnn"] if arguments.quick else arguments.networks
    for network in networks:
        task = Task(network, arguments.data_dir)
        content["dense"][network] = task.accuracy(task.model)
        content["tested"] = len(task.y_test)
        for key in keys([network]):
            if arguments.quick and (
                key["seed"] or key["part"] == 0.3 or key["method"] not in ("DIST", CUTS[0], "magnitude")
            ):
                continue
            if any(all(r[name] == value for name, value in key.items()) for r in content["results"]):
                continue
            content["results"].append(measure(task, key, 2 if arguments.quick else EPOCHS[network]))
            write_json(path, content)
            print(
                {name: content["results"][-1][name] for name in ("kind", "method", "part", "seed", "accuracy")},
                flush=True,
            )
    report(path, content, f"{table(content)}\n\nMean and standard deviation of {len(SEEDS)} seeds, top-1 in per cent.")


if __name__ == "__main__":
    main()
