"""What choosing channels and refitting costs: seconds and memory, from 512 images to the smaller network.

MobileNetV2 at 224 × 224 with random weights, and, with `--data-dir`, a public ResNet-56 for CIFAR-10; half of the
multiply-accumulates go. Each network runs in a process of its own. Memory is the largest resident size of the process,
that of TensorFlow and of the images included.

    python benchmarks/refit_cost.py --data-dir <folder with resnet56_cifar10.keras>
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from applications_oracle import images, peak_memory
from common import FOLDER, destination, environment, make_parser, markdown, report, run_python

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def measure(name: str, folder: Path | None, samples: int) -> dict[str, Any]:
    """Return what it costs to halve one network; runs in a process of its own."""
    import keras

    import tfprune

    sys.path.insert(0, str(FOLDER.parent / "tests" / "graph"))
    if folder is not None:
        model = keras.models.load_model(folder / f"{name}.keras")
    else:
        model = getattr(keras.applications, name)(weights=None)
    data = images(model, batch=samples)
    before, begin = peak_memory(), time.perf_counter()
    plan = tfprune.plan_filters(model, tfprune.Budget(macs=0.5), data=data)
    planned = time.perf_counter()
    result = plan.repair()
    return {
        "name": name,
        "samples": samples,
        "shape": list(data.shape[1:]),
        "ratio": plan.before.macs / plan.after.macs,
        "layers": len(result.layers),
        "plan_seconds": planned - begin,
        "refit_seconds": time.perf_counter() - planned,
        "memory_before": before,
        "memory": peak_memory(),
    }


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, help="where resnet56_cifar10.keras is")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.data_dir, arguments.samples)))
        return
    content: dict[str, Any] = {"environment": environment(), "results": []}
    samples = 32 if arguments.quick else arguments.samples
    jobs: list[tuple[str, Path | None]] = [("MobileNetV2", None)]
    if arguments.data_dir is not None:
        jobs.append(("resnet56_cifar10", arguments.data_dir.resolve()))
    for name, folder in jobs:
        options = ["--one", name, "--samples", str(samples), *(["--data-dir", str(folder)] if folder else [])]
        content["results"].append(json.loads(run_python([str(FOLDER / "refit_cost.py"), *options]).splitlines()[-1]))
        print(content["results"][-1], flush=True)
    headers = ["network", "images", "layers refitted", "fewer multiply-accumulates", "choose, s", "cut and refit, s",
               "together, s", "memory before, MB", "at most, MB"]  # fmt: skip
    rows = [
        [
            r["name"], f"{r['samples']} of {' × '.join(map(str, r['shape']))}", r["layers"], f"{r['ratio']:.2f}×",
            f"{r['plan_seconds']:.1f}", f"{r['refit_seconds']:.1f}", f"{r['plan_seconds'] + r['refit_seconds']:.1f}",
            f"{r['memory_before']:.0f}", f"{r['memory']:.0f}",
        ]
        for r in content["results"]
    ]  # fmt: skip
    report(destination(arguments, "refit_cost"), content, markdown(headers, rows))


if __name__ == "__main__":
    main()
