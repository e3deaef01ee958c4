"""Nanoseconds of single inferences to the numbers of a report."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tfprune.benchmark.records import Latency, Speedup

__all__ = ["Samples", "latency", "speedup"]


@dataclass
class Samples:
    """The times of one model as they come in, in nanoseconds: wall and CPU, by round."""

    wall: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    cpu: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    count: int = 0
    seconds: float = 0.0

    def add(self, number: int, wall: list[int], cpu: list[int]) -> None:
        """Keep the times of one round."""
        self.wall[number], self.cpu[number] = np.array(wall, np.int64), np.array(cpu, np.int64)
        self.count += len(wall)
        self.seconds += float(self.wall[number].sum()) / 1e9

    def worked(self, number: int) -> NDArray[np.int64]:
        """Return how long the calling thread was at work in each inference of a round.

        That is its CPU time, or wall time where this is shorter: then it was never interrupted, and the clock of the
        wall is the finer one. A clock of the CPU that has not moved is too coarse to tell.
        """
        wall, cpu = self.wall[number], self.cpu[number]
        return np.where(cpu > 0, np.minimum(wall, cpu), wall)


def latency(init_ns: int, warmup_ns: list[int], samples: Samples) -> Latency:
    """Return the times of one model in milliseconds; `warmup_ns` begins with the first inference."""
    wall = np.concatenate(list(samples.wall.values())) / 1e6
    cpu = np.concatenate(list(samples.cpu.values())) / 1e6
    p5, median, p90, p95 = np.percentile(wall, [5, 50, 90, 95])
    return Latency(
        init_ms=init_ns / 1e6,
        first_ms=warmup_ns[0] / 1e6,
        warmup_ms=float(np.mean(warmup_ns)) / 1e6,
        avg_ms=float(wall.mean()),
        median_ms=float(median),
        p5_ms=float(p5),
        p95_ms=float(p95),
        min_ms=float(wall.min()),
        max_ms=float(wall.max()),
        std_ms=float(wall.std()),
        cpu_min_ms=float(cpu.min()),
        cpu_median_ms=float(np.median(cpu)),
        cpu_p5_ms=float(np.percentile(cpu, 5)),
        num_runs=samples.count,
        num_warmup_runs=len(warmup_ns),
        p90_ms=float(p90),
    )


def speedup(first: Samples, other: Samples, clock: str = "cpu") -> Speedup:
    """Compare two models round by round: noise that lasts longer than a round hits both and cancels.

    Args:
        first: The times of the model that is compared with.
        other: The times of the model that is compared.
        clock: "cpu" for the time that the calling thread was at work. A busy system interrupts long inferences and
            lets short ones pass, so that ratios of wall times tell of the system. "wall" where other threads work too.

    Example:
        >>> slow, fast = Samples(), Samples()
        >>> slow.add(0, [800, 700], [200, 200])  # interrupted
        >>> fast.add(0, [100, 100], [100, 100])
        >>> speedup(slow, fast).median
        2.0
    """

    def usual(samples: Samples, number: int) -> float:
        return float(np.median(samples.wall[number] if clock == "wall" else samples.worked(number)))

    shared = sorted(first.wall.keys() & other.wall.keys())
    ratios = [usual(first, number) / max(usual(other, number), 1) for number in shared]
    p5, median, p95 = np.percentile(ratios, [5, 50, 95])
    return Speedup(median=float(median), p5=float(p5), p95=float(p95), num_rounds=len(shared), clock=clock)
