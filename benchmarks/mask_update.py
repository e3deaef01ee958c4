"""Time of one mask update on a kernel of 655,360 weights, beside what sorting its magnitudes alone takes.

An update is `Pruner.update`: read the weights, score them, choose exactly k, write mask and weights. It is timed on
weights as a training meets them: in the middle of a ramp, where almost as many weights are zero already as are to be
zero after the update (`ramping`), and at the first update, where none is (`dense`). All cases take turns within each
repetition, so that a busy moment of the machine meets all of them. Goal: at most 15 ms for single weights.

    python benchmarks/mask_update.py
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from common import destination, environment, make_parser, markdown, report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from tfprune import Pruner
from tfprune.schedules import PolynomialDecay

SHAPE = (1024, 640)
GRANULARITIES: dict[str, Any] = {"weight": "weight", "block (1, 4)": (1, 4), "2:4": "2:4"}
SCOPES = ("layer", "global")
GOAL_MS = 15.0


@dataclass(frozen=True)
class Case:
    """Something to time: `prepare` is called before each repetition and not timed."""

    name: str
    prepare: Callable[[int], None]
    run: Callable[[int], Any]
    goal_ms: float | None = None


def weights() -> np.ndarray:
    """Return the weights that every case begins with."""
    return np.random.default_rng(0).normal(0.0, 0.05, SHAPE).astype(np.float32)


def update_case(granularity: str, scope: str, *, ramping: bool) -> Case:
    """Return one mask update, in the middle of a ramp or from dense weights."""
    layer = keras.layers.Dense(SHAPE[1], use_bias=False)
    layer.build((None, SHAPE[0]))
    values = weights()
    layer.kernel.assign(values)
    most = 0.5 if granularity == "2:4" else 0.9
    schedule = PolynomialDecay(0.6 * most, most, begin=0, end=10_000, frequency=1)
    pruner = Pruner(layer, schedule=schedule, granularity=GRANULARITIES[granularity], scope=scope, layers=[layer])
    pruner.start()
    state = "ramping" if ramping else "dense"

    def prepare(repetition: int) -> None:
        if not ramping:
            layer.kernel.assign(values)

    def run(repetition: int) -> None:
        if not pruner.update(repetition):
            raise RuntimeError("no update was due")

    goal = GOAL_MS if granularity == "weight" else None
    return Case(f"update, {granularity}, {scope}, {state}", prepare, run, goal)


def sorting_cases() -> list[Case]:
    """Return what sorting and partitioning the magnitudes alone takes."""
    magnitudes = np.abs(weights()).ravel()
    tensor = tf.constant(magnitudes)
    middle = magnitudes.size * 3 // 4
    functions: dict[str, Callable[[], Any]] = {
        "`np.partition` of the magnitudes alone": lambda: np.partition(magnitudes, middle),
        "`np.sort` of the magnitudes alone": lambda: np.sort(magnitudes),
        "`np.argsort` of the magnitudes alone": lambda: np.argsort(magnitudes),
        "`tf.sort` of the magnitudes alone": lambda: tf.sort(tensor).numpy(),
        "`tf.argsort` of the magnitudes alone": lambda: tf.argsort(tensor).numpy(),
        "`tf.math.top_k` of the magnitudes alone": lambda: tf.math.top_k(tensor, magnitudes.size - middle)[0].numpy(),
    }
    return [Case(name, lambda _: None, lambda _, call=call: call()) for name, call in functions.items()]


def measure(cases: list[Case], repetitions: int, warm_up: int = 2) -> list[dict[str, Any]]:
    """Time every case, in turns."""
    times: list[list[float]] = [[] for _ in cases]
    for repetition in range(repetitions + warm_up):
        for case, measured in zip(cases, times, strict=True):
            case.prepare(repetition)
            begin = time.perf_counter()
            case.run(repetition)
            measured.append(1000 * (time.perf_counter() - begin))
    return [
        {"name": case.name, "goal_ms": case.goal_ms, "ms": measured[warm_up:]}
        for case, measured in zip(cases, times, strict=True)
    ]


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    rows = [
        [
            result["name"],
            f"{min(result['ms']):.1f}",
            f"{statistics.median(result['ms']):.1f}",
            "" if result["goal_ms"] is None else f"≤ {result['goal_ms']:g}",
            len(result["ms"]),
        ]
        for result in results
    ]
    return markdown(["what", "min, ms", "median, ms", "goal, ms", "runs"], rows)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=40)
    arguments = parser.parse_args()
    made = environment()
    cases = [
        update_case(granularity, scope, ramping=ramping)
        for ramping in (True, False)
        for granularity in GRANULARITIES
        for scope in SCOPES
    ]
    results = measure([*cases, *sorting_cases()], 3 if arguments.quick else arguments.repetitions)
    content = {"environment": made, "shape": SHAPE, "results": results}
    report(destination(arguments, "mask_update"), content, table(results))


if __name__ == "__main__":
    main()
