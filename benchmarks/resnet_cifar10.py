"""Accuracy of public CIFAR-10 ResNets with fewer multiply-accumulates: factors, channels, with and without refit.

Each network is cut to 1 ÷ 1.5, 2.1, 2.57 and 4 of its multiply-accumulates. What chooses channels and what refits sees
images without labels; test images are others. `--epochs` adds fine-tuning with labels, on the same few training images;
with `--teach` the whole network teaches instead, on these images without labels; `--rate` gives another learning rate.
The original is trained likewise, as a control: so few images may cost accuracy by themselves.
Each result is written at once; the same command continues where it was stopped.

    python benchmarks/resnet_cifar10.py --data-dir <folder with resnet56_cifar10.keras and cifar10_lossless_subset.npz>
"""

from __future__ import annotations

import os
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NETWORKS = ("resnet56_cifar10", "resnet20_cifar10")
RATIOS = (1.5, 2.1, 2.57, 4.0)
EPOCHS = (1, 3, 10)
RATE = 0.01
TRAININGS = {"tuned": "fine-tuned with labels on", "taught": "taught by the whole network, without labels, on"}
FACTORS = "layers factorised, mixed forms"
METHODS: dict[str, dict[str, Any]] = {
    FACTORS: {},
    "obs, greedy": {"criterion": "obs", "scope": "greedy"},
    "obs, same part of each group": {"criterion": "obs", "scope": "layer"},
    "L1, same part of each group": {"criterion": "magnitude", "scope": "layer"},
    "L1, isomorphic groups": {"criterion": "magnitude", "scope": "isomorphic"},
    "L2, global": {"criterion": "l2", "scope": "global"},
    "L1, greedy by measured error": {"criterion": "magnitude", "scope": "greedy"},
    "L1, ERK": {"criterion": "magnitude", "scope": "erk"},
    "LAMP, global": {"criterion": "lamp", "scope": "global"},
    "FPGM, same part of each group": {"criterion": "fpgm", "scope": "layer"},
    "BN scale, same part of each group": {"criterion": "bn_scale", "scope": "layer"},
    "Jacobian, isomorphic groups": {"criterion": "jacobian", "scope": "isomorphic"},
    "Jacobian, greedy by measured error": {"criterion": "jacobian", "scope": "greedy"},
    "Taylor, isomorphic groups (labels)": {"criterion": "taylor", "scope": "isomorphic"},
    "Taylor of activations, global (labels)": {"criterion": "taylor_activation", "scope": "global"},
    "Fisher, isomorphic groups (labels)": {"criterion": "fisher", "scope": "isomorphic"},
    "random, same part of each group": {"criterion": "random", "scope": "layer"},
}
SEEDS = {"random, same part of each group": (0, 1, 2)}


class Images:
    """True-pixel CIFAR-10 images: some to look at, with labels only for fine-tuning, and others to test on."""

    def __init__(self, folder: Path) -> None:
        import numpy as np

        with np.load(folder / "cifar10_lossless_subset.npz") as arrays:
            self.x_train = arrays["x_train"].astype("float32")
            self.y_train = arrays["y_train"].reshape(-1).astype("int32")
            self.x_test = arrays["x_test"].astype("float32")
            self.y_test = arrays["y_test"].reshape(-1).astype("int32")

    def accuracy(self, model: Any) -> float:
        """Return the percentage of test images whose top class is right."""
        scores = model.predict(self.x_test, batch_size=256, verbose=0)
        return float((scores.argmax(axis=1) == self.y_test).mean() * 100)


def measure(model: Any, images: Images, ratio: float, method: str, seed: int, samples: int) -> dict[str, Any]:
    """Return the accuracy of one network cut in one way, before and after the refit, and what it took."""
    import tfprune

    options = METHODS[method]
    data = (images.x_train, images.y_train) if "labels" in method else images.x_train
    begin = time.perf_counter()
    # all methods are given the images; those that look at weights only use them for the refit, few of them the labels
    choose = tfprune.plan_factorization if method == FACTORS else tfprune.plan_filters
    plan = choose(model, tfprune.Budget(macs=1 / ratio), data=data, samples=samples, seed=seed, **options)
    planned = time.perf_counter() - begin
    cut = plan.apply()
    begin = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = plan.repair()
    return {
        "ratio": plan.before.macs / plan.after.macs,
        "parameters": plan.after.parameters,
        "cut": images.accuracy(cut),
        "refitted": images.accuracy(result.model),
        "plan_seconds": planned,
        "refit_seconds": time.perf_counter() - begin,
        "error": result.after.error,
        "agreement": result.after.agreement,
        "warned": [str(warning.message) for warning in caught],
        "model": result.model,
    }


def training_of(taught: bool, rate: float) -> str:
    """Return under which name the accuracies after each epoch of a training stand in a result."""
    return ("taught" if taught else "tuned") + ("" if rate == RATE else f" at {rate:g}")


def trainings_in(results: list[dict[str, Any]]) -> dict[str, str]:
    """Return the names of trainings that results have, and what they are in words."""
    found = {key for result in results for key in result if key.startswith(tuple(TRAININGS))}
    names = sorted(found, key=lambda name: (list(TRAININGS).index(name.split(" at ")[0]), name))
    told = {}
    for name in names:
        kind, _, rate = name.partition(" at ")
        told[name] = f"{TRAININGS[kind]} 4,000 images, at a learning rate of {rate or RATE}"
    return told


def fine_tune(model: Any, images: Images, epochs: int, seed: int, rate: float, teacher: Any = None) -> list[float]:
    """Return the test accuracy after each epoch of training: shifted and mirrored images, cosine decay.

    With a teacher no label is seen: the network learns what it answers (KD).
    """
    import keras
    import tensorflow as tf

    import tfprune

    keras.utils.set_random_seed(seed)
    steps = epochs * -(-len(images.x_train) // 128)

    def vary(x: Any, y: Any) -> Any:
        x = tf.image.random_flip_left_right(tf.pad(x, [(4, 4), (4, 4), (0, 0)]))
        return tf.image.random_crop(x, (32, 32, 3)), y

    data = tf.data.Dataset.from_tensor_slices((images.x_train, images.y_train))
    data = data.shuffle(len(images.x_train), seed=seed).map(vary).batch(128)
    data, trained = (data, model) if teacher is None else (
        data.map(lambda x, _: x), tfprune.Distiller(model, teacher, "kd")
    )  # fmt: skip
    trained.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(rate, steps), momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True) if teacher is None else None,
    )
    found = []
    for _ in range(epochs):
        trained.fit(data, verbose=0)
        found.append(images.accuracy(model))
    return found


def table(results: list[dict[str, Any]], dense: dict[str, float]) -> str:
    """Return the accuracies as Markdown, a table for each network."""
    parts = []
    for network, whole in dense.items():
        rows = []
        for method in METHODS:
            cells: list[str] = [method]
            for ratio in RATIOS:
                found = [
                    r for r in results
                    if (r["network"], r["method"], r["wanted"]) == (network, method, ratio)
                ]  # fmt: skip
                cells += [spread([r[key] for r in found]) for key in ("cut", "refitted")]
            rows.append(cells)
        headers = ["factors, or channels chosen by"]
        for ratio in RATIOS:
            headers += [f"{ratio}×, cut only", f"{ratio}×, refitted"]
        parts.append(f"{network}, {whole:.2f} % whole:\n\n{markdown(headers, rows)}")
    return "\n\n".join(parts)


def spread(values: list[float]) -> str:
    """Return a mean, with the standard deviation of several values."""
    import numpy as np

    if not values:
        return ""
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


def tuned(content: dict[str, Any], key: str, how: str) -> str:
    """Return the accuracies after fine-tuning as Markdown, a table for each network, and those of the original."""
    results = content["results"]
    runs: dict[tuple[str, str, float], list[list[float]]] = defaultdict(list)
    for result in results:
        if result.get(key):
            runs[result["network"], result["method"], result["wanted"]].append(result[key])
    texts = []
    for network in NETWORKS:
        ratios = [ratio for ratio in RATIOS if any(one[::2] == (network, ratio) for one in runs)]
        rows = []
        for method in METHODS:
            own = {ratio: runs[network, method, ratio] for ratio in ratios if (network, method, ratio) in runs}
            if own:
                cells = [
                    spread([run[epoch - 1] for run in own.get(ratio, []) if len(run) >= epoch])
                    for ratio in ratios
                    for epoch in EPOCHS
                ]
                rows.append([method, *cells])
        if rows:
            headers = ["", *(f"{ratio}×, epoch {epoch}" for ratio in ratios for epoch in EPOCHS)]
            title = f"{network}, refitted, then {how}"
            texts.append(f"\n\n{title}:\n\n{markdown(headers, rows)}")
            control = content.get("original", {}).get(network, {}).get(key)
            if control is not None:
                after = ", ".join(f"{control[e - 1]:.2f} after {e}" for e in EPOCHS if len(control) >= e)
                whole = content["dense"][network]
                texts.append(f"\n\nThe original, trained likewise as a control: {whole:.2f} before, {after}.")
    return "".join(texts)


def certainty(content: dict[str, Any]) -> str:
    """Return how far accuracies may be off because there are only so many test images."""
    right = max(content["dense"].values()) / 100
    half = 196 * (right * (1 - right) / content["tested"]) ** 0.5
    return f"Tested on {content['tested']:,} images: ± {half:.1f} points at {right:.1%} (95 %)."


def times(results: list[dict[str, Any]]) -> str:
    """Return what the defaults take: the plan and the refit."""
    rows = [
        f"{r['network']}, {r['method']}, {r['wanted']}×: {r['plan_seconds']:.0f} + {r['refit_seconds']:.0f} s"
        for r in results
        if r["method"] in ("obs, greedy", FACTORS)
    ]
    return "; ".join(rows) + "."


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="where the networks and images are")
    parser.add_argument("--samples", type=int, default=2048, help="images without labels that are looked at")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--ratios", nargs="+", type=float, default=list(RATIOS), choices=RATIOS)
    parser.add_argument("--epochs", type=int, default=0, help="epochs of fine-tuning after the refit")
    parser.add_argument("--teach", action="store_true", help="without labels, by the whole network as the teacher")
    parser.add_argument("--rate", type=float, default=RATE, help="the learning rate that it begins with")
    arguments = parser.parse_args()
    import json

    import keras

    path, training = destination(arguments, "resnet_cifar10"), training_of(arguments.teach, arguments.rate)
    content: dict[str, Any] = {"environment": environment(), "samples": arguments.samples, "dense": {}, "results": []}
    if path.exists() and not arguments.quick:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["samples"] != arguments.samples:
            raise SystemExit(f"{path} was measured with {content['samples']} samples; give another --out.")
    images = Images(arguments.data_dir)
    networks = ["resnet20_cifar10"] if arguments.quick else arguments.networks
    for network in networks:
        model = keras.models.load_model(arguments.data_dir / f"{network}.keras")
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        content["dense"][network] = images.accuracy(model)
        content["tested"] = len(images.y_test)
        originals = content.setdefault("original", {}).setdefault(network, {})
        if len(originals.get(training, [])) < arguments.epochs:
            copy = keras.models.load_model(arguments.data_dir / f"{network}.keras")
            teacher = model if arguments.teach else None
            originals[training] = fine_tune(copy, images, arguments.epochs, 0, arguments.rate, teacher)
            write_json(path, content)
            print({"network": network, "method": "original", training: originals[training]}, flush=True)
        for method in ["obs, greedy"] if arguments.quick else arguments.methods:
            for ratio in (2.1,) if arguments.quick else arguments.ratios:
                for seed in SEEDS.get(method, (0,)):
                    key = {"network": network, "method": method, "wanted": ratio, "seed": seed}
                    found = next((r for r in content["results"] if all(r[k] == v for k, v in key.items())), None)
                    if found is not None and len(found.get(training, [])) >= arguments.epochs:
                        continue
                    samples = 256 if arguments.quick else arguments.samples
                    measured = measure(model, images, ratio, method, seed, samples)
                    made, teacher = measured.pop("model"), model if arguments.teach else None
                    result = key | {"tuned": []} | measured | (found or {})  # the same network, up to rounding
                    if arguments.epochs:
                        result[training] = fine_tune(made, images, arguments.epochs, seed, arguments.rate, teacher)
                    content["results"] = [r for r in content["results"] if r is not found] + [result]
                    write_json(path, content)
                    print(
                        {**key, **{k: result[k] for k in ("ratio", "cut", "refitted")}, training: result.get(training)},
                        flush=True,
                    )
    results = content["results"]
    trained = (tuned(content, name, how) for name, how in trainings_in(results).items())
    parts = [table(results, content["dense"]) + "".join(trained), certainty(content)]
    text = "\n\n".join([*parts, f"Time, {content['samples']} images: {times(results)}"])
    report(path, content, text)


if __name__ == "__main__":
    main()
