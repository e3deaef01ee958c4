"""The bisection towards the largest network that fits: between the smallest one and the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfprune.cost import Budget, Cost
from tfprune.micro.footprint import Footprint
from tfprune.micro.probe import Probe
from tfprune.pruning.channels.plan import ChannelPlan
from tfprune.pruning.channels.prepared import Prepared

__all__ = ["Candidate", "Route", "Search"]

COSTS = {"flash": "params", "ram": "macs"}
"""What is bisected for each bound that the whole network exceeds."""


@dataclass(frozen=True)
class Candidate:
    """A network that was tried.

    Args:
        plan: Which channels it has.
        footprint: What it needs.
        probe: The same beside the bounds.
    """

    plan: ChannelPlan
    footprint: Footprint
    probe: Probe


@dataclass(frozen=True)
class Route:
    """One way from the whole network to the smallest.

    Args:
        name: The scope by which channels are chosen.
        fitting: The networks on it that fit, the largest first.
    """

    name: str
    fitting: tuple[Candidate, ...]


class Search:
    """Measures networks, each once.

    Args:
        prepared: The channels of the whole network.
        bounds: What a network may need, in bytes.
        whole: What the whole network needs.
        size_up: Converts and measures a network.
        tell: Prints a line.
    """

    def __init__(
        self,
        prepared: Prepared,
        bounds: Mapping[str, int],
        whole: Probe,
        size_up: Callable[[keras.Model], Footprint],
        tell: Callable[[str], None],
    ) -> None:
        self._prepared, self._bounds, self._whole = prepared, bounds, whole
        self._size_up, self._tell = size_up, tell
        self._known: dict[Any, Candidate] = {}
        self.probes: list[Probe] = [whole]

    def judge(self, plan: ChannelPlan, footprint: Footprint) -> Probe:
        """Return what a network needs beside the bounds."""
        return Probe.of(plan.after, footprint, self._bounds)

    def measure(self, plan: ChannelPlan, name: str) -> Candidate:
        """Return what the network of a plan needs, converted and run once.

        It is not refitted, as sizes do not depend on what the weights are; except that a file stores zeros once, so
        that biases which are zero are made something else before, as a refit would.
        """
        key = tuple(sorted((group, tuple(gone)) for group, gone in plan.remove.items()))
        if key not in self._known:
            network = plan.apply()
            fill_zeros(network)
            footprint = self._size_up(network)
            self._known[key] = Candidate(plan, footprint, self.judge(plan, footprint))
            self.probes.append(self._known[key].probe)
            self._tell(f"  {name}: {self._known[key].probe}")
        return self._known[key]

    def bisect(self, smallest: Candidate, scope: str, probes: int) -> Route:
        """Return the networks on the way by one scope that fit.

        Args:
            smallest: The smallest network; it fits.
            scope: `"greedy"` or `"layer"`.
            probes: How often the way is halved.
        """
        low, high = 0.0, 1.0
        fitting = [smallest]
        for number in range(probes):
            middle = (low + high) / 2
            plan = self._prepared.plan(self._between(smallest.plan.after, middle), greedy=scope == "greedy")
            found = self.measure(plan, f"{scope} {number + 1}")
            if found.probe.fits:
                low = middle
                fitting.append(found)
            else:
                high = middle
        return Route(scope, tuple(reversed({id(one): one for one in fitting}.values())))

    def _between(self, smallest: Cost, part: float) -> Budget:
        """Return bounds of parameters or multiply-accumulates, some part of the way up from the smallest network."""
        ends = {"params": (smallest.parameters, self._whole.params), "macs": (smallest.macs, self._whole.macs)}
        names = [COSTS[name] for name in self._whole.over]
        counts: dict[str, Any] = {name: round(ends[name][0] + part * (ends[name][1] - ends[name][0])) for name in names}
        return Budget(**counts)


def fill_zeros(model: keras.Model) -> None:
    """Give weights that are all zero small values that differ, so that no two of them are stored as one."""
    generator = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if not np.any(np.asarray(weight.numpy())):
            weight.assign(generator.normal(scale=1e-3, size=tuple(weight.shape)))
