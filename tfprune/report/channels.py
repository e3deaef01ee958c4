"""Which channels of each group are left: as the smaller network remembers it, or as its weights show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tfprune.graph import ChannelGroup
from tfprune.pruning.mask import read
from tfprune.report.layers import Seen
from tfprune.report.parts import Channels
from tfprune.surgery.kept import kept_channels

__all__ = ["KeptOf", "channel_rows", "find_kept", "runs_of"]

Mask = NDArray[np.bool_]
KeptOf = dict[str, Mask]
"""Which channels of a group are left, bool (channels,), by the name of the group."""


def find_kept(
    dense: Seen, small: Seen, pairs: Mapping[str, Sequence[str]], removed: Mapping[str, Sequence[int]] | None = None
) -> KeptOf:
    """Return for each group of the dense network which channels are left, as far as it is certain.

    That is what a plan says, else what the smaller model remembers, else what vectors show that have come through
    unchanged, as those of a normalisation: each that is left is the same to the bit as one that was there.

    Args:
        dense: The dense network, traced.
        small: The smaller one.
        pairs: The layers of the smaller one that have taken the place of the dense one's; see `counterparts`.
        removed: Numbers of the channels that a plan removed, by group; None if there was no plan.
    """
    assert dense.graph is not None
    kept = kept_channels(small.model)
    records = {record.layer: record for record in kept.values()}
    found: KeptOf = {}
    for group in dense.graph.groups:
        mask = np.ones(group.size, dtype=bool)
        remembered = [
            records[path] for path in group.layers if path in records and records[path].size == group.size
        ]  # fmt: skip
        if removed is not None:
            mask[list(removed.get(group.name, ()))] = False
        elif remembered:
            mask[:] = False
            mask[np.asarray(remembered[0].channels)] = True
        else:
            counts = {units for path in group.layers if (units := _units(small, pairs.get(path, ()))) is not None}
            if counts != {group.size}:
                shown = _matched(group, dense, small, pairs)
                if shown is None:
                    continue
                mask = shown
        found[group.name] = mask
    return found


def channel_rows(
    dense: Seen,
    small: Seen,
    pairs: Mapping[str, Sequence[str]],
    kept: KeptOf,
    predicted: Mapping[str, float] | None = None,
) -> tuple[Channels, ...]:
    """Return a row for each group, also of those that are whole."""
    assert dense.graph is not None
    rows = []
    for group in dense.graph.groups:
        mask, silent = kept.get(group.name), False
        if mask is not None and mask.all():
            living = _living(group, dense, small, pairs)
            silent = living is not None and not living.all()
            mask = living if silent else mask
        left = None if mask is None else int(mask.sum())
        if left is None:
            counts = {units for path in group.layers if (units := _units(small, pairs.get(path, ()))) is not None}
            left = counts.pop() if len(counts) == 1 and max(counts) <= group.size else None
        runs = () if mask is None else runs_of(mask)
        reason = "" if left != group.size else group.reason or ""
        rows.append(Channels(group.name, group.kind, group.size, left, runs, reason, silent))
    return tuple(rows)


def runs_of(mask: Mask) -> tuple[int, ...]:
    """Return the lengths of runs of True and False in turn, the first of True.

    Example:
        >>> runs_of(np.array([False, False, True]))
        (0, 2, 1)
    """
    runs = [(bool(value), len(list(same))) for value, same in groupby(mask.tolist())]
    lengths = [length for _, length in runs]
    return tuple([0, *lengths] if runs and not runs[0][0] else lengths)


def _units(small: Seen, paths: Sequence[str]) -> int | None:
    return small.units(paths[-1]) if paths else None


def _matched(group: ChannelGroup, dense: Seen, small: Seen, pairs: Mapping[str, Sequence[str]]) -> Mask | None:
    """Return which channels are left if the vectors that go with them say so without a doubt."""
    columns, found = [], []
    for part in group.slices:
        other = _counterpart(part.variable, dense, small, pairs)
        if part.role != "pass" or len(part.variable.shape) != 1 or part.positions.shape[1] != 1 or other is None:
            continue
        columns.append(read(part.variable)[part.positions[:, 0]])
        found.append(other)
    if not columns or len({len(column) for column in found}) != 1 or len(found[0]) > group.size:
        return None
    before, after = np.stack(columns, axis=1), np.stack(found, axis=1)
    if len(np.unique(before, axis=0)) < len(before):
        return None
    at = {row.tobytes(): number for number, row in enumerate(before)}
    numbers = [at.get(row.tobytes(), -1) for row in after]
    if -1 in numbers or numbers != sorted(set(numbers)):
        return None
    mask = np.zeros(group.size, dtype=bool)
    mask[numbers] = True
    return mask


def _living(group: ChannelGroup, dense: Seen, small: Seen, pairs: Mapping[str, Sequence[str]]) -> Mask | None:
    """Return which channels of a whole group have weights that are not zero; None if that can't be seen."""
    living = np.zeros(group.size, dtype=bool)
    seen = False
    for part in group.slices:
        other = _counterpart(part.variable, dense, small, pairs)
        if part.role == "output" and other is not None and other.shape == tuple(part.variable.shape):
            own = np.moveaxis(other, part.axis, 0)[part.positions]
            living |= np.any(own.reshape(group.size, -1) != 0, axis=1)
            seen = True
    return living if seen else None


def _counterpart(
    variable: object, dense: Seen, small: Seen, pairs: Mapping[str, Sequence[str]]
) -> NDArray[np.float32] | None:
    for path, layer in dense.layers.items():
        for number, own in enumerate(layer.weights):
            if own is variable:
                now = pairs.get(path, ())
                weights = small.layers[now[0]].weights if len(now) == 1 else []
                return read(weights[number]) if len(weights) == len(layer.weights) else None
    return None
