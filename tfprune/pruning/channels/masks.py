"""Masks of whole channels, with everything that goes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np

from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.granularity import Filter
from tfprune.graph import ChannelGroup, trace
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.channels.allocation import Allocation, best_channels, units_of
from tfprune.pruning.channels.importance import channel_scores
from tfprune.pruning.channels.latency import find_timing, limits_of, within_latency
from tfprune.pruning.channels.limits import resolve_choices
from tfprune.pruning.masks import Rule
from tfprune.pruning.selection import NO_AXES, Skipped, Target
from tfprune.pruning.source import MaskSource, NewMasks
from tfprune.statistics import Study
from tfprune.surgery.dead import STATISTICS, dead_channels

__all__ = ["ChannelMasks"]


class ChannelMasks(MaskSource):
    """Whole channels of a model.

    While the schedule runs, a soft granularity sets the filters that make a channel to zero and leaves its bias, its
    normalisation and what reads it, so that gradients can bring it back. In the end all of it is held at zero.

    Args:
        model: The model.
        rule: Criterion, granularity (a `Filter`), scope and seed.
        layers: Only channels that these layers make.
        skip: None that these layers make.
        per_layer: For the channels that a layer makes: the fraction to remove, or the number to keep.
        budget: What the network may cost without the channels. How many each group keeps is then decided at once, which
            ones as training goes on.
        study: What data say of the channels, for criteria that ask for it.
    """

    def __init__(
        self,
        model: keras.Model,
        rule: Rule,
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
        per_layer: Mapping[keras.Layer | str, float | int] | None = None,
        budget: Budget | None = None,
        study: Study | None = None,
    ) -> None:
        if not isinstance(rule.granularity, Filter):
            raise InputError(f"{rule.granularity} does not prune channels.")
        self.rule = rule
        self.study = study
        self.soft = rule.granularity.soft
        graph = trace(model)
        found, self._own = resolve_choices(graph, layers, skip, per_layer)
        groups = [replace(group, reason=why_not(group, rule.granularity.kinds)) for group in found]
        self.groups = [group for group in groups if group.prunable]
        whole = [group for group in groups if not group.prunable]
        self.skipped = tuple(
            Skipped(group.name, group.size, group.reason or "") for group in groups if not group.prunable
        )
        if not self.groups:
            reasons = sorted({entry.reason for entry in self.skipped}) or ["it has no channels"]
            raise InputError(f"There are no channels to prune in {model.name!r} ({'; '.join(reasons[:5])}).")
        variables = {
            id(entry.variable): entry.variable
            for group in self.groups
            for entry in group.slices
            if entry.variable.name not in STATISTICS
        }
        self._index = {key: number for number, key in enumerate(variables)}
        self.targets = tuple(
            Target(str(v.path), keras.layers.Identity(name="none"), v, NO_AXES) for v in variables.values()
        )
        scores = self._scores()  # refuses weights that are not finite
        timing = find_timing(graph, budget)
        self._limits = limits_of(rule.granularity, timing, self.groups)
        if budget is not None:
            allocation = Allocation(graph, self.groups, scores, rule.scope, self._limits, self._own, whole, timing)
            counts, _ = within_latency(allocation, budget, timing)
            self._own = {group.name: count for group, count in zip(self.groups, counts, strict=True)}

    def masks(self, sparsity: float, progress: float, *, last: bool) -> NewMasks:
        """Return masks for all variables of all groups."""
        keep = self._choose(sparsity, progress)
        masks = [np.ones(tuple(target.variable.shape), dtype=bool) for target in self.targets]
        hold = last or not self.soft
        for group, kept in zip(self.groups, keep, strict=True):
            for entry in group.slices:
                if entry.variable.name in STATISTICS or (entry.role != "output" and not hold):
                    continue
                index = [slice(None)] * len(entry.variable.shape)
                index[entry.axis] = entry.positions[~kept].reshape(-1)
                masks[self._index[id(entry.variable)]][tuple(index)] = False
        removed = sum(int(np.count_nonzero(~kept)) for kept in keep)
        return NewMasks(masks, removed / self._channels, hold)

    def measure_each(self) -> dict[str, tuple[int, int]]:
        """Return the channels of each group that carry nothing, and how many it has."""
        return {group.name: (len(dead_channels(group)), group.size) for group in self.groups}

    def describe(self) -> tuple[str, list[str]]:
        """Return how many channels, and the groups' names."""
        total = self._channels + sum(entry.size for entry in self.skipped)
        what = f"{len(self.groups)} groups with {self._channels:,} of {total:,} channels"
        return what, [f"{group.name} ({group.size})" for group in self.groups]

    @property
    def _channels(self) -> int:
        return sum(group.size for group in self.groups)

    def _scores(self) -> list[np.ndarray]:
        if self.study is not None:
            self.study.refresh()
        return channel_scores(self.groups, self.rule.criterion, self.rule.seed, self.study)

    def _choose(self, sparsity: float, progress: float) -> list[np.ndarray]:
        """Return which channels of each group are kept."""
        scores = self._scores()
        free = [n for n, group in enumerate(self.groups) if group.name not in self._own]
        counts = [float(group.size) for group in self.groups]
        if free:
            units = [units_of(self.groups[n], scores[n], self._limits) for n in free]
            chosen = self.rule.scope.keep(units, [self.groups[n].size for n in free], sparsity)
            for n, kept in zip(free, chosen, strict=True):
                counts[n] = float(np.count_nonzero(kept))
        for n, group in enumerate(self.groups):
            if group.name in self._own:
                wanted = self._own[group.name]
                fraction = 1 - wanted / group.size if isinstance(wanted, int) else wanted
                counts[n] = group.size * (1 - fraction * progress)
        return [
            best_channels(own, self._rounded(group, count, progress))
            for group, own, count in zip(self.groups, scores, counts, strict=True)
        ]

    def _rounded(self, group: ChannelGroup, count: float, progress: float) -> int:
        """Return an allowed number of channels; in the end that which was asked for, if one was."""
        wanted = self._own.get(group.name)
        return wanted if isinstance(wanted, int) and progress == 1 else self._limits.nearest(group, count)


def why_not(group: ChannelGroup, kinds: tuple[str, ...]) -> str | None:
    """Return why a group is left alone while training, or None."""
    if group.reason is not None:
        return group.reason
    if group.kind not in kinds:
        return f"{group.kind}s are not asked for"
    if group.inexact is not None:
        return group.inexact
    if any(not entry.variable.trainable and entry.variable.name not in STATISTICS for entry in group.slices):
        return "frozen"
    return None
