"""Moving labels through a graph: what a rule is given to read, bind and unify them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfprune.graph.labels import Axis, Labels
from tfprune.graph.node import Node, Tensor

__all__ = ["Flow", "Term", "Walk"]


@dataclass(frozen=True)
class Flow:
    """The labels of one tensor.

    Args:
        axes: Labels of each axis.
        silent: Whether a channel is exactly zero here once everything that makes it has been set to zero.
        why: Why axes without labels keep their size.

    Example:
        >>> flow = Flow((None, np.array([0, 1, 2])))  # a batch of vectors of three channels
        >>> flow.labelled, flow.axes[-1].tolist()
        ([1], [0, 1, 2])
    """

    axes: tuple[Axis, ...]
    silent: bool = True
    why: str = ""

    @property
    def labelled(self) -> list[int]:
        """Numbers of the axes that have labels."""
        return [number for number, axis in enumerate(self.axes) if axis is not None]


@dataclass(frozen=True)
class Term:
    """A part of a cost: `factor` times how many positions are kept on each of some axes.

    Args:
        factor: The part that does not change.
        axes: Labels of the axes that it grows with.
        kernel: The weights that are multiplied with, if they are one variable.

    Example:
        >>> Term(9, (np.arange(3), np.arange(16))).whole  # a 3 × 3 convolution of 3 channels to 16, at one position
        432
    """

    factor: int
    axes: tuple[Axis, ...]
    kernel: keras.Variable | None = None

    @property
    def whole(self) -> int:
        """The cost when nothing is removed."""
        return self.factor * math.prod(len(axis) for axis in self.axes if axis is not None)


class Walk:
    """The state of one walk over a graph.

    Attributes:
        labels: All labels.
        flows: Labels of each tensor, by its index.
        sites: Labels of each axis of each variable that has been seen, by `id` of the variable.
        macs: Multiply-accumulates of each node for one sample, by the position of the node.
        constants: Labels of the axes of constant operands, by `id`.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)])
        >>> walk = tfprune.graph.trace(model).walk
        >>> sum(term.whole for terms in walk.macs.values() for term in terms)
        40
        >>> len(walk.axis(model.get_layer("hidden").kernel, 1))  # a label for each channel
        4
    """

    def __init__(self) -> None:
        self.labels = Labels()
        self.flows: dict[int, Flow] = {}
        self.sites: dict[int, list[Any]] = {}
        self.variables: dict[int, keras.Variable] = {}
        self.makers: dict[int, list[tuple[Node, Any]]] = {}
        self.macs: dict[int, list[Term]] = {}
        self.constants: dict[int, tuple[Axis, ...]] = {}
        self.node: Node | None = None
        self.position = -1

    @property
    def here(self) -> str:
        """Path of the node that the walk is at."""
        return self.node.path if self.node is not None else ""

    def flow(self, value: Any) -> Flow:
        """Return the labels of an operand: a tensor, a variable or a constant."""
        if isinstance(value, Tensor):
            return self.flows[value.index]
        if isinstance(value, keras.Variable):
            return Flow(tuple(self.axis(value, number) for number in range(len(value.shape))), silent=True)
        return Flow((None,) * np.ndim(value), silent=not np.any(value), why="a constant")

    # Variables: an axis of a variable has the same labels wherever the variable is used.

    def axis(self, variable: keras.Variable, axis: int) -> Axis:
        """Return the labels of a variable's axis, new ones at its first use."""
        sites = self._sites(variable)
        axis %= len(sites)
        if isinstance(sites[axis], str):
            size = variable.shape[axis]
            sites[axis] = self.labels.fresh(size) if size > 1 else None
        labels: Axis = sites[axis]
        return labels

    def make(self, variable: keras.Variable, axis: int) -> Axis:
        """Return the labels of an axis along which a variable makes channels, and note who makes them."""
        labels = self.axis(variable, axis)
        self.made_by(variable, labels)
        return labels

    def made_by(self, variable: keras.Variable, labels: Axis) -> None:
        """Note that a variable makes channels along an axis that has been bound to their labels."""
        if labels is not None and self.node is not None:
            self.makers.setdefault(id(variable), []).append((self.node, labels))

    def bind(self, variable: keras.Variable | None, axis: int, labels: Axis, why: str = "") -> None:
        """Say that the positions along a variable's axis have these labels."""
        if variable is None:
            return
        sites = self._sites(variable)
        axis %= len(sites)
        if isinstance(sites[axis], str):
            sites[axis] = labels
        else:
            self.same(sites[axis], labels, why or f"{variable.path} is shared with something that keeps its size")
            if sites[axis] is None and labels is not None:
                sites[axis] = labels  # fixed by `same`

    def _sites(self, variable: keras.Variable) -> list[Any]:
        if id(variable) not in self.sites:
            self.variables[id(variable)] = variable
            self.sites[id(variable)] = ["unseen"] * len(variable.shape)
        return self.sites[id(variable)]

    # Axes

    def same(self, left: Axis, right: Axis, why: str) -> Axis:
        """Make two axes equal and return their labels; where one keeps its size, the other has to."""
        if left is None or right is None:
            known = right if left is None else left
            self.labels.fix(known, why)
            return known
        if len(left) != len(right):
            self.fix([left, right], why)
            return left
        self.labels.unify(left, right)
        return left

    def fix(self, axes: Sequence[Axis], why: str) -> None:
        """Forbid the removal of anything along some axes."""
        for axis in axes:
            self.labels.fix(axis, why)

    def broadcast(self, values: Sequence[Any], silent: Callable[[list[bool]], bool]) -> Flow:
        """Unify operands that are combined element by element, with NumPy's broadcasting.

        Args:
            values: Tensors, variables, arrays or numbers.
            silent: Whether a removed channel of the result is zero, from whether it is zero in each of the operands:
                `all` for a sum, `any` for a product. An operand that is broadcast along the channels is not.
        """
        flows = [self.flow(value) for value in values]
        shapes = [tuple(value.shape) if hasattr(value, "shape") else np.shape(value) for value in values]
        rank = max(map(len, shapes))
        axes: list[Axis] = []
        for back in range(rank, 0, -1):
            parts = [
                (flow, flow.axes[-back], value)
                for flow, shape, value in zip(flows, shapes, values, strict=True)
                if len(shape) >= back and shape[-back] != 1
            ]
            movable = [part for part in parts if is_movable(part[2])]
            known: Axis = movable[0][1] if movable else None
            for _, other, _ in movable[1:]:
                if known is None and other is None:
                    continue
                why = next((f.why for f, axis, _ in movable if axis is None and f.why), "a tensor that keeps its size")
                known = self.same(known, other, f"joined at {self.here} with {why}")
            axes.append(known)
        for value, shape in zip(values, shapes, strict=True):
            if not is_movable(value) and shape:
                own = axes[rank - len(shape) :]
                known_axes = tuple(a if n != 1 else None for a, n in zip(own, shape, strict=True))
                before = self.constants.get(id(value), known_axes)  # one that comes again is cut alike
                why = f"{self.here} uses a constant that is used elsewhere too"
                self.constants[id(value)] = tuple(
                    self.same(a, b, why) if a is not None or b is not None else None
                    for a, b in zip(before, known_axes, strict=True)
                )
        why = next((flow.why for flow in flows if flow.why and flow.why != "a constant"), "")
        labelled = [rank - number for number, axis in enumerate(axes) if axis is not None]
        zeros = [
            flow.silent and (not is_movable(value) or all(len(shape) >= n and shape[-n] != 1 for n in labelled))
            for flow, shape, value in zip(flows, shapes, values, strict=True)
        ]
        return Flow(tuple(axes), silent(zeros), why)

    # Costs

    def count(
        self,
        factor: int | None,
        *axes: Axis,
        sizes: Sequence[int | None] = (),
        kernel: keras.Variable | None = None,
    ) -> None:
        """Add multiply-accumulates for one sample.

        Args:
            factor: How many there are for each combination of positions along `axes`; None if that is not known.
            *axes: Axes that they grow with.
            sizes: Sizes of these axes, which stand in for those without labels.
            kernel: The weights that are multiplied with, if they are one variable.
        """
        if factor is None:
            return
        known: list[Axis] = []
        for number, axis in enumerate(axes):
            if axis is not None:
                known.append(axis)
            elif number < len(sizes):
                factor *= sizes[number] or 1
        self.macs.setdefault(self.position, []).append(Term(factor, tuple(known), kernel))


def is_movable(value: Any) -> bool:
    """Whether an operand brings labels of its own: a tensor or a variable, and not a constant."""
    return isinstance(value, Tensor | keras.Variable)
