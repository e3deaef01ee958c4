"""Accuracy of networks at half of the multiply-accumulates by how many images without labels were looked at.

The images are drawn anew for each seed, from the training images, and looked at as they are, or as they are and
mirrored; the accuracy is that on the test images, without any training. Each result is written at once; the same
command continues where it was stopped.

    python benchmarks/image_count.py --data-dir <folder with resnet20_cifar10.keras and cifar10_lossless_subset.npz>
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

NETWORKS = ("resnet20_cifar10", "fashion_cnn")
FACTORS, FILTERS, MIRRORED = "layers factorised", "filters removed", ", images and their mirrored copies"
METHODS = (FACTORS, FILTERS, FACTORS + MIRRORED, FILTERS + MIRRORED)
COUNTS = (16, 32, 64, 128, 256, 512, 1024, 2048)
SEEDS = (0, 1, 2)


def measure(task: Task, method: str, count: int, seed: int) -> dict[str, Any]:
    """Return the accuracy of a network that was made smaller by looking at so many images."""
    import numpy as np

    import tfprune

    images = task.x_train[np.random.default_rng(seed).permutation(len(task.x_train))[:count]]
    if method.endswith(MIRRORED):
        images = np.concatenate([images, images[:, :, ::-1]])
    begin = time.perf_counter()
    budget = tfprune.Budget(macs=0.5)
    if method.startswith(FACTORS):
        small = tfprune.factorize(task.model, budget, data=images, samples=len(images))
    else:
        small = tfprune.prune_filters(task.model, budget, data=images, samples=len(images), seed=seed, verbose=0)
    return {"accuracy": task.accuracy(small), "seconds": time.perf_counter() - begin}


def table(content: dict[str, Any]) -> str:
    """Return the accuracies as Markdown."""
    results = content["results"]
    rows = [
        [
            f"{network}, {method}",
            *(
                spread(
                    [
                        row["accuracy"]
                        for row in results
                        if (row["network"], row["method"], row["count"]) == (network, method, count)
                    ]
                )
                for count in COUNTS
            ),
        ]
        for network in content["dense"]
        for method in METHODS
    ]
    return markdown(["half of the multiply-accumulates, by images", *map(str, COUNTS)], rows)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, help="where ResNet-20 and its images are")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    arguments = parser.parse_args()
    path = destination(arguments, "image_count")
    content = resumed(path, arguments.quick)
    for network in ["fashion_cnn"] if arguments.quick else arguments.networks:
        task = Task(network, arguments.data_dir)
        task.enter(content)
        for method in METHODS:
            for count in (32, 256) if arguments.quick else COUNTS:
                for seed in (0,) if arguments.quick else SEEDS:
                    key = {"network": network, "method": method, "count": count, "seed": seed}
                    if any(all(row[name] == value for name, value in key.items()) for row in content["results"]):
                        continue
                    content["results"].append({**key, **measure(task, method, count, seed)})
                    write_json(path, content)
                    print(content["results"][-1], flush=True)
    whole = ", ".join(f"{network} {accuracy:.2f} %" for network, accuracy in content["dense"].items())
    text = f"{table(content)}\n\nWhole: {whole}. Mean and standard deviation of {len(SEEDS)} drawings of images, top-1."
    report(path, content, text)


if __name__ == "__main__":
    main()
