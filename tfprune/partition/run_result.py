"""What stages took when they were run, beside what the plan says."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from tfprune.console import counted
from tfprune.partition.amounts import duration
from tfprune.shown import Shown
from tfprune.sizes import readable

__all__ = ["LinkRun", "RunResult", "StageRun"]


@dataclass(frozen=True)
class StageRun:
    """What one stage took.

    Args:
        number: Its number.
        device: Name of its device.
        planned: Milliseconds for a sample by the plan, on the device.
        expected: Milliseconds by the plan on this machine: as planned where the device is emulated, at this machine's
            speed where it is faster than that or nothing is emulated.
        measured: Milliseconds here, the median over samples that went alone, with what is slept to emulate the device;
            None if none of these came so far.
        speed: The speed of the device over this machine's.
        reached: Part of the samples that came so far: 1 without exits.
        left: Part of the samples that left by the exit behind it; None if there is no exit.
        exit: Milliseconds of that exit's head here, the median.
    """

    number: int
    device: str
    planned: float
    expected: float
    measured: float | None
    speed: float
    reached: float = 1.0
    left: float | None = None
    exit: float = 0.0


@dataclass(frozen=True)
class LinkRun:
    """What one link took.

    Args:
        source: Name of the device that sends.
        target: Name of its neighbour.
        bytes: Bytes for a sample.
        planned: Milliseconds by the plan.
        measured: Milliseconds here, the median over samples that went alone: a pipe, with what is slept to emulate the
            link; None if none of these came so far.
        reached: Part of the samples that it carried: 1 without exits.
    """

    source: str
    target: str
    bytes: int
    planned: float
    measured: float | None
    reached: float = 1.0


@dataclass(frozen=True)
class RunResult(Shown):
    """The outputs of stages that were run on this machine, and what that took.

    Args:
        model: Name of the model.
        outputs: What the network makes of the samples, in the structure in which it returns it; of a sample that left
            by an exit, the probabilities that the exit gives.
        stages: What stages took.
        links: What links took.
        latency: Milliseconds for one sample from its input to its output, when samples go one by one; the median. Of
            samples that leave behind different stages, the median of each kind, weighted by how many they are.
        planned_latency: The same by the plan, when no sample leaves early.
        expected_latency: The same by the plan, with what can be emulated here, what handing on takes here, and as many
            leaving early as did.
        handing: Milliseconds of that for handing a sample on from process to process here, the median.
        throughput: Samples per second of the pipeline; None if it was not run as one.
        planned_throughput: The same by the plan, when no sample leaves early.
        expected_throughput: The same by the plan, with what can be emulated here, as many leaving early as did, and a
            core for each stage.
        samples: How many samples were run.
        emulated: Whether the plan's devices and links were emulated by sleeping.
        left: For each sample, the number of the stage behind which it left by an exit; 0 if it went to the end.

    Example:
        >>> camera = StageRun(1, "camera", planned=10.0, expected=10.0, measured=10.4, speed=0.1)
        >>> server = StageRun(2, "server", planned=2.0, expected=2.0, measured=2.1, speed=1.0)
        >>> link = LinkRun("camera", "server", bytes=50_000, planned=5.0, measured=5.1)
        >>> result = RunResult("net", np.zeros((100, 10)), (camera, server), (link,), 17.8, 17.0, 17.2, 0.2, 95.2,
        ...                    100.0, 100.0, samples=100, emulated=True)
        >>> print(result)
        net: 2 stages, 17.80 ms for one sample (expected here 17.20 ms), 95.2 samples/s as a pipeline (expected 100.0)
          emulated: devices slower than this machine and links were imitated by sleeping
        >>> max(result.stages, key=lambda stage: stage.measured).device
        'camera'
    """

    model: str
    outputs: Any = field(repr=False)
    stages: tuple[StageRun, ...]
    links: tuple[LinkRun, ...]
    latency: float
    planned_latency: float
    expected_latency: float
    handing: float
    throughput: float | None
    planned_throughput: float
    expected_throughput: float
    samples: int
    emulated: bool
    left: tuple[int, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures should know."""
        fast = [one.device for one in self.stages if one.speed > 1 and self.emulated]
        found = ["emulated: devices slower than this machine and links were imitated by sleeping"]
        if not self.emulated:
            found = ["not emulated: all stages ran as fast as this machine does, connected by pipes"]
        exits = [
            f"{one.left:.1%} behind stage {one.number} ({duration(one.exit)} for its head)"
            for one in self.stages
            if one.left is not None
        ]
        if exits:
            found.append(f"samples left by exits: {', '.join(exits)}")
        if fast:
            found.append(f"{', '.join(fast)}: faster than this machine, which can't be emulated; run at its speed")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, ready for JSON; without the outputs."""
        names = ("model", "latency", "planned_latency", "expected_latency", "handing", "throughput",
                 "planned_throughput", "expected_throughput", "samples", "emulated", "left", "notes")  # fmt: skip
        found = {name: getattr(self, name) for name in names}
        return {**found, "stages": [asdict(x) for x in self.stages], "links": [asdict(x) for x in self.links]}

    def table(self) -> Table:
        """Return a rich table of stages and links."""
        table = Table(title=Text(f"{self.model}: {'emulated' if self.emulated else 'measured'} on this machine"))
        for column in ("what", "sent", "planned", "expected here", "measured here"):
            table.add_column(column, overflow="fold", justify="left" if column == "what" else "right")
        for stage in self.stages:
            times = map(told, (stage.planned, stage.expected, stage.measured))
            table.add_row(Text(f"{stage.number}. {stage.device}"), "", *times)
        for link in self.links:
            expected = duration(link.planned) if self.emulated else ""
            table.add_row(
                Text(f"{link.source} -> {link.target}"), readable(link.bytes), duration(link.planned), expected,
                told(link.measured),
            )  # fmt: skip
        table.add_row("handing on between processes", "", "", duration(self.handing), "")
        table.add_row(
            "one sample", "", *map(duration, (self.planned_latency, self.expected_latency, self.latency))
        )  # fmt: skip
        if self.throughput is not None:
            rates = (self.planned_throughput, self.expected_throughput, self.throughput)
            table.add_row("samples/s as a pipeline", "", *(f"{rate:.1f}" for rate in rates))
        return table

    def __str__(self) -> str:
        pipeline = "" if self.throughput is None else (
            f", {self.throughput:.1f} samples/s as a pipeline (expected {self.expected_throughput:.1f})"
        )  # fmt: skip
        first = (
            f"{self.model}: {counted(len(self.stages), 'stage')}, {duration(self.latency)} for one sample (expected "
            f"here {duration(self.expected_latency)}){pipeline}"
        )
        return "\n".join([first, *(f"  {note}" for note in self.notes)])


def told(milliseconds: float | None) -> str:
    """Return a time, or that there is none."""
    return "-" if milliseconds is None else duration(milliseconds)
