"""The linear form of a layer that is made of factors: what the refit may make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfprune.factorization.base import Array, Factorization, Ranks
from tfprune.factorization.fit import fit_factors
from tfprune.factorization.geometry import Geometry
from tfprune.factorization.metric import Metric
from tfprune.refit import Form
from tfprune.refit.forms import Places, Shape
from tfprune.refit.gram import Gram

__all__ = ["FactoredForm", "centered"]

FIRST_SWEEPS = 12
LATER_SWEEPS = 4


class FactoredForm(Form):
    """A chain of layers, seen as the one layer whose place they take.

    Args:
        geometry: That layer.
        factorization: How the factors make its kernel.
        ranks: Their ranks.
        factors: The factors of each block.
        chain: The layers of each step.
        scale: How much a change of each output counts, float (blocks, outputs).
    """

    def __init__(
        self,
        geometry: Geometry,
        factorization: Factorization,
        ranks: Ranks,
        factors: Sequence[Sequence[Array]],
        chain: Sequence[Sequence[Any]],
        scale: Array | None = None,
    ) -> None:
        super().__init__(geometry.layer)
        if geometry.form is None:
            raise RuntimeError(f"{geometry.layer.name} has no linear form")
        self.geometry, self.inner = geometry, geometry.form
        self.factorization, self.ranks = factorization, ranks
        self.factors = [list(block) for block in factors]
        self.chain = list(chain)
        self.scale = np.ones((geometry.blocks, geometry.outputs)) if scale is None else scale
        self.shape = factorization.shape(geometry)
        self._fitted = False

    @property
    def kernel(self) -> keras.Variable:
        """The kernel of the layer whose place they take."""
        return self.inner.kernel

    @property
    def bias(self) -> keras.Variable | None:
        """The bias of the last layer; None if it has none with a value for each output."""
        return self.chain[-1][-1].bias if self.inner.bias is not None else None

    @property
    def weights(self) -> Array:
        """The kernel that the factors make, (blocks, inputs, outputs)."""
        equation = self.factorization.equation(self.geometry)
        made = [equation.compose(block) for block in self.factors]
        return np.stack([kernel.reshape(-1, kernel.shape[-1]) for kernel in made])

    def matrix(self, kernel: Array) -> Array:
        """Return (blocks, inputs, outputs)."""
        return self.inner.matrix(kernel)

    def kernel_of(self, matrix: Array) -> Array:
        """Return a matrix in the layout of the kernel."""
        return self.inner.kernel_of(matrix)

    def count(self, x: Shape, y: Shape) -> int:
        """Return how many rows a sample has."""
        return self.inner.count(x, y)

    def rows(self, x: Array, y: Shape, places: Places) -> Array:
        """Return the rows that the matrix is multiplied with."""
        return self.inner.rows(x, y, places)

    def targets(self, y: Array, places: Places) -> Array:
        """Return outputs in the layout of `rows @ matrix`."""
        return self.inner.targets(y, places)

    def nearest(self, matrix: Array, bias: Array, gram: Gram) -> tuple[Array, Array]:
        """Return the product of factors, with a bias, that is nearest on the rows."""
        equation = self.factorization.equation(self.geometry)
        sweeps = LATER_SWEEPS if self._fitted else FIRST_SWEEPS
        found = []
        for block, kernel in enumerate(matrix):
            metric, scale = centered(gram, block), self.scale[block]
            wanted = (kernel * scale).reshape(self.shape)
            starts = [self.scaled(self.factors[block], scale)]
            if not self._fitted:
                starts.append(self.factorization.start(wanted, self.ranks, metric))
            start = min(starts, key=lambda parts: error(equation.compose(parts), wanted, metric))
            factors = fit_factors(equation, start, wanted, metric, sweeps=sweeps)
            found.append(equation.balance(self.scaled(factors, 1 / scale)))
        self.factors, self._fitted = found, True
        made = self.weights
        if gram.intercept and gram.rows:
            means = gram.moments[:, -1, :-1] if not gram.wide else np.sum([x.sum(axis=1) for x in gram.kept], 0)[:, :-1]
            bias = (gram.products[:, -1] - np.einsum("bi,bio->bo", means, made)) / gram.rows
        return made, bias

    def scaled(self, factors: Sequence[Array], scale: Array) -> list[Array]:
        """Return factors with scaled outputs."""
        last = self.factorization.equation(self.geometry).factors[-1]
        return [*factors[:-1], factors[-1] * np.expand_dims(scale, tuple(range(len(last) - 1)))]

    def write(self, matrix: Array, bias: Array | None) -> None:
        """Give the layers the factors that were found, and the last one its bias."""
        stacked = [np.stack(parts) for parts in zip(*self.factors, strict=True)]
        for step, made in zip(self.factorization.pieces(self.geometry, stacked), self.chain, strict=True):
            step.fill(made)
        if bias is not None and self.bias is not None:
            self.bias.assign(bias.reshape(self.bias.shape))


def error(made: Array, wanted: Array, metric: Metric) -> float:
    """Return what an error in a kernel costs."""
    return metric((wanted - made).reshape(-1, wanted.shape[-1]))


def centered(gram: Gram, block: int) -> Metric:
    """Return the metric of a block's inputs with a ridge, without their mean if there is a bias to make up for it."""
    size = gram.inputs
    ridge = max(gram.ridge * float(gram.squares()[block, :size].mean()), 1e-12)
    if gram.wide:
        return Metric(gram.squares()[block, :size] + ridge)
    moments = gram.moments[block]
    found = moments[:size, :size] + np.eye(size) * ridge
    if gram.intercept and gram.rows:
        found = found - np.outer(moments[size, :size], moments[size, :size]) / gram.rows
    return Metric(found)
