"""Channel labels: which positions of which axes live and die together, by union–find over NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Axis", "Labels"]

IntArray = NDArray[np.int64]

Axis: TypeAlias = "IntArray | None"
"""Labels of the positions along one axis, int64 (size,); None for an axis that keeps its size."""


class Labels:
    """Labels and what is known about them.

    A label stands for something that can be removed: one channel. `unify` makes labels equal, `fix` forbids their
    removal, and `product` makes labels of pairs, which go as soon as either part goes (the merged axis of heads × head
    dimension). Everything works on whole arrays of labels.
    """

    def __init__(self) -> None:
        self._parent = np.zeros(0, dtype=np.int64)
        self._size = 0
        self._fixed: list[tuple[IntArray, str]] = []
        self._inexact: list[tuple[IntArray, str]] = []
        self._pairs: list[tuple[IntArray, IntArray, IntArray]] = []

    def __len__(self) -> int:
        return self._size

    def fresh(self, count: int) -> IntArray:
        """Return `count` new labels."""
        first, self._size = self._size, self._size + count
        if self._size > len(self._parent):
            self._parent = np.concatenate([self._parent, np.arange(len(self._parent), 2 * self._size + 64)])
        return np.arange(first, self._size)

    def find(self, labels: IntArray) -> IntArray:
        """Return the representative of each label: the lowest one that it is equal to."""
        root: IntArray = self._parent[labels]
        while True:
            above: IntArray = self._parent[root]
            if np.array_equal(above, root):
                break
            root = above
        self._parent[labels] = root  # the next search is shorter
        return root

    def unify(self, left: IntArray, right: IntArray) -> None:
        """Make labels equal, pair by pair."""
        while True:
            left, right = self.find(left), self.find(right)
            differ = left != right
            if not differ.any():
                return
            left, right = left[differ], right[differ]
            np.minimum.at(self._parent, np.maximum(left, right), np.minimum(left, right))

    def unify_rows(self, labels: IntArray) -> IntArray:
        """Make all rows of labels (rows, columns) equal to the first, and return the first."""
        first = labels[:1]
        self.unify(np.broadcast_to(first, labels[1:].shape).reshape(-1), labels[1:].reshape(-1))
        row: IntArray = labels[0]
        return row

    def fix(self, labels: Axis, reason: str) -> None:
        """Forbid the removal of labels."""
        if labels is not None:
            self._fixed.append((labels, reason))

    def mark_inexact(self, labels: Axis, reason: str) -> None:
        """Note that removing labels changes what the others compute, even if the removed channels are all zero."""
        if labels is not None:
            self._inexact.append((labels, reason))

    def product(self, first: IntArray, second: IntArray) -> IntArray:
        """Return labels of all pairs, first-major; a pair is removed if either of its parts is."""
        pairs = self.fresh(len(first) * len(second))
        self._pairs.append((pairs, np.repeat(first, len(second)), np.tile(second, len(first))))
        return pairs

    def split(self, labels: IntArray, shape: tuple[int, ...]) -> list[Axis]:
        """Return labels for the axes that one axis is reshaped to, so that what is kept stays rectangular.

        An axis along which nothing varies gets None. Where the labels vary along several axes, each of these gets new
        labels of its own, and the given ones become their products.

        Args:
            labels: Labels of the axis, (prod(shape),).
            shape: Sizes of the new axes.
        """
        grid = self.find(labels).reshape(shape)
        varies = [axis for axis in range(grid.ndim) if (grid != grid.take([0], axis=axis)).any()]
        if len(varies) < 2:
            axis = varies[0] if varies else int(np.argmax(shape))
            along = np.moveaxis(labels.reshape(shape), axis, -1).reshape(-1, shape[axis])
            self.unify_rows(along)
            return [along[0] if other == axis else None for other in range(grid.ndim)]
        axes: list[Axis] = [self.fresh(size) if axis in varies else None for axis, size in enumerate(shape)]
        parts = [part for part in axes if part is not None]
        result = parts[0]
        for part in parts[1:]:
            result = self.product(result, part)
        uniform: NDArray[Any] = labels.reshape(shape)
        for axis in range(grid.ndim - 1, -1, -1):
            if axis not in varies:
                along = np.moveaxis(uniform, axis, 0).reshape(shape[axis], -1)
                self.unify_rows(along)
                uniform = np.asarray(uniform.take(0, axis=axis))
        self.unify(uniform.reshape(-1), result)
        return axes

    def resolve(self) -> Resolved:
        """Return what all labels have come to, after the last of them has been made."""
        while self._merge_equal_products():
            continue
        parts: dict[int, tuple[int, ...]] = {}
        for pairs, first, second in self._pairs:
            for pair, a, b in zip(*(self.find(labels).tolist() for labels in (pairs, first, second)), strict=True):
                if pair in (a, b):  # what removes one part would have to remove the other
                    self.fix(np.array([a, b]), "it is a part of itself")
                else:
                    parts.setdefault(pair, (a, b))
        return Resolved(
            self.find(np.arange(self._size)), parts, self._reasons(self._fixed), self._reasons(self._inexact)
        )

    def _merge_equal_products(self) -> bool:
        """Make the parts of equal products equal; return whether anything changed."""
        if not self._pairs:
            return False
        pairs, first, second = (self.find(np.concatenate([entry[part] for entry in self._pairs])) for part in range(3))
        order = np.argsort(pairs, kind="stable")
        pairs, first, second = pairs[order], first[order], second[order]
        same = pairs[1:] == pairs[:-1]
        before = self._parent[: self._size].copy()
        for part in (first, second):
            self.unify(part[1:][same], part[:-1][same])
        return not np.array_equal(before, self._parent[: self._size])

    def _reasons(self, notes: Iterable[tuple[IntArray, str]]) -> dict[int, str]:
        reasons: dict[int, str] = {}
        for labels, reason in notes:
            for label in np.unique(self.find(labels)).tolist():
                reasons.setdefault(label, reason)
        return reasons


class Resolved:
    """What labels have come to.

    Args:
        root: The representative of each label, int64 (labels,).
        parts: Representatives that are products, and the two parts of each.
        fixed: Representatives that may not be removed, and why; a product that may not go holds its parts too.
        inexact: Representatives whose removal is not exact, and why.
    """

    def __init__(
        self, root: IntArray, parts: dict[int, tuple[int, ...]], fixed: dict[int, str], inexact: dict[int, str]
    ) -> None:
        self.root = root
        self.parts = {pair: self._find_leaves(pair, parts) for pair in parts}
        most = max(map(len, self.parts.values()), default=1)
        padded = [(*leaves, *(leaves[-1],) * (most - len(leaves))) for leaves in self.parts.values()]
        self._products = np.array(list(self.parts), dtype=np.int64)
        self._leaves = np.array(padded, dtype=np.int64).reshape(-1, most)
        self.is_product = np.zeros(len(root), dtype=bool)
        self.is_product[list(self.parts)] = True
        self.fixed = self._spread(fixed)
        self.inexact = self._spread(inexact)

    def removed(self, gone: Iterable[int]) -> NDArray[np.bool_]:
        """Return for each label whether it is removed when the labels in `gone` are, bool (labels,)."""
        is_gone = np.zeros(len(self.root), dtype=bool)
        is_gone[np.asarray(list(gone), dtype=np.int64)] = True
        is_gone[self._products] = is_gone[self._leaves].any(axis=1)
        return is_gone[self.root]

    def spread(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return for each label the value of its channel; the product of its parts' for a product."""
        found = np.array(values, dtype=np.float64)
        for column, leaves in enumerate(self._leaves.T):
            if column == 0:
                found[self._products] = found[leaves]
                continue
            real = leaves != self._leaves[:, column - 1]  # the last one fills the rest
            found[self._products[real]] *= found[leaves[real]]
        return found[self.root]

    def gathered(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return for each label that stands for others the sum of what all labels have that go with it."""
        sums = np.bincount(self.root, values, minlength=len(self.root))
        found: NDArray[np.float64] = sums.copy()
        for column, leaves in enumerate(self._leaves.T):
            real = slice(None) if column == 0 else leaves != self._leaves[:, column - 1]  # the last one fills the rest
            np.add.at(found, leaves[real], sums[self._products[real]])
        return found

    def leaves(self, label: int) -> tuple[int, ...]:
        """Return the labels that remove a label: itself, or the parts of a product."""
        return self.parts.get(label, (label,))

    def _find_leaves(self, label: int, parts: dict[int, tuple[int, ...]], depth: int = 0) -> tuple[int, ...]:
        if label not in parts or depth > 8:
            return (label,)
        return tuple(dict.fromkeys(leaf for part in parts[label] for leaf in self._find_leaves(part, parts, depth + 1)))

    def _spread(self, reasons: dict[int, str]) -> dict[int, str]:
        spread = dict(reasons)
        for label, reason in reasons.items():
            for leaf in self.leaves(label):
                spread.setdefault(leaf, reason)
        return spread
