"""Channels that carry nothing, or what another carries already; and what the others answer to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.analysis.rendering import plain
from tfprune.graph import ChannelGroup
from tfprune.pruning.mask import read

__all__ = ["ChannelPattern", "Duplicate", "Response", "duplicates_of", "filter_likeness", "unread_of", "zero_of"]

Array = NDArray[Any]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Duplicate:
    """Two channels that carry the same, up to a factor.

    Args:
        first: Number of the one.
        second: Number of the other.
        weights: Cosine of their filters; the smallest where several layers make them.
        activations: The smaller of cosine and correlation of what they carry, without sign; None without data.
        scale: What the first has to be multiplied with to be the second, by the norms of their filters, or by their
            activations where there are data.
    """

    first: int
    second: int
    weights: float
    activations: float | None
    scale: float


@dataclass(frozen=True)
class Response:
    """What a channel answers to.

    Args:
        channel: Its number.
        selectivity: `(a − b) / (a + b)` of its mean magnitude `a` for the class that it answers to most and `b` for all
            others, in [0, 1] (Morcos et al., "On the importance of single directions for generalization", 2018).
        favourite: That class; None without labels.
        of_classes: Its mean magnitude for each class, in the order of `SparsityPatterns.classes`.
        inputs: Numbers of the samples that it answers to most, the strongest first.
    """

    channel: int
    selectivity: float | None
    favourite: int | None
    of_classes: tuple[float, ...] = field(repr=False)
    inputs: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True)
class ChannelPattern:
    """The channels of a group.

    Args:
        name: Name of the group.
        kind: What a channel is: "filter", "unit", "head" or "head size".
        size: How many there are.
        zero: Channels that no layer with a kernel makes anything of: their filters are zero.
        unread: Channels that no layer multiplies with anything but zero.
        silent: Channels that are zero on all data wherever they are read; None without data.
        duplicates: Pairs of channels, neither zero nor silent, that carry the same.
        responses: What channels that are not silent answer to; None without data.
    """

    name: str
    kind: str
    size: int
    zero: tuple[int, ...]
    unread: tuple[int, ...]
    silent: tuple[int, ...] | None
    duplicates: tuple[Duplicate, ...]
    responses: tuple[Response, ...] | None = field(default=None, repr=False)

    @property
    def removable(self) -> tuple[int, ...]:
        """Channels that can go with (nearly) no loss: dead, unread, and of duplicates all but the first."""
        return tuple(
            sorted({*self.zero, *self.unread, *(self.silent or ()), *(pair.second for pair in self.duplicates)})
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        found: dict[str, Any] = plain({**asdict(self), "removable": self.removable})
        return found


def zero_of(group: ChannelGroup) -> NDArray[np.bool_]:
    """Return which channels have filters of zeros only, bool (channels,)."""
    return all_zero(group, filters_of(group))


def unread_of(group: ChannelGroup) -> NDArray[np.bool_]:
    """Return which channels meet nothing but zeros in all kernels that read them, bool (channels,)."""
    readers = [
        np.moveaxis(read(entry.variable), entry.axis, 0)[entry.positions].reshape(group.size, -1)
        for entry in group.slices
        if entry.role == "input"
    ]
    return all_zero(group, readers)


def all_zero(group: ChannelGroup, parts: Sequence[Array]) -> NDArray[np.bool_]:
    """Return which channels are zero in all of some arrays (channels, weights); none if there are no arrays."""
    found = np.full(group.size, bool(parts))
    for rows in parts:
        found &= ~rows.any(axis=1)
    return found


def filters_of(group: ChannelGroup) -> list[Array]:
    """Return the filters that make the channels, an array (channels, weights) for each kernel."""
    return [
        np.moveaxis(read(entry.variable), entry.axis, 0)[entry.positions].reshape(group.size, -1)
        for entry in group.slices
        if entry.role == "output" and len(entry.variable.shape) > 1
    ]


def filter_likeness(group: ChannelGroup) -> tuple[FloatArray, FloatArray]:
    """Return the cosines of the filters of channels, and their factors (of the first, by norms), (channels, channels).

    Of several kernels the smallest cosine counts, and the factor of the first. Filters of one weight only are left out.
    """
    found, scale = np.full((group.size, group.size), np.nan), np.ones((group.size, group.size))
    for number, rows in enumerate(rows for rows in filters_of(group) if rows.shape[1] > 1):
        values = rows.astype(np.float64)
        norms = np.linalg.norm(values, axis=1)
        unit = values / np.where(norms > 0, norms, 1.0)[:, None]
        found = np.fmin(found, unit @ unit.T)
        if not number:
            scale = norms[None, :] / np.where(norms > 0, norms, 1.0)[:, None]
    return found, scale


def duplicates_of(
    usable: NDArray[np.bool_], filters: FloatArray, scales: FloatArray, moments: Sequence[FloatArray], threshold: float
) -> tuple[Duplicate, ...]:
    """Return pairs of channels that carry the same.

    Args:
        usable: Which channels are neither zero nor silent, bool (channels,).
        filters: Cosines of the filters.
        scales: Their factors.
        moments: Cosines, correlations and factors of the activations; empty without data.
        threshold: What counts as the same.
    """
    alike = np.minimum(np.abs(moments[0]), np.abs(moments[1])) if moments else None
    factors = moments[2] if moments else scales
    enough = np.nan_to_num(filters if alike is None else alike, nan=0.0) >= threshold
    pairs = np.argwhere(np.triu(enough & usable[:, None] & usable[None, :], 1))
    return tuple(
        Duplicate(
            first,
            second,
            float(filters[first, second]),
            None if alike is None else float(alike[first, second]),
            float(factors[first, second]),
        )
        for first, second in pairs.tolist()
    )
