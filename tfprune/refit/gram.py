"""Least squares from streams: what is left of the samples is two small matrices, or the rows if these are fewer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["WIDE", "Gram"]

Array = NDArray[Any]
WIDE = 6000
"""Of more inputs than this the rows are kept, and not the square matrix of their moments."""

SMALL_ENOUGH = 1e-6
"""Conjugate gradients end when what is left is this part of what there was."""

MOST_STEPS = 200


def at_least_single(values: Array) -> Array:
    """Return values in single precision, or in double if they are."""
    return values.astype(np.promote_types(values.dtype, np.float32), copy=False)


class Gram:
    """Sums over rows from which the best matrix of a linear layer follows, for each of its blocks.

    With rows `P = [x, 1]` and targets `T` it holds `PᵀP`, `PᵀT` and `diag(TᵀT)`, whatever the number of rows. Without
    targets it holds `PᵀP` alone.

    Args:
        blocks: Number of blocks.
        inputs: Inputs of a block.
        outputs: Outputs of a block.
        intercept: Whether there is a bias to be found.
        ridge: How much a change of weights costs, relative to the mean square sum of an input.

    Example:
        >>> gram = Gram(1, 2, 1, ridge=1e-12)
        >>> x = np.random.default_rng(0).normal(size=(1, 50, 2))
        >>> gram.add(x, x @ np.array([[[2.0], [3.0]]]) + 5)
        >>> matrix, bias = gram.solve(np.zeros((1, 2, 1)), np.zeros((1, 1)))
        >>> matrix.round(3).ravel().tolist(), bias.round(3).ravel().tolist()
        ([2.0, 3.0], [5.0])
    """

    def __init__(self, blocks: int, inputs: int, outputs: int, *, intercept: bool = True, ridge: float = 1e-4) -> None:
        self.intercept = intercept
        self.inputs = inputs
        self.ridge = ridge
        self.rows = 0
        self.wide = inputs > WIDE
        size = inputs + intercept
        self.moments = np.zeros((blocks, 0 if self.wide else size, 0 if self.wide else size))
        self.products = np.zeros((blocks, size, outputs))
        self.energy = np.zeros((blocks, outputs))
        self.kept: list[Array] = []

    def add(self, x: Array, targets: Array | None = None) -> None:
        """Add rows.

        Args:
            x: Float (blocks, rows, inputs); half precision is summed in single precision, as squares overflow it.
            targets: Float (blocks, rows, outputs); likewise.
        """
        x = self._with_ones(x)
        turned = x.transpose(0, 2, 1)
        if self.wide:
            self.kept.append(x)
        else:
            self.moments += turned @ x
        if targets is not None:
            self._aim(turned, targets)
        self.rows += x.shape[1]

    def aim(self, batches: Iterable[tuple[Array, Array]]) -> Gram:
        """Return one with the same rows and other targets.

        Args:
            batches: The rows that were added, each with its targets.
        """
        blocks, _, outputs = self.products.shape
        other = Gram(blocks, self.inputs, outputs, intercept=self.intercept, ridge=self.ridge)
        other.rows, other.moments, other.kept = self.rows, self.moments, self.kept
        for x, targets in batches:
            other._aim(other._with_ones(x).transpose(0, 2, 1), targets)
        return other

    def _with_ones(self, x: Array) -> Array:
        x = at_least_single(x)
        return np.concatenate([x, np.ones((*x.shape[:2], 1), x.dtype)], axis=2) if self.intercept else x

    def _aim(self, turned: Array, targets: Array) -> None:
        targets = at_least_single(targets)
        self.products += turned @ targets
        self.energy += np.square(targets, dtype=np.float64).sum(axis=1)

    @property
    def ridged(self) -> Array:
        """The moments with a fraction of the inputs' mean square sum on the diagonal; next to none for the bias."""
        added = self._added()
        found: Array = self.moments + added[:, :, None] * np.eye(added.shape[1])
        return found

    def squares(self) -> Array:
        """Return the sum of squares of each input, (blocks, inputs); that of a bias is the number of rows."""
        if not self.wide:
            return np.einsum("bii->bi", self.moments)
        return np.sum([np.square(x, dtype=np.float64).sum(axis=1) for x in self.kept], axis=0)

    def _added(self) -> Array:
        scale = self.squares()[:, : self.inputs].mean(axis=1, keepdims=True)
        added = np.full(self.products.shape[:2], 1e-9 * max(self.rows, 1))
        added[:, : self.inputs] = np.maximum(self.ridge * scale, 1e-12)
        return added

    def solve(self, matrix: Array, bias: Array, free: Array | None = None) -> tuple[Array, Array]:
        """Return the matrix and bias that come nearest to the targets; what the rows don't tell stays as it was.

        Minimises `Σ ‖x @ M + b − t‖² + λ ‖M − matrix‖²`.

        Args:
            matrix: Float (blocks, inputs, outputs), as it is.
            bias: Float (blocks, outputs), as it is.
            free: Which weights may change, bool (blocks, inputs, outputs); all by default. The bias of an output may
                change if one of its weights may.
        """
        start = self._start(matrix, bias)
        missing = self.products - self.times(start)
        if free is not None:
            change = self._solve_some(missing, self._start(free, np.asarray(free.any(axis=1))))
        elif self.wide:
            change = self._solve_wide(missing)
        else:
            change = np.linalg.solve(self.ridged, missing)
        found = start + change
        return found[:, : self.inputs], found[:, self.inputs] if self.intercept else bias

    def error(self, matrix: Array, bias: Array) -> Array:
        """Return the sum of squared differences from the targets, (blocks, outputs)."""
        m = self._start(matrix, bias)
        found = self.energy - 2 * (m * self.products).sum(axis=1) + (m * self.times(m)).sum(axis=1)
        return np.maximum(found, 0.0)

    def spread(self) -> Array:
        """Return the sum of squared differences of the targets from their mean, (blocks, outputs)."""
        if not self.intercept:
            return self.energy
        return np.maximum(self.energy - self.products[:, -1] ** 2 / max(self.rows, 1), 0.0)

    def take(self, other: Gram) -> None:
        """Add the rows of another one."""
        self.moments += other.moments
        self.products += other.products
        self.energy += other.energy
        self.kept += other.kept
        self.rows += other.rows

    def _start(self, matrix: Array, bias: Array) -> Array:
        return np.concatenate([matrix, bias[:, None]], axis=1) if self.intercept else matrix

    def times(self, m: Array) -> Array:
        """Return the moments times a matrix."""
        if not self.wide:
            return self.moments @ m
        return np.sum([x.transpose(0, 2, 1) @ (x @ m) for x in self.kept], axis=0)

    def _solve_wide(self, missing: Array) -> Array:
        """Solve through the rows: (PᵀP + D)⁻¹ B = D⁻¹ B − D⁻¹ Pᵀ (1 + P D⁻¹ Pᵀ)⁻¹ P D⁻¹ B (Woodbury)."""
        p = np.concatenate(self.kept, axis=1).astype(np.float64)
        scaled = p / self._added()[:, None]
        right = missing / self._added()[:, :, None]
        inner = np.eye(p.shape[1]) + scaled @ p.transpose(0, 2, 1)
        return right - scaled.transpose(0, 2, 1) @ np.linalg.solve(inner, p @ right)

    def _solve_some(self, missing: Array, free: Array) -> Array:
        """Solve for some of the weights of each output, by conjugate gradients for all outputs at once.

        What is free differs between outputs, and so do the systems; each product with the moments serves all of them.
        """
        added = self._added()[:, :, None]
        diagonal = self.squares()[:, :, None] + added
        change = np.zeros_like(missing)
        left = np.where(free, missing, 0.0)
        scaled = left / diagonal
        step, size = scaled, (left * scaled).sum(axis=1, keepdims=True)
        enough = SMALL_ENOUGH**2 * size
        for _ in range(MOST_STEPS):
            if (size <= enough).all():
                break
            turned = np.where(free, self.times(step) + added * step, 0.0)
            along = (step * turned).sum(axis=1, keepdims=True)
            length = np.divide(size, along, out=np.zeros_like(size), where=(along > 0) & (size > enough))
            change += length * step
            left -= length * turned
            scaled = left / diagonal
            before, size = size, (left * scaled).sum(axis=1, keepdims=True)
            step = scaled + np.divide(size, before, out=np.zeros_like(size), where=before > 0) * step
        return change
