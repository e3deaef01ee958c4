"""Scope: among which units the lowest scores are looked for, and how many go."""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.granularity import Units
from tfprune.registry import Configurable, Registry

__all__ = [
    "ErdosRenyi",
    "Global",
    "Isomorphic",
    "Layer",
    "Scope",
    "Sensitivity",
    "deserialize",
    "get",
    "keep_best",
    "scopes",
    "serialize",
]

BoolArray = NDArray[np.bool_]

PIECE = 1 << 18
"""Scores that are looked at together: they stay in the cache of a core."""


def keep_best(units: Units, sparsity: float, size: int) -> BoolArray:
    """Keep the units with the highest scores, so that `round(sparsity * size)` weights go.

    Of equal scores the earlier unit is kept, so ties never change how many go. Where units hold several weights, their
    number is the one that comes nearest.

    Args:
        units: The units to choose from.
        sparsity: Wanted fraction of zeros, in [0, 1).
        size: Weights that the fraction is of.

    Returns:
        Which units are kept, bool (units,).

    Example:
        >>> keep_best(Units(np.array([1.0, 1.0, 1.0, 1.0]), 1, lambda kept: kept), 0.5, 4)
        array([ True,  True, False, False])
    """
    count = len(units.scores)
    wanted = round(sparsity * size)
    if isinstance(units.removes, int):
        removed = min(round(wanted / units.removes), count)
    else:
        order = count - 1 - np.argsort(units.scores[::-1], kind="stable")  # of equal scores the later one goes first
        gone = np.concatenate([[0], np.cumsum(units.removes[order])])
        removed = int(np.argmin(np.abs(gone - wanted)))
    if removed == 0:
        return np.ones(count, dtype=bool)
    if removed == count:
        return np.zeros(count, dtype=bool)
    threshold = nth_lowest(units.scores, removed)  # the lowest score that is kept
    kept: BoolArray = units.scores > threshold
    ties = np.flatnonzero(units.scores == threshold)
    kept[ties[: count - removed - np.count_nonzero(kept)]] = True
    return kept


def nth_lowest(scores: NDArray[np.floating], n: int) -> Any:
    """Return the score that `n` others come before in rising order.

    The lowest ones, as the scores of weights that are zero already, are set aside first: partitioning an array of many
    equal numbers takes ten times as long. The others are copied piece by piece, so that no list of places is made.
    """
    lowest = scores.min()
    others = np.count_nonzero(scores > lowest)
    equal = len(scores) - others
    if n < equal:
        return lowest
    above, end = np.empty(others, scores.dtype), 0
    for begin in range(0, len(scores), PIECE):
        piece = scores[begin : begin + PIECE]
        found = piece.take(np.flatnonzero(piece > lowest))  # five times as fast as indexing with the comparison
        above[end : end + len(found)] = found
        end += len(found)
    above.partition(n - equal)
    return above[n - equal]


class Scope(Configurable, abc.ABC):
    """Among which units the lowest scores are looked for.

    Attributes:
        levels: Sparsities at which it wants to know what each layer's outputs lose; data tell.
        by_kernel: Whether each kernel keeps its best units, whatever the others have: they are looked at one by one.
    """

    levels: ClassVar[tuple[float, ...]] = ()
    by_kernel: ClassVar[bool] = False

    @abc.abstractmethod
    def keep(self, kernels: Sequence[Units], sizes: Sequence[int], sparsity: float) -> list[BoolArray]:
        """Return which units of each kernel are kept.

        Args:
            kernels: The units of each kernel.
            sizes: Weights of each kernel.
            sparsity: Wanted fraction of zeros, in [0, 1).
        """


scopes: Registry[Scope] = Registry("scope", Scope)


@scopes.register("layer")
@dataclass(frozen=True)
class Layer(Scope):
    """Every kernel has the same sparsity; scores are compared within a kernel."""

    by_kernel = True

    def keep(self, kernels: Sequence[Units], sizes: Sequence[int], sparsity: float) -> list[BoolArray]:
        """Return the best units of each kernel."""
        return [keep_best(units, sparsity, size) for units, size in zip(kernels, sizes, strict=True)]


@scopes.register("global")
@dataclass(frozen=True)
class Global(Scope):
    """All kernels together have the sparsity; scores are compared across them, so that each layer finds its own.

    Args:
        max_sparsity: No kernel gets sparser than this, so that none is cut through; in (0, 1].

    Example:
        >>> low, high = (Units(np.array(scores), 1, lambda kept: kept) for scores in ([1.0, 2.0], [3.0, 4.0]))
        >>> [kept.tolist() for kept in Global(max_sparsity=1.0).keep([low, high], [2, 2], 0.5)]
        [[False, False], [True, True]]
    """

    max_sparsity: float = 0.98

    def __post_init__(self) -> None:
        if not 0.0 < self.max_sparsity <= 1.0:
            raise InputError(f"max_sparsity is {self.max_sparsity!r}; give a number above 0, up to 1.")

    def keep(self, kernels: Sequence[Units], sizes: Sequence[int], sparsity: float) -> list[BoolArray]:
        """Return the best units of all kernels."""
        if sparsity > self.max_sparsity:
            raise InputError(
                f"The sparsity {sparsity} is above the {self.max_sparsity} that a single kernel may have here; "
                "give scope=Global(max_sparsity=…) a higher bound."
            )
        protected = [self._protect(units, size) for units, size in zip(kernels, sizes, strict=True)]
        removes = {units.removes for units in kernels if isinstance(units.removes, int)}
        even = len(removes) == 1 and all(isinstance(units.removes, int) for units in kernels)
        pool = Units(
            np.concatenate(protected),
            removes.pop() if even else np.concatenate([np.broadcast_to(u.removes, u.scores.shape) for u in kernels]),
            lambda kept: kept,
        )
        kept = keep_best(pool, sparsity, sum(sizes))
        return np.split(kept, np.cumsum([len(units.scores) for units in kernels])[:-1])

    def _protect(self, units: Units, size: int) -> NDArray[np.floating]:
        """Return the scores, infinite for the units that are left at `max_sparsity`, or kept at least."""
        left = keep_best(units, math.floor(self.max_sparsity * size + 1e-9) / max(size, 1), size)
        least = units.least if self.max_sparsity == 1.0 else max(units.least, 1)
        left[np.argsort(-units.scores, kind="stable")[:least]] = True
        return np.where(left, np.inf, units.scores)


@scopes.register("isomorphic")
@dataclass(frozen=True)
class Isomorphic(Global):
    """Scores are compared across kernels that are alike, and each kind has the sparsity.

    Scores of layers that do different things, as of attention heads and of feed-forward units, don't compare (Fang et
    al., "Isomorphic Pruning for Vision Models", 2024).

    Args:
        max_sparsity: No kernel gets sparser than this; in (0, 1].
    """

    def keep(self, kernels: Sequence[Units], sizes: Sequence[int], sparsity: float) -> list[BoolArray]:
        """Return the best units of all kernels of each kind."""
        kept: dict[int, BoolArray] = {}
        for kind in dict.fromkeys(units.kind for units in kernels):
            alike = [index for index, units in enumerate(kernels) if units.kind == kind]
            chosen = super().keep([kernels[index] for index in alike], [sizes[index] for index in alike], sparsity)
            kept.update(zip(alike, chosen, strict=True))
        return [kept[index] for index in range(len(kernels))]


@scopes.register("erk")
@dataclass(frozen=True)
class ErdosRenyi(Scope):
    """Small layers are kept denser, in proportion to the sum of a kernel's sizes over their product.

    `1 − s_l = min(1, ε Σ n / Π n)` over all axes of the kernel, windows too, with ε such that the whole has the wanted
    sparsity: Erdős–Rényi–Kernel (Evci et al., "Rigging the Lottery", 2020; Mocanu et al., 2018).

    Example:
        >>> small, large = (Units(np.arange(n * n) * 1.0, 1, lambda kept: kept, shape=(n, n)) for n in (2, 10))
        >>> [int(kept.sum()) for kept in ErdosRenyi().keep([small, large], [4, 100], 0.5)]
        [4, 48]
    """

    def keep(self, kernels: Sequence[Units], sizes: Sequence[int], sparsity: float) -> list[BoolArray]:
        """Return the best units of each kernel."""
        densities = self.densities([units.shape for units in kernels], sizes, 1 - sparsity)
        return [
            keep_best(units, 1 - density, size) for units, size, density in zip(kernels, sizes, densities, strict=True)
        ]

    @staticmethod
    def densities(shapes: Sequence[tuple[int, ...]], sizes: Sequence[int], density: float) -> NDArray[np.floating]:
        """Return the part of each kernel that is kept, so that all together keep `density`."""
        raw = np.array([sum(shape) / max(int(np.prod(shape)), 1) for shape in shapes])
        weights = np.array(sizes, dtype=float)
        full = np.zeros(len(raw), dtype=bool)
        found = np.ones(len(raw))
        while not full.all():
            left = density * weights.sum() - weights[full].sum()
            found = np.where(full, 1.0, raw * max(left, 0.0) / (raw * weights)[~full].sum())
            over = (found > 1.0) & ~full
            if not over.any():
                break
            full |= over
        return np.minimum(found, 1.0)


@scopes.register("sensitivity")
@dataclass(frozen=True)
class Sensitivity(Scope):
    """Each kernel gets the sparsity that its layer can bear: the sum of the errors of all layers is least.

    At each of some levels the layer's weights are pruned and the others refitted, on data without labels; the squared
    error of its outputs, relative to their variance, is the layer's sensitivity. Always that kernel is pruned further
    whose error grows least for the weights that go, along the lower hull of these points. In a training it is measured
    once, when masks are first made.

    Example:
        >>> levels = np.array(Sensitivity.levels)
        >>> bold, frail = (Units(np.arange(100.0), 1, lambda kept: kept, errors=c * levels**2) for c in (1, 9))
        >>> [int(kept.sum()) for kept in Sensitivity().keep([bold, frail], [100, 100], 0.4)]
        [30, 90]
    """

    levels: ClassVar[tuple[float, ...]] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)

    def keep(self, kernels: Sequence[Units], sizes: Sequence[int], sparsity: float) -> list[BoolArray]:
        """Return the best units of each kernel."""
        if sparsity > self.levels[-1]:
            raise InputError(f"The sparsity {sparsity} is above {self.levels[-1]}, the highest that is measured here.")
        steps: list[tuple[float, int, float, float]] = []  # slope, kernel, from, to
        for number, (units, size) in enumerate(zip(kernels, sizes, strict=True)):
            if units.errors is None:
                raise InputError("The scope 'sensitivity' needs data: give data=, without labels, anything fit takes.")
            steps += [(slope / size, number, low, high) for slope, low, high in hull(self.levels, units.errors)]
        wanted = sparsity * sum(sizes)
        found = [0.0] * len(kernels)
        for _, number, low, high in sorted(steps):
            part = min(wanted / sizes[number], high - low)
            found[number] = low + part
            wanted -= part * sizes[number]
            if wanted <= 0:
                break
        return [keep_best(units, own, size) for units, own, size in zip(kernels, found, sizes, strict=True)]


def hull(levels: Sequence[float], errors: NDArray[np.floating]) -> list[tuple[float, float, float]]:
    """Return the steps of the lower convex hull of errors over sparsities from 0: slope, from, to."""
    points = [(0.0, 0.0), *zip(levels, np.maximum.accumulate(np.maximum(errors, 0.0)).tolist(), strict=True)]
    kept: list[tuple[float, float]] = []
    for x, y in points:
        while len(kept) > 1 and slope_of(kept[-2], kept[-1]) >= slope_of(kept[-1], (x, y)):
            kept.pop()
        kept.append((x, y))
    return [(slope_of(a, b), a[0], b[0]) for a, b in itertools.pairwise(kept)]


def slope_of(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return the slope between two points."""
    return (b[1] - a[1]) / (b[0] - a[0])


scopes.alias("local", "layer")
get = scopes.get
serialize = scopes.serialize
deserialize = scopes.deserialize
