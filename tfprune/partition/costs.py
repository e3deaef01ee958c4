"""What a row of operations costs on a row of devices, for every place where it can be cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.partition.chain import Chain
from tfprune.partition.devices import Devices
from tfprune.partition.memory import stage_memory
from tfprune.partition.timing import Profile
from tfprune.sizes import readable

__all__ = ["Costs", "Price"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Price:
    """What a partition costs.

    Args:
        latency: Milliseconds of one sample from the first device to the last stage: all stages and links.
        bottleneck: Milliseconds of the slowest stage or link: a pipeline gives a result as often.
        allowed: Whether every stage fits its device.

    Example:
        >>> price = Price(latency=17.0, bottleneck=10.0)
        >>> price.of("latency"), price.of("throughput"), Price(17.0, 10.0, allowed=False).of("latency")
        (17.0, 10.0, inf)
    """

    latency: float
    bottleneck: float
    allowed: bool = True

    def of(self, objective: str) -> float:
        """Return the milliseconds of an objective; infinite if a stage does not fit."""
        value = self.latency if objective == "latency" else self.bottleneck
        return value if self.allowed else float("inf")


class Costs:
    """The times and the memory of every possible stage.

    A stage on device k takes `Σ milliseconds / speed_k`. Link k carries what crosses cut k, which takes `delay + bytes
    / bandwidth`, and no time if all of the network is done before it. A device may do nothing: then it hands on what it
    gets.

    Args:
        chain: The row of operations.
        profile: What each takes on this machine.
        devices: The row of devices.

    Attributes:
        times: Milliseconds of all operations before each cut on this machine, float (cuts,).
        links: Milliseconds of each link if the row is cut there, float (devices − 1, cuts).
        weights: Bytes of the weights of each stage, float (cuts, cuts).
        activations: Bytes of its activations at their peak, likewise.

    Example:
        >>> from tfprune.partition import Device, Link
        >>> layers = [keras.layers.Dense(8, name="a"), keras.layers.Dense(4, name="b"), keras.layers.Dense(2)]
        >>> graph = tfprune.graph.trace(keras.Sequential([keras.Input((16,)), *layers]))
        >>> row = Devices([Device("sensor", 0.5), Device("server")], Link("1kB/s"))
        >>> costs = Costs(Chain(graph), Profile(np.array([1.0, 1.0, 4.0]), "given"), row)
        >>> costs.price([2]).latency, costs.price([0]).latency  # cut behind b, and all on the server
        (24.0, 70.0)
    """

    def __init__(self, chain: Chain, profile: Profile, devices: Devices) -> None:
        self.chain, self.profile, self.devices = chain, profile, devices
        ordered = profile.milliseconds[np.array(chain.order, dtype=int)]
        self.times: Array = np.concatenate([[0.0], np.cumsum(ordered)])[chain.cuts]
        sizes = chain.bytes[chain.cuts]
        self.links: Array = np.array([[link.milliseconds(size) for size in sizes] for link in devices.between])
        self.links = self.links.reshape(len(devices) - 1, len(sizes))
        self.links[:, -1] = 0.0
        self.weights, self.activations = stage_memory(chain)

    @property
    def count(self) -> int:
        """How many cuts there are, with the beginning and the end."""
        return len(self.times)

    def stages(self, device: int) -> Array:
        """Return what every stage takes on a device, in milliseconds; infinite where it does not fit.

        Returns:
            Float (cuts, cuts): from row to column; 0 on the diagonal, infinite below it.
        """
        found = (self.times[None, :] - self.times[:, None]) / self.devices.devices[device].speed
        found[~self.fits[device]] = np.inf
        found[np.tri(self.count, k=-1, dtype=bool)] = np.inf
        np.fill_diagonal(found, 0.0)
        return found

    @cached_property
    def fits(self) -> list[NDArray[np.bool_]]:
        """For each device, which stages its memory holds."""
        needed = self.weights + self.activations
        limits = [np.inf if one.limit is None else one.limit for one in self.devices.devices]
        return [needed <= limit for limit in limits]

    def price(self, cuts: Sequence[int]) -> Price:
        """Return what a partition costs.

        Args:
            cuts: For each link the number of the cut that it carries, rising.
        """
        ends = [0, *cuts, self.count - 1]
        times, allowed = [], True
        for device, (first, last) in enumerate(pairwise(ends)):
            times.append(float(self.times[last] - self.times[first]) / self.devices.devices[device].speed)
            allowed = allowed and (first == last or bool(self.fits[device][first, last]))
        times += [float(self.links[link, cut]) for link, cut in enumerate(cuts)]
        return Price(sum(times), max(times), allowed)

    def used(self, cuts: Sequence[int]) -> int:
        """Return how many devices do something."""
        ends = [0, *cuts, self.count - 1]
        return sum(first < last for first, last in pairwise(ends))

    def memory_used(self, cuts: Sequence[int]) -> float:
        """Return the largest part of its memory that a device needs; above 1 one does not suffice."""
        ends, most = [0, *cuts, self.count - 1], 0.0
        for device, (first, last) in zip(self.devices.devices, pairwise(ends), strict=True):
            if device.limit is not None and first < last:
                needed = self.weights[first, last] + self.activations[first, last]
                most = max(most, float(needed) / device.limit)
        return most

    def too_large(self, stages: int | None) -> InputError:
        """Return why no partition fits the devices."""
        needed = self.weights + self.activations
        parts = needed[np.arange(self.count - 1), np.arange(1, self.count)]
        largest = int(np.argmax(parts))
        first, last = (int(self.chain.cuts[largest + n]) for n in (0, 1))
        name = self.chain.node(last - 1).path
        where = f"the operation {name}" if last - first == 1 else f"the {last - first} operations up to {name}"
        limits = ", ".join(
            f"{one.name} has {'any amount' if one.limit is None else readable(one.limit)}"
            for one in self.devices.devices
        )
        wanted = "No split" if stages is None else f"No split into {stages} stages"
        return InputError(
            f"{wanted} of {self.chain.graph.model.name!r} fits the memory of the devices ({limits}). The whole network "
            f"needs {readable(int(self.weights[0, -1]))} for weights and {readable(int(self.activations[0, -1]))} for "
            f"activations; the largest part that can't be split, {where}, needs {readable(int(parts[largest]))}. Give "
            "more memory, more devices, or a smaller network (tfprune.prune_filters, tfprune.factorize)."
        )
