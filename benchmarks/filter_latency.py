"""Latency at half the multiply-accumulates: stock networks before and after filters were removed, on the interpreter.

Each network (random weights; accuracy is no subject) is cut to half of its multiply-accumulates, once to any number
of channels and once to multiples of 8, and to half of its latency as the table of operations predicts it; converted to
float TFLite, and timed interleaved with the whole one, by the CPU time of its thread. The last column is how much of
the saving in multiply-accumulates arrives as time: 1.00 is all of it.

    python benchmarks/filter_latency.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NETWORKS = ("VGG16", "ResNet50", "MobileNetV2", "EfficientNetB0")
VARIANTS = (
    ("macs", 1, "half of the MACs"),
    ("macs", 8, "half of the MACs, multiples of 8"),
    ("latency", 8, "half of the latency, multiples of 8"),
)


def measure(name: str, folder: Path, size: int, fraction: float, seconds: float) -> list[dict[str, Any]]:
    """Return cost and latency of a network, whole and cut."""
    import keras

    import tfprune
    from tfprune.cost import CostModel
    from tfprune.graph import trace

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10)
    variants = {"whole": model}
    for bound, round_to, label in VARIANTS:
        budget = tfprune.Budget(**{bound: fraction})
        variants[label] = tfprune.prune_filters(model, budget, round_to=round_to, verbose=0)
    paths = [folder / f"{name}_{number}.tflite" for number in range(len(variants))]
    for path, network in zip(paths, variants.values(), strict=True):
        tfprune.to_tflite(network, path, verify=False)
    costs = [CostModel(trace(network)).whole for network in variants.values()]
    timed = tfprune.benchmark.run([str(path) for path in paths], threads=1, min_seconds=seconds)
    return [
        {
            "network": name,
            "variant": label,
            "macs": cost.macs,
            "parameters": cost.parameters,
            "bytes": result.file_bytes,
            "median_ms": result.latency.median_ms,
            "cpu_p5_ms": result.latency.cpu_p5_ms,
            "fewer_macs": costs[0].macs / cost.macs,
            "speed_up": timed[0].latency.cpu_p5_ms / result.latency.cpu_p5_ms,
            "wall_speed_up": timed[0].latency.median_ms / result.latency.median_ms,
        }
        for label, cost, result in zip(variants, costs, timed, strict=True)
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    headers = [
        "network", "variant", "MACs", "parameters", "bytes", "CPU, ms", "fewer MACs", "faster", "on the wall's clock",
        "ratio",
    ]  # fmt: skip
    return markdown(
        headers,
        [
            [
                row["network"],
                row["variant"],
                f"{row['macs']:,}",
                f"{row['parameters']:,}",
                f"{row['bytes']:,}",
                f"{row['cpu_p5_ms']:.2f}",
                f"{row['fewer_macs']:.2f}×",
                f"{row['speed_up']:.2f}×",
                f"{row['wall_speed_up']:.2f}×",
                f"{row['speed_up'] / row['fewer_macs']:.2f}",
            ]
            for row in rows
        ],
    )


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--size", type=int, default=160, help="height and width of the images")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds of each file")
    arguments = parser.parse_args()
    made = environment()
    size, seconds = (64, 1.0) if arguments.quick else (arguments.size, arguments.seconds)
    networks = ("MobileNetV2",) if arguments.quick else NETWORKS  # the table of operations takes a minute for each
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for name in networks for row in measure(name, Path(folder), size, 0.5, seconds)]
    content = {"environment": made, "size": size, "results": rows}
    report(
        destination(arguments, "filter_latency"), content, f"{table(rows)}\n\nImages of {size} × {size}, one thread."
    )


if __name__ == "__main__":
    main()
