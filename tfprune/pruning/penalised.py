"""What a penalty is taken over: the kernels and channel groups that would be pruned, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.cost import Budget
from tfprune.cost.budget import network_only
from tfprune.errors import InputError
from tfprune.granularity import Filter, Weight
from tfprune.graph import ChannelGroup, Slice, trace
from tfprune.graph.choice import LayerChoice
from tfprune.graph.tree import walk
from tfprune.numbers import is_real
from tfprune.penalties import Growing, Penalty, Weights
from tfprune.penalties.base import CHANNELS, KERNELS
from tfprune.pruning.channels.allocation import Allocation, best_channels
from tfprune.pruning.channels.importance import channel_scores
from tfprune.pruning.channels.latency import find_timing, limits_of, within_latency
from tfprune.pruning.channels.limits import resolve_choices
from tfprune.pruning.channels.masks import why_not
from tfprune.pruning.channels.matrices import as_matrix, full_precision
from tfprune.pruning.mask import read
from tfprune.pruning.masks import check_finite
from tfprune.pruning.selection import Skipped, select
from tfprune.surgery.dead import STATISTICS

__all__ = ["Part", "check_amount", "find_parts", "leaving_channels"]

BoolArray = NDArray[np.bool_]
NOT_ASKED = "nothing that this penalty is about"


@dataclass(frozen=True)
class Part:
    """One kernel, or one group of channels.

    Args:
        name: Path of the kernel, or name of the group.
        size: How many weights or channels it has.
        variables: What it is made of; the penalty is put on the first.
        weights: Reads the present weights.
        leaving: Which channels are to go; None where no choice was made.
    """

    name: str
    size: int
    variables: tuple[keras.Variable, ...] = field(repr=False)
    weights: Callable[[], Weights] = field(repr=False)
    leaving: BoolArray | None = field(default=None, repr=False)


def check_amount(penalty: Penalty) -> None:
    """Raise InputError if a penalty is to choose channels by something that is neither a fraction nor a Budget."""
    if isinstance(penalty, Growing) and not (is_real(penalty.amount) or isinstance(penalty.amount, Budget)):
        raise InputError(
            f"amount is {penalty.amount!r}; give the fraction of channels that go, or a tfprune.Budget(macs=0.5)."
        )
    if isinstance(penalty, Growing):
        network_only(penalty.amount)


def find_parts(
    model: keras.Model,
    penalty: Penalty,
    granularity: Filter,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    seed: int = 0,
) -> tuple[list[Part], list[Skipped]]:
    """Return what a penalty is taken over, and what is left alone and why.

    Args:
        model: A built model.
        penalty: The penalty.
        granularity: Which channels: filters and neurons, or heads.
        layers: Only these.
        skip: None of these.
        seed: Seed of the random numbers that the choice of channels may draw.

    Raises:
        InputError: If the model has nothing that the penalty is about.
        SparsityError: If a weight is not finite.
    """
    parts: list[Part] = []
    skipped: list[Skipped] = []
    if CHANNELS in penalty.over:
        found, left = channel_parts(model, penalty, granularity, layers, skip, seed)
        parts, skipped = parts + found, skipped + left
    if KERNELS in penalty.over:
        found, left = kernel_parts(model, layers, skip)
        parts, skipped = parts + found, skipped + left
    for variable in {id(v): v for part in parts for v in part.variables}.values():
        check_finite(str(variable.path), read(variable))
    about = [penalty(part.weights()) is not None for part in parts]
    if not any(about):
        reasons = sorted({entry.reason for entry in skipped})
        why = f" ({'; '.join(reasons[:5])})" if reasons else ""
        raise InputError(f"{penalty} needs {penalty.needs}, and {model.name!r} has none{why}; give another penalty.")
    skipped += [Skipped(part.name, part.size, NOT_ASKED) for part, used in zip(parts, about, strict=True) if not used]
    return [part for part, used in zip(parts, about, strict=True) if used], skipped


def kernel_parts(
    model: keras.Model, layers: Sequence[LayerChoice] | None, skip: Sequence[LayerChoice] | None
) -> tuple[list[Part], list[Skipped]]:
    """Return the kernels whose weights `PruneCallback` would prune."""
    selection = select(model, layers=layers, skip=skip, granularity=Weight())

    def reader(variable: keras.Variable) -> Callable[[], Weights]:
        return lambda: Weights(KERNELS, {"kernel": [full_precision(variable)]})

    parts = [Part(t.path, t.size, (t.variable,), reader(t.variable)) for t in selection.targets]
    return parts, list(selection.skipped)


def channel_parts(
    model: keras.Model,
    penalty: Penalty,
    granularity: Filter,
    layers: Sequence[LayerChoice] | None,
    skip: Sequence[LayerChoice] | None,
    seed: int,
) -> tuple[list[Part], list[Skipped]]:
    """Return the channel groups that `PruneCallback` would prune."""
    graph = trace(model)
    found, _ = resolve_choices(graph, layers, skip, None)
    groups = [replace(group, reason=why_not(group, granularity.kinds)) for group in found]
    skipped = [Skipped(group.name, group.size, group.reason) for group in groups if group.reason is not None]
    chosen = [group for group in groups if group.prunable]
    leaving: list[BoolArray | None] = [None] * len(chosen)
    if isinstance(penalty, Growing) and chosen:
        scores = channel_scores(chosen, penalty.criterion, seed)
        whole = [group for group in groups if not group.prunable]
        timing = find_timing(graph, penalty.amount)
        limits = limits_of(granularity, timing, chosen)
        allocation = Allocation(graph, chosen, scores, penalty.scope, limits, {}, whole, timing)
        if isinstance(penalty.amount, Budget):
            counts, _ = within_latency(allocation, penalty.amount, timing)
        else:
            counts = allocation.by_sparsity(penalty.amount)
        leaving = [~best_channels(own, count) for own, count in zip(scores, counts, strict=True)]
    scales = scales_of(model)
    return [channel_part(group, gone, scales) for group, gone in zip(chosen, leaving, strict=True)], skipped


def channel_part(group: ChannelGroup, leaving: BoolArray | None, scales: set[int]) -> Part:
    """Return a group as a part; the variable that makes its channels first."""
    slices = sorted(
        (entry for entry in group.slices if entry.variable.name not in STATISTICS),
        key=lambda entry: entry.role != "output",
    )
    by_role: dict[str, list[Slice]] = {}
    for entry in slices:
        by_role.setdefault("scale" if id(entry.variable) in scales else entry.role, []).append(entry)

    def weights() -> Weights:
        return Weights(CHANNELS, {role: list(map(as_matrix, own)) for role, own in by_role.items()}, leaving)

    return Part(group.name, group.size, tuple(entry.variable for entry in slices), weights, leaving)


def scales_of(model: keras.Model) -> set[int]:
    """Return the `id`s of the scales of batch normalisations."""
    return {id(layer.gamma) for _, layer in walk(model) if isinstance(layer, keras.layers.BatchNormalization)}


def leaving_channels(parts: Sequence[Part]) -> dict[str, list[int]]:
    """Return the numbers of the channels that are to go, by the name of their group."""
    return {
        part.name: np.flatnonzero(part.leaving).tolist()
        for part in parts
        if part.leaving is not None and part.leaving.any()
    }
