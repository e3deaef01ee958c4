"""Structured Optimal Brain Surgeon: in which order channels go, and what each costs, when the others make up for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.refit.gram import Gram

__all__ = ["Reader", "removal_order"]

Array = NDArray[Any]
IntArray = NDArray[np.int64]


class Reader:
    """A linear layer that reads channels.

    Args:
        gram: Moments of its inputs, with a bias.
        matrix: Its matrix with the bias as the last input, float (blocks, inputs, outputs), scaled so that squared
            errors of outputs compare.
    """

    def __init__(self, gram: Gram, matrix: Array) -> None:
        self.gram = gram
        self.matrix = matrix

    @cached_property
    def inverse(self) -> Array:
        """The inverse of the moments of a row, with a ridge."""
        return np.linalg.inv(self.gram.ridged / max(self.gram.rows, 1))

    def alone(self, rows: IntArray) -> Array:
        """Return the squared error without each channel when nothing makes up for it but the bias, (channels,)."""
        x = np.concatenate(self.gram.kept, axis=1)[:, :, :-1]
        made = [x[:, :, own] @ self.matrix[:, own] for own in rows]
        return np.array([part.var(axis=1).sum() for part in made])


def removal_order(
    readers: Sequence[tuple[Reader, IntArray]], channels: int, *, given: IntArray | None = None, steps: int = 256
) -> tuple[IntArray, Array]:
    """Remove channels one by one, always the one that costs least, and let the others make up for it.

    Without channel c, with inputs j, the best that the other inputs can do leaves the squared error
    `tr(W_jᵀ (H⁻¹_jj)⁻¹ W_j)` more, at `W ← W − H⁻¹_:j (H⁻¹_jj)⁻¹ W_j` (Optimal Brain Surgeon for a block of weights;
    Hassibi & Stork, "Second order derivatives for network pruning", 1993).

    Args:
        readers: The layers that read the channels, each with the inputs that a channel is, int (channels, inputs); the
            same in each block. Of one with very many inputs each channel is judged alone.
        channels: How many there are.
        given: The order in which they go, if that is decided; then only the costs are found.
        steps: Of more channels than this, several go at once.

    Returns:
        The channels in the order in which they go, int64 (channels,), and the squared error that each adds, float
        (channels,). The last channel's is what is left when nothing is.

    Example:
        >>> gram = Gram(1, 3, 1)
        >>> gram.add(np.random.default_rng(0).normal(size=(1, 10_000, 3)) * [1, 2, 1])
        >>> reader = Reader(gram, np.array([[[1.0], [1.0], [3.0], [0.0]]]))
        >>> order, costs = removal_order([(reader, np.arange(3)[:, None])], 3)
        >>> order.tolist(), costs.round().tolist()
        ([0, 1, 2], [1.0, 4.0, 9.0])
    """
    work: list[_Work | _Alone] = [
        _Alone(reader.alone(rows)) if reader.gram.wide else _Work(reader, rows) for reader, rows in readers
    ]
    alive = np.arange(channels)
    order: list[int] = []
    costs: list[float] = []
    each = max(1, -(-channels // steps))
    while len(alive):
        scores = np.sum([one.costs(alive) for one in work], axis=0) if work else np.zeros(len(alive))
        if given is None:
            gone = np.argsort(scores, kind="stable")[:each]
        else:
            after = given[len(order) : len(order) + each]
            gone = np.array([int(np.flatnonzero(alive == channel)[0]) for channel in after])
        order.extend(alive[gone].tolist())
        if len(gone) > 1:
            together = sum(one.costs_together(alive[gone]) for one in work)
            costs.extend([together / len(gone)] * len(gone))
        else:
            costs.extend(scores[gone].tolist())
        for one in work:
            one.remove(alive[gone])
        alive = np.delete(alive, gone)
    return np.array(order, dtype=np.int64), np.array(costs)


class _Alone:
    """One reader of which each channel is judged alone."""

    def __init__(self, costs: Array) -> None:
        self._costs = costs

    def costs(self, alive: IntArray) -> Array:
        return self._costs[alive]

    def costs_together(self, gone: IntArray) -> float:
        return float(self._costs[gone].sum())

    def remove(self, gone: IntArray) -> None:
        """Nothing makes up for what has gone."""


class _Work:
    """One reader while channels go."""

    def __init__(self, reader: Reader, rows: IntArray) -> None:
        self.inverse = reader.inverse.copy()
        self.matrix = reader.matrix.copy()
        self.rows = rows
        self.gone = np.zeros(self.inverse.shape[1], dtype=bool)

    def costs(self, alive: IntArray) -> Array:
        rows = self.rows[alive]
        inner = self.inverse[:, rows[:, :, None], rows[:, None, :]]
        w = self.matrix[:, rows]
        if rows.shape[1] == 1:
            return (np.square(w[:, :, 0]).sum(axis=-1) / inner[:, :, 0, 0]).sum(axis=0)
        return np.einsum("bcko,bcko->c", w, np.linalg.solve(inner, w))

    def costs_together(self, gone: IntArray) -> float:
        j = self.rows[gone].reshape(-1)
        w = self.matrix[:, j]
        return float((w * np.linalg.solve(self.inverse[:, j[:, None], j[None]], w)).sum())

    def remove(self, gone: IntArray) -> None:
        j = self.rows[gone].reshape(-1)
        columns = self.inverse[:, :, j]
        step = np.linalg.solve(self.inverse[:, j[:, None], j[None]], columns.transpose(0, 2, 1)).transpose(0, 2, 1)
        self.matrix -= step @ self.matrix[:, j]
        self.inverse -= step @ columns.transpose(0, 2, 1)
        self.gone[j] = True
        if np.count_nonzero(self.gone) > len(self.gone) // 4:  # what is gone is only in the way
            self._compact()

    def _compact(self) -> None:
        kept = np.flatnonzero(~self.gone)
        places = np.zeros(len(self.gone), dtype=np.int64)
        places[kept] = np.arange(len(kept))
        self.rows = places[self.rows]
        self.inverse = self.inverse[:, kept[:, None], kept[None]]
        self.matrix = self.matrix[:, kept]
        self.gone = np.zeros(len(kept), dtype=bool)
