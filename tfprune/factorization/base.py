"""What a form of factorisation is: a kernel as a product of factors, each of them a layer."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tfprune.factorization.equation import Equation
from tfprune.factorization.geometry import Geometry
from tfprune.factorization.metric import Metric
from tfprune.factorization.pieces import Step
from tfprune.registry import Configurable, Registry

__all__ = ["Factorization", "Ranks", "factorizations"]

Array = NDArray[Any]
Ranks = tuple[int, ...]


class Factorization(Configurable, abc.ABC):
    """A way to write a layer as a chain of smaller ones: `kernel = product of factors`.

    A form of your own says which layers it is for, how factors make a kernel, where to start, and what layers they
    become; ranks, fitting to data, costs, budgets and the surgery follow from that.

    Example:
        A form of your own:

        >>> from dataclasses import dataclass
        >>> from tfprune.factorization import Factorization, factorizations
        >>> from tfprune.factorization.equation import Equation
        >>> from tfprune.factorization.metric import truncate
        >>> from tfprune.factorization.pieces import product
        >>> @factorizations.register("two_products")
        ... @dataclass(frozen=True)
        ... class TwoProducts(Factorization):
        ...     def check(self, geometry):
        ...         return None if geometry.is_pointwise else "its window has more than one position"
        ...     def equation(self, geometry):
        ...         return Equation("cr,ro->co")
        ...     def sizes(self, geometry):
        ...         return {"c": geometry.rows, "o": geometry.outputs}
        ...     def full(self, geometry):
        ...         return (min(geometry.rows, geometry.outputs),)
        ...     def start(self, kernel, ranks, metric):
        ...         return list(truncate(kernel, ranks[0], metric)[:2])
        ...     def pieces(self, geometry, factors):
        ...         return [product(geometry, factors[0], last=False), product(geometry, factors[1], last=True)]
        ...     def unfoldings(self, kernel, metric):
        ...         return [[kernel]]
        >>> layer = keras.layers.Dense(8)
        >>> layer.build((None, 16))
        >>> [part.units for part in tfprune.factorize_layer(layer, "two_products", rank=3).layers]
        [3, 8]
    """

    best: ClassVar[bool] = False
    """Whether what `start` returns is the best there is."""

    @abc.abstractmethod
    def check(self, geometry: Geometry) -> str | None:
        """Return why a layer has no such form, or None if it has."""

    @abc.abstractmethod
    def equation(self, geometry: Geometry) -> Equation:
        """Return how factors make the kernel of a block."""

    @abc.abstractmethod
    def sizes(self, geometry: Geometry) -> dict[str, int]:
        """Return the size of each letter of the kernel, in its order; the last is the outputs'."""

    @abc.abstractmethod
    def full(self, geometry: Geometry) -> Ranks:
        """Return the ranks at which any kernel can be had exactly."""

    @abc.abstractmethod
    def start(self, kernel: Array, ranks: Ranks, metric: Metric) -> list[Array]:
        """Return factors that are near a kernel, those that make it exactly at full ranks.

        Args:
            kernel: Of a block, float64 with the axes of the equation.
            ranks: A rank for each of the equation's.
            metric: What an error costs.
        """

    @abc.abstractmethod
    def pieces(self, geometry: Geometry, factors: Sequence[Array]) -> list[Step]:
        """Return the layers.

        Args:
            geometry: The layer.
            factors: The factors of all blocks, float (blocks, …).
        """

    @abc.abstractmethod
    def unfoldings(self, kernel: Array, metric: Metric) -> list[list[Array]]:
        """Return for each rank the matrices whose singular values tell how much of a kernel it carries.

        Args:
            kernel: Of a block, float64 with the axes of the equation.
            metric: What an error costs.
        """

    def is_best(self, metric: Metric, geometry: Geometry) -> bool:
        """Whether what `start` returns is the best there is; of two factors, by the weights alone, it always is."""
        return self.best or (metric.moments is None and len(self.equation(geometry).factors) == 2)

    def shape(self, geometry: Geometry) -> tuple[int, ...]:
        """Return the shape of a block's kernel, with the axes of the equation."""
        return tuple(self.sizes(geometry).values())

    def kernels(self, geometry: Geometry) -> list[Array]:
        """Return the kernel of each block, with the axes of the equation."""
        return [block.reshape(self.shape(geometry)) for block in geometry.kernel]

    def priced(self, geometry: Geometry, ranks: Ranks) -> list[Step]:
        """Return the layers for some ranks, to ask what they cost; their kernels have shapes, but no values."""
        equation = self.equation(geometry)
        sizes = {**self.sizes(geometry), **dict(zip(equation.ranks, ranks, strict=True))}
        shapes = [(geometry.blocks, *shape) for shape in equation.shapes(sizes)]
        return self.pieces(geometry, [np.broadcast_to(np.float32(0), shape) for shape in shapes])


factorizations: Registry[Factorization] = Registry("form of factorisation", Factorization)
