"""What is to be removed of a network, what that does to its cost, and why the rest stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from tfprune.cost import Cost
from tfprune.cost.network import compared
from tfprune.errors import InputError
from tfprune.graph import ChannelGroup, Graph
from tfprune.refit import Curve, Repaired, cut_and_refit
from tfprune.refit.unlabelled import Unlabelled
from tfprune.shown import Shown
from tfprune.surgery import cut_graph

__all__ = ["ChannelPlan", "GroupPlan"]


@dataclass(frozen=True)
class GroupPlan:
    """What is kept of one channel group.

    Args:
        group: The group.
        keep: Which of its channels are kept, bool (channels,).

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)])
        >>> group = tfprune.graph.trace(model).group("hidden")
        >>> plan = GroupPlan(group, keep=np.array([True, False, True, True]))
        >>> plan.kept, plan.removed
        (3, [1])
    """

    group: ChannelGroup = field(repr=False)
    keep: NDArray[np.bool_] = field(repr=False)

    @property
    def kept(self) -> int:
        """How many channels are kept."""
        return int(np.count_nonzero(self.keep))

    @property
    def removed(self) -> list[int]:
        """Numbers of the channels that go."""
        return [int(number) for number in np.flatnonzero(~self.keep)]


@dataclass(frozen=True)
class ChannelPlan(Shown):
    """Which channels of a network go, and what it costs before and after.

    Args:
        graph: The network.
        groups: What is kept of each channel group, also of those that stay whole.
        before: What the network costs.
        after: What it will cost.
        curves: What the channels of each group cost, by its name; only where data told.
        unlabelled: The data that told.
        short: How many channels fewer go than the fraction that was asked for, because of `min_channels` or `round_to`.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> plan = tfprune.plan_filters(model, 0.5)
        >>> len(plan.remove["conv"]), plan.before.macs, plan.after.macs
        (2, 3896, 1948)
        >>> plan.apply().get_layer("conv").filters
        2
    """

    graph: Graph = field(repr=False)
    groups: tuple[GroupPlan, ...] = field(repr=False)
    before: Cost
    after: Cost
    curves: Mapping[str, Curve] = field(default_factory=dict, repr=False)
    unlabelled: Unlabelled | None = field(default=None, repr=False)
    short: int = 0

    @property
    def remove(self) -> dict[str, list[int]]:
        """Numbers of the channels that go, by group."""
        return {plan.group.name: plan.removed for plan in self.groups if plan.removed}

    @property
    def predicted(self) -> dict[str, float]:
        """The error that the removal adds in what reads the channels of each group, by the name of the group.

        It is relative to the variance of what these layers make, when the channels that stay make up for the others.
        """
        cut = {plan.group.name: len(plan.removed) for plan in self.groups}
        return {name: float(curve.costs[: cut[name]].sum()) for name, curve in self.curves.items()}

    @property
    def predicted_layers(self) -> dict[str, float]:
        """The same by the path of the layer, for layers that alone read what they read."""
        found: dict[str, float] = {}
        for name, error in self.predicted.items():
            readers = self.curves[name].readers
            if len(readers) == 1:
                found[readers[0]] = found.get(readers[0], 0.0) + error
        return found

    def apply(self, *, optimizer: bool = False) -> keras.Model:
        """Return the smaller model; see `tfprune.shrink`.

        Args:
            optimizer: Whether its optimizer remembers what the given model's did.
        """
        return cut_graph(self.graph, self.remove, optimizer=optimizer)

    def repair(self, data: Any = None, *, optimizer: bool = False, progress: bool = False, **options: Any) -> Repaired:
        """Return the smaller model, refitted on samples without labels, and a report of what that did.

        Args:
            data: Samples: anything `fit` takes; by default those that the plan was made with.
            optimizer: Whether its optimizer remembers what the given model's did.
            progress: Whether to show a progress bar on a terminal.
            **options: `ridge`, `batch`, `memory`, `rows`, `seed`; see `tfprune.refit.LayerwiseRefit`.

        Raises:
            InputError: If there are no data, or they don't fit the model.
        """
        given = self.unlabelled if data is None else Unlabelled(self.graph.model, data)
        if given is None:
            raise InputError("A refit needs data: samples of what the model is used on, without labels.")
        gone = [int(x) for plan in self.groups for x in plan.group.labels[~plan.keep]]
        return cut_and_refit(self.graph, gone, given.samples, optimizer=optimizer, progress=progress, **options)

    def __str__(self) -> str:
        cut = [plan for plan in self.groups if plan.removed]
        channels, kept = (sum(n) for n in zip(*((p.group.size, p.kept) for p in self.groups), strict=True))
        inexact = sum(plan.group.inexact is not None for plan in cut)
        note = f"; {inexact} of them feed normalisations over channels, which is not exact" if inexact else ""
        lines = [
            f"{self.graph.model.name}: {kept:,} of {channels:,} channels kept, {len(cut)} of {len(self.groups)} groups "
            f"cut{note}",
            *compared(self.before, self.after),
        ]
        if self.short:
            lines.append(
                f"  {self.short:,} fewer channels go than asked for, as no group may keep fewer (min_channels) or "
                "other numbers (round_to)"
            )
        return "\n".join(lines)

    def table(self) -> Table:
        """Return a rich table of the groups."""
        table = Table(title=Text(str(self)), title_justify="left", title_style="")
        table.add_column("group", overflow="fold")
        table.add_column("of what")
        table.add_column("channels", justify="right")
        table.add_column("kept", justify="right")
        predicted = self.predicted
        if predicted:
            table.add_column("predicted error", justify="right")
        table.add_column("kept whole because", overflow="fold")
        for plan in self.groups:
            why = plan.group.reason or ("" if plan.removed else "its channels matter more, or no smaller size fits")
            error = [f"{predicted[plan.group.name]:.4f}" if plan.group.name in predicted else ""]
            counts = [str(plan.group.size), str(plan.kept), *(error if predicted else [])]
            table.add_row(Text(plan.group.name), plan.group.kind, *counts, Text(why))
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        predicted = self.predicted
        return {
            "name": self.graph.model.name,
            "before": vars(self.before),
            "after": vars(self.after),
            "short": self.short,
            "groups": [
                {
                    "name": plan.group.name,
                    "kind": plan.group.kind,
                    "channels": plan.group.size,
                    "kept": np.flatnonzero(plan.keep).tolist(),
                    "predicted_error": predicted.get(plan.group.name),
                    "reason": plan.group.reason,
                    "inexact": plan.group.inexact,
                }
                for plan in self.groups
            ],
            "opaque": {node.path: node.opaque for node in self.graph.opaque},
        }
