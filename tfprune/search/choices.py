"""The choices of which plans are made: how many channels a group keeps, what form a layer has, and the precision."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.cost import Cost
from tfprune.factorization.options import Option
from tfprune.factorization.ranks import find_ranks
from tfprune.factorization.survey import Candidate
from tfprune.graph import ChannelGroup
from tfprune.latency import Part
from tfprune.pruning.channels.greedy import summed_costs
from tfprune.pruning.channels.limits import Limits
from tfprune.refit import Curve

__all__ = ["ChannelChoice", "FormChoice", "PrecisionChoice", "channel_choice", "form_choice"]

Array = NDArray[Any]

WIDTHS = {"float32": 1.0, "float16": 0.5, "dynamic": 0.25, "int8": 0.25}
"""The bytes of weights at each precision, over those of float32."""


@dataclass(frozen=True)
class ChannelChoice:
    """How many channels a group keeps.

    Args:
        group: The group.
        order: Its channels, those that go first at the front.
        counts: How many are kept at each level, falling.
        losses: What each level is thought to lose.
    """

    group: ChannelGroup = field(repr=False)
    order: NDArray[np.int64] = field(repr=False)
    counts: tuple[int, ...]
    losses: Array = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the choice."""
        return f"channels of {self.group.name}"

    def gone(self, level: int) -> NDArray[np.int64]:
        """Return the labels of the channels that go."""
        found: NDArray[np.int64] = self.group.labels[self.order[: self.group.size - self.counts[level]]]
        return found


def channel_choice(curve: Curve, limits: Limits, levels: int) -> ChannelChoice | None:
    """Return the choice of how many channels a group keeps; None if it can keep only all.

    Args:
        curve: In which order its channels go, and what that costs.
        limits: Numbers of channels that it may keep.
        levels: How many numbers there are at most, evenly spaced.
    """
    allowed = limits.allowed(curve.group)[::-1]
    if len(allowed) < 2:
        return None
    places = np.unique(np.linspace(0, len(allowed) - 1, min(levels, len(allowed))).round().astype(int))
    counts = [int(allowed[place]) for place in places]
    sums = summed_costs(curve)
    losses = np.array([sums[curve.group.size - count] for count in counts])
    return ChannelChoice(curve.group, curve.order, tuple(counts), np.maximum.accumulate(losses))


@dataclass(frozen=True)
class FormChoice:
    """What form a layer has.

    Args:
        candidate: The layer.
        part: What it does, and the channels that it grows with.
        options: What it can become at each level but the first, from the costliest to the cheapest.
        fractions: Their ranks as fractions of the full ones.
        losses: What each level is thought to lose; of the first, at which it stays, nothing.
    """

    candidate: Candidate = field(repr=False)
    part: Part = field(repr=False)
    options: tuple[Option, ...]
    fractions: tuple[tuple[float, ...], ...]
    losses: Array = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the choice."""
        return f"form of {self.candidate.layer.name}"

    def price(self, level: int, inputs: float, outputs: float) -> tuple[Cost, Cost]:
        """Return what the layer costs as it is and at a level, when it has some of its channels.

        Args:
            level: The level, from 1.
            inputs: Its input channels.
            outputs: Its output channels.
        """
        candidate, option = self.candidate, self.options[level - 1]
        own, geometry = self.part.operation, candidate.geometry
        if geometry is None:
            raise RuntimeError(f"{candidate.path} has no form")
        ratio = (inputs / own.inputs) * (outputs / own.outputs)
        if ratio == 1.0:
            return candidate.cost, option.cost
        whole = scaled(candidate.cost, ratio)
        weights = own.with_channels(round(inputs), round(outputs)).parameters
        whole = replace(whole, parameters=weights, bytes=weights * candidate.cost.bytes // candidate.cost.parameters)
        if own.groups > 1 or geometry.blocks > 1 or geometry.inputs != own.inputs or geometry.outputs != own.outputs:
            return whole, scaled(option.cost, ratio)
        smaller = copy(geometry)
        smaller.inputs, smaller.outputs = round(inputs), round(outputs)
        ranks = find_ranks(option.form, smaller, self.fractions[level - 1])
        plain = Candidate(candidate.path, candidate.layer, smaller, thinner(candidate, own.inputs, smaller.inputs))
        made = plain.price(option.form.priced(smaller, ranks))
        latency = option.cost.latency
        if latency is not None:
            latency *= made.macs / max(option.cost.macs, 1)
        return whole, replace(made, latency=latency)


def thinner(candidate: Candidate, before: int, after: int) -> tuple[tuple[int | None, ...], ...]:
    """Return the shapes of a layer's inputs with another number of channels."""
    axis = 1 if getattr(candidate.layer, "data_format", None) == "channels_first" else -1
    found = []
    for shape in candidate.shapes:
        sizes = list(shape)
        sizes[axis] = after if sizes[axis] == before else sizes[axis]
        found.append(tuple(sizes))
    return tuple(found)


def scaled(cost: Cost, ratio: float) -> Cost:
    """Return a part of a cost."""
    latency = None if cost.latency is None else cost.latency * ratio
    size, macs = round(cost.bytes * ratio), round(cost.macs * ratio)
    return replace(cost, parameters=round(cost.parameters * ratio), bytes=size, macs=macs, latency=latency)


def form_choice(candidate: Candidate, part: Part, options: Sequence[Option], levels: int) -> FormChoice | None:
    """Return the choice of a layer's form; None if no form pays.

    Of the options only those are looked at that no other beats in both cost and error.

    Args:
        candidate: The layer.
        part: What it does.
        options: What it can become.
        levels: How many of them there are at most.
    """

    def cost(option: Option) -> float:
        return float(option.cost.macs if option.cost.latency is None else option.cost.latency)

    best: list[Option] = []
    for option in sorted(options, key=lambda option: (cost(option), option.error)):
        if not best or option.error < best[-1].error:
            best.append(option)
    best = [option for option in best[::-1] if np.isfinite(cost(option))]
    if not best or candidate.geometry is None:
        return None
    best = [best[n] for n in np.unique(np.linspace(0, len(best) - 1, min(levels - 1, len(best))).round().astype(int))]
    fractions = tuple(
        tuple(rank / full for rank, full in zip(option.ranks, option.form.full(candidate.geometry), strict=True))
        for option in best
    )
    return FormChoice(candidate, part, tuple(best), fractions, np.array([0.0, *(option.error for option in best)]))


@dataclass(frozen=True)
class PrecisionChoice:
    """How weights are stored.

    Args:
        precisions: The precision at each level.
        speeds: What a network takes at each level, over what it takes at the first.
        losses: What each level loses.
    """

    precisions: tuple[str, ...]
    speeds: tuple[float, ...]
    losses: Array = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the choice."""
        return "precision"

    def change(self, level: int, cost: Cost) -> Cost:
        """Return what a float32 network costs at a level."""
        precision = self.precisions[level]
        size = round(cost.bytes * WIDTHS[precision])
        if cost.latency is None:
            return replace(cost, bytes=size)
        latency, quantize = cost.latency * self.speeds[level], None if precision == "float32" else precision
        return replace(cost, bytes=size, latency=latency, quantize=quantize)
