"""What lets code in pages and examples end sooner, where other tests do the same at length."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import tfprune
from tfprune.cost.operation import Operation
from tfprune.latency import LatencyTable
from tfprune.latency.one_operation import COPIES

__all__ = ["shorten"]


def times(_: Any, files: dict[str, bytes]) -> Iterator[tuple[str, float]]:
    """Yield what operations take on a machine where time is multiply-accumulates, and values where there are none."""
    for key in files:
        one = Operation(*(tuple(part) if isinstance(part, list) else part for part in json.loads(key)))
        yield key, COPIES * 1e-6 * (one.macs or 1 + one.outputs * math.prod(one.positions))


def shorten(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Let searches and fits look at fewer plans, benchmarks run for less time, and no operations be timed.

    Args:
        put: What sets an attribute, such as `monkeypatch.setattr`.
    """
    brief = {"min_seconds": 0.1, "warmup_seconds": 0.05}
    put(LatencyTable, "_run", times)
    put(tfprune.search, "run", partial(tfprune.search.run, trials=16, climb=(2,)))
    put(tfprune.micro, "fit_device", partial(tfprune.micro.fit_device, probes=2))
    put(tfprune.benchmark, "run", partial(tfprune.benchmark.run, **brief))
    put(tfprune.benchmark, "layers", partial(tfprune.benchmark.layers, runs=5, **brief))
