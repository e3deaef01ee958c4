"""Measure how the time and memory of tracing and shrinking grow with the size of a network.

Large networks of keras.applications, and residual chains of growing depth, each in a process of its own; half of the
channels of every group are cut. Seconds are of CPU time, which a busy machine disturbs less. Time that grows as the
number of operations does shows as a constant time an operation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from applications_oracle import build, peak_memory, warm_up
from common import FOLDER, child_environment, destination, environment, make_parser, markdown, report

LARGE = ("EfficientNetV2L", "NASNetLarge", "InceptionResNetV2", "DenseNet201")
DEPTHS = (50, 100, 200, 400, 800)


def chain(depth: int) -> Any:
    """Return a residual chain of that many blocks."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, padding="same")(x)
    for _ in range(depth):
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(12, 3, padding="same")(x)))
        x = layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(y))])
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def measure(name: str) -> dict[str, Any]:
    """Return what it costs to trace and shrink one network; runs in a process of its own."""
    from tfprune.graph import trace
    from tfprune.surgery import cut_graph

    begin = time.process_time()
    model = chain(int(name)) if name.isdigit() else build(name)
    built = time.process_time() - begin
    warm_up()
    before = peak_memory()
    traced = float("inf")
    for _ in range(3):  # the best of three, so that no pause for collecting garbage is in it
        begin = time.process_time()
        graph = trace(model)
        groups = graph.groups
        traced = min(traced, time.process_time() - begin)
    cut = {group.name: range(group.size // 2) for group in graph.prunable if group.size > 1}
    memory = peak_memory()
    begin = time.process_time()
    small = cut_graph(graph, cut)
    return {
        "name": name,
        "operations": len(graph.nodes),
        "groups": len(groups),
        "labels": len(graph.walk.labels),
        "weights": len(model.weights),
        "build_seconds": built,
        "trace_seconds": traced,
        "shrink_seconds": time.process_time() - begin,
        "memory_before": before,
        "memory_traced": memory,
        "memory": peak_memory(),
        "parameters": model.count_params(),
        "parameters_after": small.count_params(),
    }


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    headers = [
        "network", "operations", "labels", "trace + groups [s]", "µs an operation", "shrink [s]", "ms an operation",
        "Keras builds it in [s]", "peak memory before [MB]", "after tracing", "after shrinking",
    ]  # fmt: skip
    rows = [
        [
            r["name"] if not r["name"].isdigit() else f"chain of {r['name']} blocks", r["operations"], r["labels"],
            f"{r['trace_seconds']:.3f}", f"{1e6 * r['trace_seconds'] / r['operations']:.0f}",
            f"{r['shrink_seconds']:.2f}", f"{1e3 * r['shrink_seconds'] / r['operations']:.2f}",
            f"{r['build_seconds']:.2f}", *(f"{r[key]:.0f}" for key in ("memory_before", "memory_traced", "memory")),
        ]
        for r in results
    ]  # fmt: skip
    return markdown(headers, rows)


def verdict(results: list[dict[str, Any]]) -> str:
    """Return in a sentence how time grows along the chains."""
    chains = [r for r in results if r["name"].isdigit()]
    first, last = chains[0], chains[-1]
    times = {key: last[key] / first[key] for key in ("operations", "trace_seconds", "shrink_seconds", "build_seconds")}
    return (
        f"From {first['name']} to {last['name']} blocks: {times['operations']:.1f} times the operations, "
        f"{times['trace_seconds']:.1f} times the time to trace, {times['shrink_seconds']:.1f} times to shrink, "
        f"{times['build_seconds']:.1f} times for Keras to build the model."
    )


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    content: dict[str, Any] = {"environment": environment(), "results": []}
    names = ["DenseNet201", "10", "20"] if arguments.quick else [*LARGE, *map(str, DEPTHS)]
    for name in names:
        command = [sys.executable, str(FOLDER / "graph_scaling.py"), "--one", name]
        child = subprocess.run(command, capture_output=True, text=True, check=False, env=child_environment())
        if child.returncode:
            raise RuntimeError(f"{name}: {child.stderr[-2000:]}")
        content["results"].append(json.loads(child.stdout.strip().splitlines()[-1]))
        print(content["results"][-1], flush=True)
    path = destination(arguments, "graph_scaling")
    report(path, content, f"{table(content['results'])}\n\n{verdict(content['results'])}")


if __name__ == "__main__":
    main()
