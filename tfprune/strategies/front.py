"""Pareto fronts: what no other point beats in all objectives, and how much of the space that covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tfprune.strategies.base import Values

__all__ = ["crowding", "front_of", "hypervolume", "layers_of"]

Array = NDArray[np.float64]


def dominance(values: Array) -> NDArray[np.bool_]:
    """Return which of some values beats which: no worse in any objective and better in one, bool (better, worse)."""
    no_worse = (values[:, None] <= values[None]).all(axis=-1)
    found: NDArray[np.bool_] = no_worse & ~no_worse.T
    return found


def front_of(values: Sequence[Values]) -> list[int]:
    """Return which values no other beats, by the first objective; of equal ones the first; none that failed.

    Args:
        values: What points are worth.

    Returns:
        Their numbers.

    Example:
        >>> front_of([(3.0, 1.0), (2.0, 2.0), (3.0, 3.0), (1.0, 3.0)])
        [3, 1, 0]
    """
    first: dict[Values, int] = {}
    for number, value in enumerate(values):
        if np.isfinite(value).all():
            first.setdefault(tuple(value), number)
    numbers = list(first.values())
    if not numbers:
        return []
    beaten = np.any(dominance(np.array([values[n] for n in numbers], dtype=float)), axis=0)
    left = [numbers[int(place)] for place in np.flatnonzero(~beaten)]
    return sorted(left, key=lambda n: tuple(values[n]))


def layers_of(values: Sequence[Values]) -> list[list[int]]:
    """Return the numbers of values in layers: the front, the front of the rest, and so on.

    Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002.
    """
    array = np.array(values, dtype=float)
    better = dominance(array)
    left = np.ones(len(array), dtype=bool)
    layers = []
    while left.any():
        beaten = (better & left[:, None]).any(axis=0)
        layer = left & ~beaten
        layers.append([int(n) for n in np.flatnonzero(layer)])
        left &= ~layer
    return layers


def crowding(values: Array) -> Array:
    """Return how far each value of a layer is from its neighbours; the ends are infinitely far."""
    found = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        found[order[[0, -1]]] = np.inf
        if len(order) < 3 or not np.isfinite(column).all():
            continue
        spread = column[order[-1]] - column[order[0]]
        if spread > 0:
            found[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return found


def hypervolume(values: Sequence[Values], reference: Values) -> float:
    """Return the volume that some values dominate up to a reference point: more is better.

    Zitzler & Thiele, "Multiobjective evolutionary algorithms: a comparative case study", 1999; by slices along the last
    objective, exact.

    Args:
        values: What points are worth.
        reference: The worst that counts, by each objective.

    Example:
        >>> hypervolume([(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)], (4.0, 4.0))
        6.0
    """
    inside = [v for v in values if np.isfinite(v).all() and all(a < b for a, b in zip(v, reference, strict=True))]
    kept = [inside[n] for n in front_of(inside)]
    if not kept:
        return 0.0
    if len(reference) == 1:
        return float(reference[0] - kept[0][0])
    if len(reference) == 2:
        ends = [*(v[1] for v in kept)]
        tops = [reference[1], *ends[:-1]]
        return float(sum((reference[0] - v[0]) * (top - v[1]) for v, top in zip(kept, tops, strict=True)))
    kept.sort(key=lambda v: v[-1])
    total = 0.0
    for number, value in enumerate(kept):
        top = kept[number + 1][-1] if number + 1 < len(kept) else reference[-1]
        if top > value[-1]:
            total += (top - value[-1]) * hypervolume([v[:-1] for v in kept[: number + 1]], reference[:-1])
    return total
