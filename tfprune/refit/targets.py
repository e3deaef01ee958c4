"""What a layer of a smaller network gets, and what it should make of that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.graph.cut import Cut
from tfprune.refit.forms import Array, Form, Places
from tfprune.refit.sites import Site
from tfprune.refit.store import Store

__all__ = ["Rows", "Targets"]

KEPT_BYTES = 2**28
"""Rows that take no more than this are kept for the next time."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a layer.

    Args:
        x: What it gets, float (blocks, rows, inputs).
        targets: What it should make of that, float (blocks, rows, outputs).
        enters: What enters an activation that cuts off when it does, float (blocks, rows, outputs); None if none does.
        slope: How much of a change of an output enters there, float like `enters`.
    """

    x: Array
    targets: Array
    enters: Array | None = None
    slope: Array | None = None

    def excused(self, made: Array, bounds: tuple[float, float]) -> Array:
        """Return targets that ask of what is cut off no more than to stay so, whatever its value.

        Args:
            made: What the layer makes, float (blocks, rows, outputs).
            bounds: Where the activation cuts off.
        """
        if self.enters is None or self.slope is None:
            return self.targets
        low, high = bounds
        entering = self.enters + self.slope * (made - self.targets)
        wanted = np.where(self.enters <= low, np.minimum(entering, low), self.enters)
        wanted = np.where(self.enters >= high, np.maximum(entering, high), wanted)
        missing = np.divide(wanted - self.enters, self.slope, out=np.zeros_like(made), where=self.slope != 0)
        return self.targets + missing


class Targets:
    """The rows of one layer, batch by batch; the same ones each time.

    Args:
        site: The layer.
        cut: What the smaller network has of the whole one.
        store: The tensors of the whole network, and of the smaller one.
        corrected: Whether the sum that the result goes into is to be what it was, errors of the shortcut included.
        excused: Whether to say what enters an activation that cuts off.
    """

    def __init__(self, site: Site, cut: Cut, store: Store, *, corrected: bool, excused: bool) -> None:
        self.site, self.cut, self.store = site, cut, store
        self.teacher, self.student = store.networks
        self.corrected = corrected
        self.form = self.student.form(site)
        self.bounds = site.bounds if excused and (corrected or site.total is None) else None
        self._whole = self.teacher.form(site)
        self._numbers = output_numbers(site, self.form, cut)
        self._scale = float(site.node.rule.weights(site.node, cut, site.form.kernel, np.ones(1))[0])
        self._places: list[Places] = []
        self._kept: list[Rows] | None = []

    def __iter__(self) -> Iterator[Rows]:
        if self._kept:
            yield from self._kept
            return
        size = 0
        for number, rows in enumerate(self._compute()):
            size += sum(0 if part is None else part.nbytes for part in vars(rows).values())
            if size > KEPT_BYTES:
                self._kept = None
            elif self._kept is not None and len(self._kept) == number:
                self._kept.append(rows)
            yield rows

    def _compute(self) -> Iterator[Rows]:
        site = self.site
        slope = self.student.slope(site) if self.corrected or self.bounds is not None else np.ones(1)
        shift = self.student.shift(site) if self.bounds is not None else np.zeros(1)
        wanted = [tensor.index for tensor in site.node.inputs]
        total = site.total.results[0] if site.total is not None else None
        if self.corrected:
            wanted += [tensor.index for tensor in site.others]
            wanted += [total.index] if total is not None and self.bounds is not None else []
        matrix, bias = self._whole.weights * self._scale, self._whole.offsets[:, None] * self._scale
        for number, (given, own) in enumerate(self.store.values(wanted)):
            if len(self._places) == number:
                self._places.append(self.store.places(site, self.form.size[1], self.student))
            places = self._places[number]
            inputs, shape = self.student.feed(site, own)
            right, whole_shape = self.teacher.feed(site, given)
            targets = pick(self._whole.rows(right, whole_shape, places) @ matrix + bias, self._numbers)
            if self.corrected:
                missing: Any = sum(
                    self._left(tensor, given[tensor.index]) - own[tensor.index] for tensor in site.others
                )
                targets = targets + self._at(missing / slope, places)
            rows = self.form.rows(inputs, shape, places)
            if self.bounds is None:
                yield Rows(rows, targets)
                continue
            count = len(own[site.node.inputs[0].index])
            each = self._at(np.broadcast_to(np.where(np.isinf(slope), 0.0, slope), (count, *slope.shape[1:])), places)
            if total is None:
                enters = each * targets + self._at(np.broadcast_to(shift, (count, *shift.shape[1:])), places)
            else:
                enters = self._at(self._left(total, given[total.index]), places)
            yield Rows(rows, targets, enters, each)

    def _at(self, values: Array, places: Places) -> Array:
        """Return some rows of a tensor that has the shape of the layer's outputs."""
        return self.form.targets(np.ascontiguousarray(self.site.by_sample(values)), places)

    def _left(self, tensor: Any, values: Array) -> Array:
        """Return what the smaller network has of a tensor of the whole one."""
        for axis, labels in enumerate(self.cut.axes(tensor)):
            if labels is not None:
                values = values.take(self.cut.kept(labels), axis=axis)
        return values


def output_numbers(site: Site, form: Form, cut: Cut) -> NDArray[np.int64]:
    """Return the number of each output of a smaller layer among those of the whole one, int64 (blocks, outputs)."""
    whole = site.form
    found: NDArray[np.int64] = form.matrix(cut.slice(whole.kernel, whole.numbers()))[:, 0]
    return found


def pick(targets: Array, numbers: NDArray[np.int64]) -> Array:
    """Return some outputs, (blocks, rows, outputs), of those of the whole layer."""
    flat = targets.transpose(1, 0, 2).reshape(targets.shape[1], -1)
    return flat[:, numbers].transpose(1, 0, 2)
