"""Gates before channels: filters, neurons, units and attention heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from tfprune.cost import Budget, CostModel
from tfprune.cost.budget import LIMITS
from tfprune.errors import InputError
from tfprune.gates.base import Array
from tfprune.gates.gated import Behind, BoolArray, broadcast
from tfprune.gates.multiply import Gated
from tfprune.granularity import Filter
from tfprune.graph import ChannelGroup, Slice, trace
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.channels.allocation import Allocation, best_channels
from tfprune.pruning.channels.latency import find_timing, limits_of, within_latency
from tfprune.pruning.channels.limits import resolve_choices
from tfprune.pruning.channels.masks import why_not
from tfprune.pruning.selection import Skipped
from tfprune.scope import Global
from tfprune.surgery.dead import STATISTICS

__all__ = ["Channels"]

PART = "part"
"""The bound of a plain fraction of channels."""


UNREAD = "no kernel reads its channels"


class Channels(Behind):
    """One gate before each channel, where it is read.

    Args:
        model: A built model.
        amount: What the network may cost, or the fraction of channels that close.
        granularity: Which channels: filters and neurons, or heads.
        layers: Only channels that these layers make.
        skip: None that these layers make.

    Raises:
        InputError: If there are none, or the budget can't be met.
    """

    what = "channels"

    def __init__(
        self,
        model: keras.Model,
        amount: Budget | float,
        granularity: Filter,
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
    ) -> None:
        self.amount = amount
        self.graph = trace(model)
        found, _ = resolve_choices(self.graph, layers, skip, None)
        groups = [replace(group, reason=why_not(group, granularity.kinds)) for group in found]
        groups = [replace(g, reason=UNREAD) if g.prunable and not readers_of(g) else g for g in groups]
        self.groups = [group for group in groups if group.prunable]
        self._whole = [group for group in groups if not group.prunable]
        self.skipped = [Skipped(group.name, group.size, group.reason or "") for group in self._whole]
        if not self.groups:
            reasons = sorted({entry.reason for entry in self.skipped}) or ["it has no channels"]
            raise InputError(f"There are no channels to gate in {model.name!r} ({'; '.join(reasons[:5])}).")
        self.names = {group.name: group.size for group in self.groups}
        self._starts = np.cumsum([0, *self.names.values()])
        self.count = int(self._starts[-1])
        self._labels = np.concatenate([group.labels for group in self.groups])
        self._timing = find_timing(self.graph, amount)
        self._limits = limits_of(granularity, self._timing, self.groups)
        self.costs = CostModel(self.graph, self._timing)
        self.choose(np.zeros(self.count))  # refuses a budget that can't be met
        self.targets = {PART: 1.0 - amount} if not isinstance(amount, Budget) else {
            name: bound / getattr(self.costs.whole, LIMITS[name])
            for name, bound in amount.bounds(self.costs.whole).items()
        }  # fmt: skip

    def gated(self) -> list[Gated]:
        """Return the kernels that read the channels, once for each axis with gates."""
        numbers: dict[tuple[int, int], tuple[keras.Variable, np.ndarray]] = {}
        for group, start in zip(self.groups, self._starts, strict=False):
            for entry in readers_of(group):
                key = id(entry.variable), entry.axis
                if key not in numbers:
                    numbers[key] = entry.variable, np.full(entry.variable.shape[entry.axis], self.count)
                numbers[key][1][entry.positions] = start + np.arange(group.size)[:, None]
        return [Gated(variable, broadcast(variable, axis, own)) for (_, axis), (variable, own) in numbers.items()]

    def expected(self, opening: Array) -> tuple[dict[str, float], dict[str, Array]]:
        """Return the expected costs: each is a sum of products of how many channels of some axes are open."""
        if PART in self.targets:
            return {PART: float(opening.mean())}, {PART: np.full(self.count, 1 / self.count)}
        values = np.ones(len(self.graph.walk.labels))
        values[self._labels] = opening
        costs, slopes = self.costs.expected(self.graph.spread(values))
        whole = self.costs.whole
        parts = {name: (costs[LIMITS[name]], getattr(whole, LIMITS[name])) for name in self.targets}
        return (
            {name: value / all_of_it for name, (value, all_of_it) in parts.items()},
            {name: slopes[LIMITS[name]][self._labels] / all_of_it for name, (_, all_of_it) in parts.items()},
        )

    def choose(self, scores: Array) -> BoolArray:
        """Return the channels with the highest scores of all groups, as many as the budget allows."""
        own = [scores[start : start + group.size] for group, start in zip(self.groups, self._starts, strict=False)]
        allocation = Allocation(self.graph, self.groups, own, Global(), self._limits, {}, self._whole, self._timing)
        if isinstance(self.amount, Budget):
            counts, _ = within_latency(allocation, self.amount, self._timing)
        else:
            counts = allocation.by_sparsity(self.amount)
        return np.concatenate([best_channels(one, count) for one, count in zip(own, counts, strict=True)])

    def masks(self, kept: BoolArray) -> list[tuple[keras.Variable, BoolArray]]:
        """Return masks of all that goes with the channels."""
        found: dict[int, tuple[keras.Variable, BoolArray]] = {}
        for group, start in zip(self.groups, self._starts, strict=False):
            gone = ~kept[start : start + group.size]
            for entry in group.slices:
                if entry.variable.name in STATISTICS:
                    continue
                shape = tuple(entry.variable.shape)
                mask = found.setdefault(id(entry.variable), (entry.variable, np.ones(shape, dtype=bool)))[1]
                np.moveaxis(mask, entry.axis, 0)[entry.positions[gone].reshape(-1)] = False
        return list(found.values())


def readers_of(group: ChannelGroup) -> list[Slice]:
    """Return where kernels read the channels."""
    return [entry for entry in group.slices if entry.role == "input"]
