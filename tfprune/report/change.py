"""What a pruning has done to a network, as data and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from rich.table import Table
from rich.text import Text

from tfprune.cost import CostModel
from tfprune.graph import trace
from tfprune.pruning import Pruner
from tfprune.pruning.source import KernelMasks
from tfprune.report.summary import summarise

__all__ = ["change_table", "describe_change"]


def describe_change(pruner: Pruner, model: keras.Model, made: keras.Model) -> dict[str, Any]:
    """Return what has been pruned and what not, as plain values.

    Args:
        pruner: The pruner, after its work.
        model: The network that was pruned.
        made: The network that came out; the same one if nothing was taken out of it.
    """
    skipped = [{"path": entry.path, "reason": entry.reason} for entry in pruner.skipped]
    if isinstance(pruner.source, KernelMasks):
        paths = {target.path for target in pruner.targets}
        rows = [row for row in summarise(model).to_dict()["kernels"] if row["path"] in paths]
        return {"pruned": rows, "skipped": skipped}
    groups = [
        {"name": name, "size": size, "removed": zeros} for name, (zeros, size) in pruner.source.measure_each().items()
    ]
    before, after = (vars(CostModel(trace(network)).whole) for network in (model, made))
    return {"pruned": groups, "skipped": skipped, "before": before, "after": after}


def change_table(model: keras.Model, made: keras.Model, removed: Mapping[str, tuple[int, int]]) -> Table:
    """Return a table of what is left of each group of channels or block, and what the network cost and costs.

    Args:
        model: The network that was pruned.
        made: The smaller network.
        removed: How many of how many have gone, by name.
    """
    before, after = (CostModel(trace(network)).whole for network in (model, made))
    table = Table(title=Text(made.name), show_footer=True)
    table.add_column("", Text("parameters\nbytes\nMACs"), overflow="fold")
    old, new = ([cost.parameters, cost.bytes, cost.macs] for cost in (before, after))
    table.add_column("before", "\n".join(f"{count:,}" for count in old), justify="right")
    table.add_column("after", "\n".join(f"{count:,}" for count in new), justify="right")
    shares = [f"{b / a:.1%}" if a else "–" for a, b in zip(old, new, strict=True)]
    table.add_column("left", "\n".join(shares), justify="right")
    for name, (gone, size) in removed.items():
        table.add_row(Text(name), str(size), str(size - gone), f"{(size - gone) / size:.1%}")
    return table
