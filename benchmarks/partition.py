"""Measure partitions of networks over devices: time to solve, predicted and measured times, gaps of explorers.

Networks of keras.applications with random weights, each in a process of its own, over the devices of
`examples/devices/`. Predicted times are those of the plan, with operations timed on this machine. Measured ones are of
`run_stages`, on this machine: each stage is a process, devices slower than this machine and links are emulated by
sleeping, and a device that is faster runs as fast as this machine does ("expected" takes that into account). The gap of
an explorer is how far the objective of what it found is above the optimum, the mean over seeds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import FOLDER, ROOT, child_environment, destination, environment, make_parser, markdown, report

NETWORKS = ("MobileNetV2", "ResNet50", "EfficientNetB0")
DEVICES = ("phone_and_edge_server", "three_raspberry_pis", "microcontroller_and_phone")
EXPLORERS = ("merge_split", "evolution", "annealing", "backtracking", "amc", "tpe", "swarm", "random", "greedy")
OBJECTIVES = ("latency", "throughput")
PARTS = ("times", "gaps")
TRIALS, SEEDS, SAMPLES = 400, 3, 20
LONGEST = 2.0
"""With samples that take more seconds than this, fewer of them are run."""


def build(name: str) -> Any:
    """Return a network of keras.applications, or a small one."""
    import keras

    keras.utils.set_random_seed(0)
    if name != "small":
        return getattr(keras.applications, name)(weights=None)
    x = inputs = keras.Input((32, 32, 3))
    for filters in (8, 16, 32):
        y = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        y = keras.layers.Conv2D(filters, 3, padding="same")(y)
        x = keras.layers.ReLU()(keras.layers.Add()([y, keras.layers.Conv2D(filters, 1)(x)]))
        x = keras.layers.MaxPooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x)), name="small")


def measure(name: str, quick: bool, parts: Sequence[str], known: dict[str, Any] | None) -> dict[str, Any]:
    """Return what partitions of one network take; runs in a process of its own.

    Args:
        name: The network.
        quick: Whether to measure briefly.
        parts: `"times"`, `"gaps"`, or both.
        known: What was measured before; parts of it that are not measured anew are kept.
    """
    from tfprune.graph import trace
    from tfprune.partition import Chain, Devices, profile

    model = build(name)
    begin = time.perf_counter()
    graph = trace(model)
    traced = time.perf_counter() - begin
    begin = time.perf_counter()
    times = profile(graph, "macs" if quick else "measured")
    found: dict[str, Any] = {
        "name": name,
        "operations": len(graph.nodes),
        "cuts": len(Chain(graph).cuts) - 2,
        "trace_seconds": traced,
        "profile_seconds": time.perf_counter() - begin,
        "milliseconds": times.total,
        "plans": [],
    }
    for file in DEVICES:
        devices = Devices.load(ROOT / "examples" / "devices" / f"{file}.yaml")
        for objective in OBJECTIVES:
            key = {"devices": file, "objective": objective}
            row = next((one for one in (known or found)["plans"] if key.items() <= one.items()), key)
            if "times" in parts:
                row = {**row, **run_plan(model, devices, objective, times, quick)}
            if "gaps" in parts:
                row = {**row, "gaps": gaps_of(model, devices, objective, times, quick)}
            found["plans"].append(row)
    return found if "times" in parts else {**(known or found), "plans": found["plans"]}


def run_plan(model: Any, devices: Any, objective: str, times: Any, quick: bool) -> dict[str, Any]:
    """Return the best plan, and what it takes when it is run."""
    from tfprune.errors import InputError
    from tfprune.partition import partition, plan_partition, run_stages
    from tfprune.partition.stages import sample_inputs

    plan = plan_partition(model, devices, objective=objective, latency=times)
    row: dict[str, Any] = {"plan": plan.to_dict()}
    if len(devices) == 2 and objective == "latency":
        with contextlib.suppress(InputError):  # its result does not fit the memory
            row["min_cut"] = plan_partition(model, devices, solver="min_cut", latency=times).to_dict()
    stages = partition(model, plan)
    with tempfile.TemporaryDirectory() as folder:
        stages.save(Path(folder) / "stages")
        most = int(1000 * LONGEST * SAMPLES / max(plan.latency, 1e-9))
        count = max(2, min(4 if quick else SAMPLES, most))
        run = run_stages(Path(folder) / "stages", sample_inputs(stages, count), timeout=300)
    return {**row, "run": run.to_dict()}


def gaps_of(model: Any, devices: Any, objective: str, times: Any, quick: bool) -> dict[str, Any]:
    """Return how far what explorers find is above the optimum, and the seconds that they take."""
    import numpy as np

    from tfprune.partition import plan_partition

    found = {}
    for solver in EXPLORERS:
        others = [
            plan_partition(
                model, devices, objective=objective, latency=times, solver=solver, seed=seed,
                trials=40 if quick else TRIALS,
            )
            for seed in range(1 if quick else SEEDS)
        ]  # fmt: skip
        found[solver] = {
            name: float(np.mean([getattr(other, name) for other in others])) for name in ("gap", "seconds")
        }
    return found


def plans_table(results: list[dict[str, Any]]) -> str:
    """Return what was planned and what was measured, as Markdown."""
    headers = [
        "network", "devices", "objective", "stages", "solved in [ms]", "latency planned [ms]", "expected here",
        "measured here (emulated)", "samples/s planned", "expected here", "measured here (emulated)",
    ]  # fmt: skip
    rows = []
    for one in results:
        for row in one["plans"]:
            plan, run = row["plan"], row["run"]
            rows.append(
                [
                    one["name"], row["devices"], row["objective"], len(plan["stages"]), f"{1000 * plan['seconds']:.1f}",
                    f"{plan['latency']:.2f}", f"{run['expected_latency']:.2f}", f"{run['latency']:.2f}",
                    f"{plan['throughput']:.1f}", f"{run['expected_throughput']:.1f}", f"{run['throughput']:.1f}",
                ]
            )  # fmt: skip
    return markdown(headers, rows)


def gaps_table(results: list[dict[str, Any]]) -> str:
    """Return the gaps of explorers, as Markdown."""
    headers = ["network", "devices", "objective", *EXPLORERS]
    rows = [
        [one["name"], row["devices"], row["objective"], *(f"{row['gaps'][x]['gap']:.1%}" for x in EXPLORERS)]
        for one in results
        for row in one["plans"]
    ]
    return markdown(headers, rows)


def sizes_table(results: list[dict[str, Any]]) -> str:
    """Return how large the networks are and what preparing takes, as Markdown."""
    headers = ["network", "operations", "cuts", "trace [s]", "profile [s]", "whole network here [ms]"]
    rows = [
        [
            one["name"], one["operations"], one["cuts"], f"{one['trace_seconds']:.2f}",
            f"{one['profile_seconds']:.1f}", f"{one['milliseconds']:.2f}",
        ]
        for one in results
    ]  # fmt: skip
    return markdown(headers, rows)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, help="measure these anew; by default all")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="times of the plans, gaps")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    path = destination(arguments, "partition")
    if arguments.one:
        results = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else []
        known = next((one for one in results if one["name"] == arguments.one), None)
        print(json.dumps(measure(arguments.one, arguments.quick, arguments.parts, known)))
        return
    content: dict[str, Any] = {"environment": environment(), "results": []}
    if arguments.networks and path.exists() and not arguments.quick:
        content["results"] = json.loads(path.read_text(encoding="utf-8"))["results"]
    for name in ("small",) if arguments.quick else arguments.networks or NETWORKS:
        command = [
            sys.executable,
            str(FOLDER / "partition.py"),
            "--one",
            name,
            *(["--quick"] if arguments.quick else []),
            "--parts",
            *arguments.parts,
            "--out",
            str(path),
        ]
        child = subprocess.run(command, capture_output=True, text=True, check=False, env=child_environment())
        if child.returncode:
            raise RuntimeError(f"{name}: {child.stderr[-2000:]}")
        found = json.loads(child.stdout.strip().splitlines()[-1])
        content["results"] = [one for one in content["results"] if one["name"] != name] + [found]
        print(f"{name} is done", flush=True)
    results = content["results"]
    trials = 40 if arguments.quick else TRIALS
    gap = f"How far what explorers found with {trials} trials is above the optimum:"
    tables = f"{sizes_table(results)}\n\n{plans_table(results)}\n\n{gap}\n\n{gaps_table(results)}"
    report(path, content, tables)


if __name__ == "__main__":
    main()
