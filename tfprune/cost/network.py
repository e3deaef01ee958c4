"""What a network costs, whole or with channels removed: parameters, bytes, multiply-accumulates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.graph import Graph
from tfprune.graph.labels import Axis

__all__ = ["Cost", "CostModel", "Timing", "compared"]


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Args:
        parameters: Number of weights, those of normalisations included.
        bytes: Bytes of the weights.
        macs: Multiply-accumulates for one sample: of convolutions, products with kernels and products of tensors.
        latency: Milliseconds for one sample on this machine (`tfprune.latency`); None if nobody asked for it.
        quantize: Which file's latency that is, as in `Budget`: None for float32, or `"int8"`.

    Example:
        >>> print(Cost(parameters=1_250, bytes=5_000, macs=90_000))
        1,250 parameters, 5,000 bytes, 90,000 MACs
    """

    parameters: int
    bytes: int
    macs: int
    latency: float | None = None
    quantize: str | None = None

    def __str__(self) -> str:
        stored = "" if self.quantize is None else f" as {self.quantize}"
        time = "" if self.latency is None else f", {self.latency:.3f} ms{stored}"
        return f"{self.parameters:,} parameters, {self.bytes:,} bytes, {self.macs:,} MACs{time}"


class Timing(Protocol):
    """Tells what a network takes on a device."""

    @property
    def quantize(self) -> str | None:
        """Which file's latency that is."""

    def cost(self, kept: NDArray[Any]) -> float:
        """Return the milliseconds that it takes when some labels are kept, or a part of each."""

    def shares(self, kept: NDArray[Any]) -> NDArray[np.float64]:
        """Return the milliseconds that removing one more channel saves, float (labels,)."""


class CostModel:
    """The cost of a graph as a function of which channels are kept.

    Every part of it is a number times the sizes of some axes, so that a plan is priced in well under a millisecond
    for a usual network, without making it.

    Args:
        graph: A traced model.
        timing: What it takes on a device; None if nobody asks for that.

    Attributes:
        whole: What the network costs whole.
        by_kernel: Multiply-accumulates with each kernel, by `id` of the variable; none of a kernel in an opaque
            operation, or whose inputs have an unknown size.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="hidden"), keras.layers.Dense(2)])
        >>> graph = tfprune.graph.trace(model)
        >>> costs = CostModel(graph)
        >>> without_four = graph.kept(graph.group("hidden").labels[:4])
        >>> costs.whole.macs, costs.cost(without_four).macs
        (160, 120)
    """

    def __init__(self, graph: Graph, timing: Timing | None = None) -> None:
        self._graph = graph
        self._timing = timing
        self._axes: dict[int, int] = {}
        self._labels: list[NDArray[np.int64]] = []
        macs = [(term.factor, term.axes) for terms in graph.walk.macs.values() for term in terms]
        self._macs = self._pack(macs)
        weights = [(variable, self._weights(variable)) for variable in graph.model.weights]
        self._parameters = self._pack([part for _, part in weights])
        self._bytes = self._pack([(factor * size_of(variable), axes) for variable, (factor, axes) in weights])
        self._all = np.concatenate(self._labels) if self._labels else np.zeros(0, dtype=np.int64)
        self._starts = np.cumsum([0, *(len(labels) for labels in self._labels)])[:-1]
        self.by_kernel: dict[int, int] = {}
        for terms in graph.walk.macs.values():
            for term in terms:
                if term.kernel is not None:
                    self.by_kernel[id(term.kernel)] = self.by_kernel.get(id(term.kernel), 0) + term.whole
        self.whole = self.cost(np.ones(len(graph.walk.labels), dtype=bool))

    def cost(self, kept: NDArray[np.bool_]) -> Cost:
        """Return the cost when some labels are kept.

        Args:
            kept: For each label of the graph whether it is kept, bool (labels,); see `Graph.kept`.
        """
        counts = np.add.reduceat(kept[self._all], self._starts, dtype=np.int64) if len(self._all) else self._starts
        padded = np.append(counts, 1)
        parameters, size, macs = (
            int((factors * padded[axes].prod(axis=1)).sum())
            for factors, axes in (self._parameters, self._bytes, self._macs)
        )
        if self._timing is None:
            return Cost(parameters, size, macs)
        return Cost(parameters, size, macs, self._timing.cost(kept), self._timing.quantize)

    def shares(self, kept: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        """Return what removing one more channel saves of each cost, with all labels that go with it.

        Args:
            kept: For each label of the graph whether it is kept, bool (labels,).

        Returns:
            For `"parameters"`, `"bytes"` and `"macs"`, and for `"latency"` if there is a timing: float (labels,), to be
            read at the labels of channels.
        """
        _, slopes = self._along(kept.astype(np.float64))
        result = {name: self._graph.gathered(np.where(kept, of_label, 0.0)) for name, of_label in slopes.items()}
        if self._timing is not None:
            result["latency"] = self._timing.shares(kept)
        return result

    def expected(self, opening: NDArray[np.float64]) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
        """Return the expected cost when each label is kept with some probability, and its slope along each channel's.

        Costs are products of numbers of channels, and channels are kept or not by themselves. An axis that is in a
        product twice is an approximation, as is an interpolated latency.

        Args:
            opening: The probability of each label, float (labels,); see `Graph.spread`.

        Returns:
            Costs by name as in `shares`, and slopes, float (labels,), to be read at the labels of channels.
        """
        values, slopes = self._along(opening)
        found = {name: self._graph.gathered(of_label) for name, of_label in slopes.items()}
        if self._timing is not None:
            values["latency"], found["latency"] = self._timing.cost(opening), self._timing.shares(opening)
        return values, found

    def _along(self, opening: NDArray[np.float64]) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
        """Return costs when a part of each label is kept, and their slopes along each label."""
        counts = np.add.reduceat(opening[self._all], self._starts) if len(self._all) else np.zeros(0)
        padded = np.append(counts, 1.0)
        lengths = np.diff(np.append(self._starts, len(self._all)))
        values, slopes = {}, {}
        for name, (factors, axes) in (
            ("parameters", self._parameters), ("bytes", self._bytes), ("macs", self._macs)
        ):  # fmt: skip
            products = factors * padded[axes].prod(axis=1)
            of_axis = np.zeros(len(padded))
            for column in axes.T:
                np.add.at(of_axis, column, products / np.maximum(padded[column], 1e-9))
            of_label = np.zeros(len(opening))
            np.add.at(of_label, self._all, np.repeat(of_axis[:-1], lengths))
            values[name], slopes[name] = float(products.sum()), of_label
        return values, slopes

    def _weights(self, variable: keras.Variable) -> tuple[int, tuple[Axis, ...]]:
        sites = self._graph.walk.sites.get(id(variable), [None] * len(variable.shape))
        labelled = [None if isinstance(site, str) else site for site in sites]
        fixed = math.prod(size for size, site in zip(variable.shape, labelled, strict=True) if site is None)
        return fixed, tuple(labelled)

    def _pack(self, parts: list[tuple[int, tuple[Axis, ...]]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the factors, and the numbers of the axes of each part, −1 where it has fewer than others."""
        rows = [[self._number(axis) for axis in axes if axis is not None] for _, axes in parts]
        table = np.full((len(parts), max(map(len, rows), default=0)), -1, dtype=np.int64)
        for row, numbers in zip(table, rows, strict=True):
            row[: len(numbers)] = numbers
        return np.array([factor for factor, _ in parts], dtype=np.int64), table

    def _number(self, labels: NDArray[np.int64]) -> int:
        if id(labels) not in self._axes:
            self._axes[id(labels)] = len(self._labels)
            self._labels.append(labels)
        return self._axes[id(labels)]


def size_of(variable: keras.Variable) -> int:
    """Return the bytes of one element."""
    return int(np.dtype("uint16" if variable.dtype == "bfloat16" else variable.dtype).itemsize)


def compared(before: Cost, after: Cost) -> list[str]:
    """Return a line for each cost of two networks; for latencies if they are known."""
    pairs = (
        ("parameters", before.parameters, after.parameters),
        ("bytes", before.bytes, after.bytes),
        ("MACs", before.macs, after.macs),
    )
    lines = [f"  {name:<10} {old:>15,} -> {new:>13,}  ({new / max(old, 1):.1%})" for name, old, new in pairs]
    if before.latency is not None and after.latency is not None:
        part = after.latency / max(before.latency, 1e-12)
        told = "predicted" if after.quantize is None else f"predicted as {after.quantize}"
        lines.append(f"  {'latency':<10} {before.latency:>12.3f} ms -> {after.latency:>10.3f} ms  ({part:.1%}, {told})")
    return lines
