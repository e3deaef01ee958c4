"""Do criteria know what matters? Rank correlation of scores with the rise of the loss when a filter is really removed.

Every channel of every group of a trained network is set to zero alone, and the loss measured; then each criterion
scores the channels. Spearman's correlation, within each group (the mean over groups) and over all groups together. The
loss is that of training images, as criteria estimate it: on test images a network that is too sure of itself gains by
losing channels. Those on which it is measured are not those that criteria look at. Networks:
`tfprune.models.small_cnn`, trained here on the images of Fashion-MNIST that come along, and with `--data-dir` the
public ResNet-20 for CIFAR-10.

    python benchmarks/criteria.py --data-dir <folder with resnet20_cifar10.keras and cifar10_lossless_subset.npz>
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NOT_TRIED = {"oracle", "movement", "ensemble", "gathered", "geometric_median", "l1", "slimming"}
"""The yardstick, what needs a training, what is made of others, and second names."""

SEEDS = {"random": (0, 1, 2)}


def fashion_mnist(epochs: int) -> tuple[Any, Any, Any]:
    """Return a trained network, and images with labels for training and for testing."""
    import keras

    from tfprune.datasets import fashion_mnist_small
    from tfprune.models import small_cnn

    keras.utils.set_random_seed(0)
    data = fashion_mnist_small()
    model = small_cnn()
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(data.x_train) // 64))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data.x_train, data.y_train, epochs=epochs, batch_size=64, verbose=0)
    return model, (data.x_train, data.y_train), (data.x_test, data.y_test)


def resnet20(folder: Path) -> tuple[Any, Any, Any]:
    """Return the public ResNet-20, and images with labels for training and for testing."""
    import keras

    with np.load(folder / "cifar10_lossless_subset.npz") as arrays:
        train = arrays["x_train"].astype("float32"), arrays["y_train"].reshape(-1).astype("int32")
        test = arrays["x_test"].astype("float32"), arrays["y_test"].reshape(-1).astype("int32")
    model = keras.models.load_model(folder / "resnet20_cifar10.keras")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model, train, test


def ranks(values: Any) -> Any:
    """Return the places of values in rising order, the mean place of equal ones."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(left: Any, right: Any) -> float:
    """Return the rank correlation of two arrays; 0 if one is constant.

    Example:
        >>> round(spearman(np.array([1, 2, 3]), np.array([10, 30, 20])), 3)
        0.5
    """
    a, b = ranks(np.asarray(left)), ranks(np.asarray(right))
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def correlations(scores: list[Any], truth: list[Any]) -> dict[str, float]:
    """Return the mean correlation within groups, the worst, and that over all groups."""
    within = [spearman(own, true) for own, true in zip(scores, truth, strict=True) if len(own) > 2]
    return {
        "within": float(np.mean(within)),
        "worst": float(np.min(within)),
        "overall": spearman(np.concatenate(scores), np.concatenate(truth)),
    }


def has_scale(group: Any) -> bool:
    """Whether the channels of a group go through a batch normalisation."""
    return any(entry.variable.name == "gamma" for entry in group.slices)


def measure(network: str, made: tuple[Any, Any, Any], samples: int, tested: int, path: Path, content: Any) -> None:
    """Add the correlations of all criteria for one network to a result."""
    from tfprune import criteria
    from tfprune.pruning.channels.importance import channel_scores
    from tfprune.statistics import Study

    model, train, test = made
    accuracy = model.evaluate(*test, verbose=0, batch_size=256)[1] * 100
    seen, others = ((train[0][half::2], train[1][half::2]) for half in (0, 1))
    result = content["networks"].setdefault(network, {"accuracy": accuracy, "criteria": {}})
    yardstick = Study(model, others, samples=tested, batch=256)
    groups = [group for group in yardstick.graph.prunable if group.inexact is None]
    if "truth" not in result:
        begin = time.perf_counter()
        truth = yardstick.of_channels("loss_increase", groups)
        result["truth"] = [own[:, 0].tolist() for own in truth]
        result["oracle_seconds"] = time.perf_counter() - begin
        result["channels"] = sum(group.size for group in groups)
        write_json(path, content)
    truth = [np.array(own) for own in result["truth"]]
    for name in criteria.criteria.names:
        if name in NOT_TRIED or name in result["criteria"]:
            continue
        criterion = criteria.get(name)
        runs = []
        begin = time.perf_counter()
        for seed in SEEDS.get(name, (0,)):
            study = Study(model, seen, samples=samples, batch=64, seed=seed)
            study.graph = yardstick.graph
            study.check(criterion, channels=True)
            fits = [n for n, group in enumerate(groups) if name != "bn_scale" or has_scale(group)]
            scores = channel_scores([groups[n] for n in fits], criterion, seed, study)
            runs.append(correlations(scores, [truth[n] for n in fits]))
        entry: dict[str, Any] = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        entry["seconds"] = (time.perf_counter() - begin) / len(runs)
        entry["asks"] = list(criterion.asks(channels=True))
        result["criteria"][name] = entry
        print(network, name, result["criteria"][name], flush=True)
        write_json(path, content)


def table(network: str, result: dict[str, Any]) -> str:
    """Return the correlations of a network as Markdown, the best first."""
    rows = [
        [
            name, f"{entry['within']:.2f}", f"{entry['worst']:.2f}", f"{entry['overall']:.2f}",
            f"{entry['seconds']:.1f}", ", ".join(entry["asks"]),
        ]
        for name, entry in sorted(result["criteria"].items(), key=lambda item: -item[1]["within"])
    ]  # fmt: skip
    headers = ["criterion", "within groups", "worst group", "over all", "seconds", "looks at"]
    title = (
        f"{network}, {result['accuracy']:.2f} % whole, {result['channels']} channels; removing each alone took "
        f"{result['oracle_seconds']:.0f} s:"
    )
    return f"{title}\n\n{markdown(headers, rows)}"


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, help="where the public ResNet-20 and its images are")
    parser.add_argument("--samples", type=int, default=512, help="images that criteria look at")
    parser.add_argument("--tested", type=int, default=1000, help="images on which removal is measured")
    arguments = parser.parse_args()
    import json

    path = destination(arguments, "criteria")
    content: dict[str, Any] = {"environment": environment(), "samples": arguments.samples, "networks": {}}
    if path.exists() and not arguments.quick:
        content = json.loads(path.read_text(encoding="utf-8"))
    samples, tested = (64, 100) if arguments.quick else (arguments.samples, arguments.tested)
    measure("small_cnn on Fashion-MNIST", fashion_mnist(1 if arguments.quick else 10), samples, tested, path, content)
    if arguments.data_dir is not None and not arguments.quick:
        measure("ResNet-20 on CIFAR-10", resnet20(arguments.data_dir), samples, tested, path, content)
    text = "\n\n".join(table(network, result) for network, result in content["networks"].items())
    text += f"\n\nCriteria saw {content['samples']} training images; the loss is that of {tested} others."
    report(path, content, text)


if __name__ == "__main__":
    main()
