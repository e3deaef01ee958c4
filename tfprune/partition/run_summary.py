"""From the times that processes tell to what was measured, beside what was to be expected. NumPy only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.partition.run_result import LinkRun, RunResult, StageRun

__all__ = ["Alone", "between", "result_of"]


@dataclass(frozen=True)
class Alone:
    """A sample that went alone, and one before it with which nothing was computed.

    Args:
        header: What came back with it.
        begin: When it was sent, in nanoseconds.
        idle: What came back with the other.
        idle_begin: When that was sent.
    """

    header: Mapping[str, Any]
    begin: int
    idle: Mapping[str, Any]
    idle_begin: int

    @property
    def left(self) -> int:
        """The number of the stage behind which it left by an exit; 0 if it went to the end."""
        return int(self.header.get("left", 0))

    @property
    def times(self) -> dict[int, Mapping[str, int]]:
        """What each process tells, by its place, up to where it left."""
        found = {entry["place"]: entry for entry in self.header["times"]}
        return found if not self.left else {place: one for place, one in found.items() if place <= self.last}

    @property
    def last(self) -> int:
        """The place where it ended: that of the last process, or of the exit."""
        ends = [one["place"] for one in self.header["times"] if one["exit"]]
        return int(ends[-1] if self.left else self.header["times"][-1]["place"])

    @property
    def milliseconds(self) -> float:
        """From sending it to its result."""
        return float(self.header.get("left_at", self.header["arrived"]) - self.begin) / 1e6

    @property
    def handing(self) -> float:
        """What the processes take to hand on what it needed, in milliseconds."""
        end = self.idle["arrived"]
        if self.left:
            end = next(one["read"] for one in self.idle["times"] if one["place"] == self.last)
        return float(end - self.idle_begin) / 1e6


def result_of(
    manifest: Mapping[str, Any],
    outputs: Any,
    left: Sequence[int],
    alone: Sequence[Alone],
    seconds: float | None,
    samples: int,
    *,
    emulate: bool,
) -> RunResult:
    """Return what was measured, beside what was planned.

    Args:
        manifest: Of the stages.
        outputs: What the network makes of the samples.
        left: For each sample, the number of the stage behind which it left; 0 if it went to the end.
        alone: The samples that went alone.
        seconds: Between two results of the pipeline; None if there was none.
        samples: How many samples were run.
        emulate: Whether devices and links were emulated.
    """
    plan = manifest["plan"]
    devices = plan["devices"]["devices"]
    heads = {one["stage"] for one in (manifest.get("exits") or ())}
    exited = np.array(left)
    stages = []
    for stage in plan["stages"]:
        number, place, speed = stage["number"], stage["place"], devices[stage["place"]]["speed"]
        here = stage["milliseconds"] * speed / (min(speed, 1.0) if emulate else 1.0)
        own = [one.times[place] for one in alone if place in one.times]
        stages.append(
            StageRun(
                number, stage["device"], stage["milliseconds"], here, middle(time["compute"] / 1e6 for time in own),
                speed, float(np.mean((exited == 0) | (exited >= number))),
                float(np.mean(exited == number)) if number in heads else None,
                middle(time["exit"] / 1e6 for time in own) or 0.0,
            )
        )  # fmt: skip
    place_of = {stage["number"]: stage["place"] for stage in plan["stages"]}
    links = [
        LinkRun(
            link["source"], link["target"], link["bytes"], link["milliseconds"], sent(alone, link["place"]),
            max(run.reached for run in stages if place_of[run.number] > link["place"]),
        )
        for link in plan["links"]
        if link["place"] < max(place_of.values())
    ]  # fmt: skip
    latency, expected = 0.0, 0.0
    for number in {one.left for one in alone}:
        group = [one for one in alone if one.left == number]
        last = group[0].last
        part = len(group) / len(alone)
        computing = sum(run.expected for run in stages if place_of[run.number] <= last)
        sending = sum(link["milliseconds"] for link in plan["links"] if link["place"] < last) if emulate else 0.0
        latency += part * median(one.milliseconds for one in group)
        expected += part * (computing + sending + median(one.handing for one in group))
    slowest = [run.reached * run.expected for run in stages]
    slowest += [run.reached * run.planned for run in links] if emulate else []
    return RunResult(
        manifest["model"], outputs, tuple(stages), tuple(links), latency, plan["latency"], expected,
        median(one.handing for one in alone), None if seconds is None else 1 / max(seconds, 1e-9),
        1000 / max(plan["bottleneck"], 1e-9), 1000 / max(*slowest, 1e-9), samples, emulate, tuple(left),
    )  # fmt: skip


def between(headers: Sequence[Mapping[str, Any]]) -> float:
    """Return the seconds between two samples of a full pipeline: the mean, where it is the longest.

    That is behind the slowest process, or where results arrive. Taken there alone, it would be too short if the last
    process was kept waiting at the first sample: what had piled up before it comes at once.
    """
    places = [[one["send"] for one in header["times"]] + [header["arrived"]] for header in headers]
    took = max(last - first for first, last in zip(places[0], places[-1], strict=True))
    return float(took) / 1e9 / (len(headers) - 1)


def sent(alone: Sequence[Alone], place: int) -> float | None:
    """Return the milliseconds of the link behind a place."""
    own = [one.times for one in alone if place + 1 in one.times]
    return middle((times[place + 1]["read"] - times[place]["send"]) / 1e6 for times in own)


def middle(values: Iterable[float]) -> float | None:
    """Return the median; None of nothing."""
    found = list(values)
    return float(np.median(found)) if found else None


def median(values: Iterable[float]) -> float:
    """Return the median of something."""
    return float(np.median(list(values)))
