"""A partition of a network: which operations run on which device, and what that is thought to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from tfprune.console import counted
from tfprune.partition.amounts import duration
from tfprune.shown import Shown
from tfprune.sizes import readable

__all__ = ["LinkPlan", "PartitionPlan", "StagePlan"]


@dataclass(frozen=True)
class StagePlan:
    """What one device does.

    Args:
        number: Number of the stage, from 1.
        device: Name of the device.
        place: Which device of the row it is, from 0.
        nodes: Numbers of its operations in `tfprune.graph.trace(model).nodes`, in the order in which they run.
        first: Path of its first operation.
        last: Path of its last one.
        milliseconds: What it takes there for one sample.
        weights: Bytes of its weights, float32.
        activations: Bytes of its activations at their peak, float32.

    Example:
        >>> stage = StagePlan(1, "camera", 0, (0, 1, 2), "conv_1", "relu_1", 4.2, weights=1_792, activations=50_176)
        >>> stage.memory, len(stage.nodes)
        (51968, 3)
    """

    number: int
    device: str
    place: int
    nodes: tuple[int, ...] = field(repr=False)
    first: str
    last: str
    milliseconds: float
    weights: int
    activations: int

    @property
    def memory(self) -> int:
        """Bytes of weights and activations."""
        return self.weights + self.activations


@dataclass(frozen=True)
class LinkPlan:
    """What one link carries for one sample.

    Args:
        source: Name of the device that sends.
        target: Name of its neighbour.
        place: Which link of the row it is, from 0.
        tensors: Names of the tensors that cross it.
        bytes: Their bytes.
        milliseconds: What that takes.

    Example:
        >>> link = LinkPlan("camera", "server", 0, ("relu_1",), bytes=50_000, milliseconds=10.0)
        >>> f"{link.source} -> {link.target}: {link.bytes / link.milliseconds / 1000} MB/s"
        'camera -> server: 5.0 MB/s'
    """

    source: str
    target: str
    place: int
    tensors: tuple[str, ...]
    bytes: int
    milliseconds: float


@dataclass(frozen=True)
class PartitionPlan(Shown):
    """A network in stages. `tfprune.partition.partition(model, plan)` makes a model of each.

    Args:
        model: Name of the model.
        objective: `"latency"` or `"throughput"`.
        solver: What found it.
        source: Where the times of operations are from: `"measured"`, `"macs"` or `"given"`.
        devices: The devices and links, as `Devices.get_config` gives them.
        stages: What each device does; one that does nothing has no stage.
        links: What the links carry.
        latency: Milliseconds of one sample through all stages and links.
        bottleneck: Milliseconds of the slowest stage or link: a pipeline gives a result as often.
        alone: Milliseconds of the whole network on each device by name, whether or not it fits; those behind the first
            with what sending them the inputs takes.
        optimum: The least that the objective can be along the order of operations; None if nobody asked.
        seconds: What finding it took, without timing operations.
        looked: How many partitions the solver looked at; None where it looks at all.
        fingerprint: What tells the network that it is for.
        notes: What a reader should know.

    Example:
        >>> from tfprune.partition import Device, Devices, Link, plan_partition
        >>> layers = [keras.layers.Dense(n, name=name) for n, name in [(64, "first"), (4, "narrow"), (64, "wide")]]
        >>> model = keras.Sequential([keras.Input((256,)), *layers], name="example")
        >>> row = Devices([Device("sensor", 0.1), Device("server")], Link("1kB/s"))
        >>> plan = plan_partition(model, row, latency=[1, 1, 10])
        >>> [(stage.device, stage.last) for stage in plan.stages], plan.links[0].tensors
        ([('sensor', 'narrow'), ('server', 'wide')], ('narrow',))
        >>> plan.latency, plan.bottleneck, plan.alone["sensor"]
        (46.0, 20.0, 120.0)
    """

    model: str
    objective: str
    solver: str
    source: str
    devices: Mapping[str, Any] = field(repr=False)
    stages: tuple[StagePlan, ...]
    links: tuple[LinkPlan, ...]
    latency: float
    bottleneck: float
    alone: Mapping[str, float]
    optimum: float | None = None
    seconds: float = 0.0
    looked: int | None = None
    fingerprint: str = field(default="", repr=False)
    notes: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """Milliseconds of its objective."""
        return self.latency if self.objective == "latency" else self.bottleneck

    @property
    def throughput(self) -> float:
        """Samples per second of a pipeline."""
        return 1000.0 / max(self.bottleneck, 1e-9)

    @property
    def gap(self) -> float | None:
        """By which part the objective is above its optimum along the order of operations; None if that is not known.

        Below 0 is possible for the solver "min_cut" alone, which is not bound to that order.
        """
        if self.optimum is None:
            return None
        difference = self.value - self.optimum
        return 0.0 if abs(difference) <= 1e-9 * self.optimum else difference / max(self.optimum, 1e-12)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, ready for JSON."""
        found = asdict(self)
        found |= {"throughput": self.throughput, "gap": self.gap, "notes": list(self.notes)}
        found["stages"] = [{**asdict(one), "nodes": list(one.nodes), "memory": one.memory} for one in self.stages]
        found["links"] = [{**asdict(one), "tensors": list(one.tensors)} for one in self.links]
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PartitionPlan:
        """Make a plan from what `to_dict` returned."""
        own = {key: value for key, value in values.items() if key not in ("throughput", "gap")}
        own["stages"] = tuple(
            StagePlan(**{key: value for key, value in {**one, "nodes": tuple(one["nodes"])}.items() if key != "memory"})
            for one in values["stages"]
        )
        own["links"] = tuple(LinkPlan(**{**one, "tensors": tuple(one["tensors"])}) for one in values["links"])
        return cls(**{**own, "notes": tuple(values.get("notes", ()))})

    def table(self) -> Table:
        """Return a rich table of stages and links."""
        table = Table(title=Text(f"{self.model}: {counted(len(self.stages), 'stage')}"))
        for column in ("what", "from", "to", "operations", "time", "weights", "activations", "sent"):
            table.add_column(column, overflow="fold", justify="left" if column in ("what", "from", "to") else "right")
        links = {one.place: one for one in self.links}
        for stage in self.stages:
            for place in sorted(set(links) & set(range(stage.place))):
                link = links.pop(place)
                names = ", ".join(link.tensors[:3]) + (" …" if len(link.tensors) > 3 else "")
                row = (link.source, link.target, names, duration(link.milliseconds), "", "", readable(link.bytes))
                table.add_row(Text("  link"), *map(Text, row))
            did = (stage.first, stage.last, str(len(stage.nodes)), duration(stage.milliseconds))
            sizes = (readable(stage.weights), readable(stage.activations), "")
            table.add_row(Text(f"{stage.number}. {stage.device}"), *map(Text, (*did, *sizes)))
        return table

    def __str__(self) -> str:
        lines = [f"{self.model}: {counted(len(self.stages), 'stage')}, {self.summary()}"]
        places: Sequence[LinkPlan] = self.links
        for stage in self.stages:
            lines += [
                f"     {link.source} -> {link.target}: {readable(link.bytes)}, {duration(link.milliseconds)}"
                for link in places
                if link.place < stage.place
            ]
            places = [one for one in places if one.place >= stage.place]
            lines.append(
                f"  {stage.number}. {stage.device}: {stage.first} … {stage.last}, "
                f"{counted(len(stage.nodes), 'operation')}, {duration(stage.milliseconds)}, {readable(stage.memory)}"
            )
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def summary(self) -> str:
        """Return what it is thought to take, in a line."""
        gap = "" if self.gap is None or self.solver == "exact" else f", {self.gap:+.1%} from the optimum"
        alone = ", ".join(f"all on {name} {duration(value)}" for name, value in self.alone.items())
        return (
            f"predicted latency {duration(self.latency)} ({alone}), {self.throughput:.1f} samples/s as a pipeline; "
            f"{self.objective} by {self.solver}{gap}"
        )
