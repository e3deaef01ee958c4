"""Costs and networks of which everything is known, for solvers to be compared on with looking at everything."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np

from tfprune.partition import Costs, Device, Devices, Link


def made_up_costs(rng, cuts, devices, limits=False, tight=0.3):
    """Costs of a row of operations that no network has."""
    costs = Costs.__new__(Costs)
    times = np.concatenate([[0], np.cumsum(rng.integers(0, 9, cuts - 1))]).astype(float)
    held = np.cumsum(rng.integers(1, 50, cuts))
    memory = np.triu(held[None, :] - held[:, None], 1).astype(float)

    def limit():
        return int(1 + memory[0, -1] * rng.uniform(tight, 1.0)) if limits else None

    row = [Device(f"d{n}", float(rng.choice([0.5, 1.0, 2.0])), limit()) for n in range(devices)]
    costs.devices = Devices(row, [Link(1)] * (devices - 1))
    costs.times, costs.weights, costs.activations = times, memory, np.zeros_like(memory)
    costs.links = rng.integers(0, 12, (devices - 1, cuts)).astype(float)
    costs.links[:, -1] = 0
    costs.chain = costs.profile = None
    return costs


def all_partitions(costs):
    """All rows of cuts."""
    return itertools.combinations_with_replacement(range(costs.count), len(costs.devices) - 1)


class MadeUpChain:
    """A network that is a random acyclic graph: each operation reads some tensors made before it."""

    def __init__(self, rng, count):
        self.order = tuple(range(count))
        self.static = [False] * count
        self._reads = []
        for number in range(count):
            sources = rng.choice(number + 1, size=min(number + 1, int(rng.integers(1, 4))), replace=False)
            self._reads.append([SimpleNamespace(index=int(source)) for source in sources])  # tensor 0 is the input
        self.flowing = {}
        for index in range(count + 1):
            readers = [n for n in range(count) if any(x.index == index for x in self._reads[n])]
            whole = index == 0 or bool(rng.uniform() < 0.9)
            self.flowing[index] = SimpleNamespace(
                made=index - 1, last=max(readers, default=-1), size=int(rng.integers(0, 20)), whole=whole
            )

    def reads(self, number):
        return self._reads[number]

    def price(self, own, milliseconds, devices):
        """What it takes if some operations run on the first device; infinite if something flows back."""
        first, second = (one.speed for one in devices.devices)
        total = sum(milliseconds[n] / (first if n in own else second) for n in self.order)
        sent = set()
        for n in self.order:
            for x in self._reads[n]:
                here = x.index == 0 or x.index - 1 in own
                if n in own and not here:
                    return np.inf
                if n not in own and here:
                    sent.add(x.index)
        if any(not self.flowing[index].whole for index in sent):
            return np.inf
        link = devices.between[0]
        return total + (1000 * link.seconds if sent else 0) + sum(1000 * self.flowing[i].size / link.rate for i in sent)
