"""Ranks: given as numbers, as fractions, by the energy they keep, or by what Bayes makes of the singular values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.factorization.base import Factorization, Ranks
from tfprune.factorization.geometry import Geometry
from tfprune.factorization.metric import Metric
from tfprune.numbers import is_integer, is_real

__all__ = ["bayesian_rank", "check_rank", "find_ranks", "rank_grid"]

Array = NDArray[Any]
VBMF = "vbmf"


def check_rank(rank: Any, energy: Any) -> None:
    """Raise InputError unless one of a rank and an energy is given, and it is one."""
    if (rank is None) == (energy is None):
        raise InputError("Give either rank (a number, a fraction of the full rank, 'vbmf') or energy, as energy=0.9.")
    if energy is not None and not (is_real(energy) and 0.0 < energy <= 1.0):
        raise InputError(f"energy is {energy!r}; give the part of the squared singular values to keep, in (0, 1].")
    if rank is None or (isinstance(rank, str) and rank == VBMF):
        return
    for value in rank if isinstance(rank, tuple | list) else (rank,):
        if not (is_integer(value) and value >= 1) and not (is_real(value) and 0.0 < value <= 1.0):
            raise InputError(
                f"rank is {rank!r}; give an int from 1, a fraction of the full rank in (0, 1], a tuple of these for a "
                f"form with several ranks, or 'vbmf'."
            )


def find_ranks(
    factorization: Factorization,
    geometry: Geometry,
    rank: Any = None,
    energy: float | None = None,
    *,
    metrics: Sequence[Metric] | None = None,
    round_to: int = 1,
) -> Ranks:
    """Return the ranks that are asked for.

    Args:
        factorization: The form.
        geometry: The layer.
        rank: A number; a fraction of the full rank; `"vbmf"`; or a tuple of these, one for each rank of the form.
        energy: Else the part of the squared singular values that each rank keeps.
        metrics: What errors cost in each block.
        round_to: Ranks are rounded up to multiples of this, up to the full rank; numbers are taken as they are.

    Raises:
        InputError: If a rank is 0, above the full rank, or there are too many or too few of them, or the form has no
            singular values to go by.
    """
    check_rank(rank, energy)
    full = factorization.full(geometry)
    if energy is not None or rank == VBMF:
        kernels = factorization.kernels(geometry)
        metrics = metrics or [Metric()] * len(kernels)
        found = [factorization.unfoldings(kernel, metric) for kernel, metric in zip(kernels, metrics, strict=True)]
        if not found[0]:
            raise InputError(f"{type(factorization).__name__} has no singular values to go by; give a rank.")
        merged = [[matrix for block in found for matrix in block[n]] for n in range(len(full))]
        wanted: list[Any] = [
            bayesian_rank(matrices) if energy is None else energy_rank(matrices, energy) for matrices in merged
        ]
        return tuple(rounded(value, most, round_to) for value, most in zip(wanted, full, strict=True))
    given = list(rank) if isinstance(rank, tuple | list) else [rank] * len(full)
    if len(given) != len(full):
        raise InputError(f"{type(factorization).__name__} has {len(full)} ranks, but {rank!r} was given.")
    ranks = []
    for value, most in zip(given, full, strict=True):
        if is_integer(value):
            if value > most:
                raise InputError(
                    f"The rank {value} is above that of {geometry.layer.name!r}, whose full rank is {most}."
                )
            ranks.append(int(value))
        else:
            ranks.append(rounded(math.ceil(value * most - 1e-9), most, round_to))
    return tuple(ranks)


def rounded(value: int, most: int, round_to: int) -> int:
    """Return a rank rounded up, from 1 to the full one."""
    return int(min(max(-(-value // round_to) * round_to, 1), most))


def energy_rank(matrices: Sequence[Array], energy: float) -> int:
    """Return the smallest rank that keeps a part of the squared singular values of some matrices together.

    Example:
        >>> energy_rank([np.diag([3.0, 2.0, 1.0])], 0.9)
        2
    """
    longest = max(min(matrix.shape) for matrix in matrices)
    total = np.zeros(longest)
    for matrix in matrices:
        values = np.linalg.svd(matrix, compute_uv=False)
        total[: len(values)] += values**2
    sums = np.cumsum(total)
    if sums[-1] <= 0.0:
        return 1
    return int(min(np.searchsorted(sums, energy * sums[-1] * (1 - 1e-12)) + 1, longest))


def bayesian_rank(matrices: Sequence[Array]) -> int:
    """Return how many singular values stand out of noise: empirical variational Bayesian matrix factorisation.

    A hint, that knows nothing of what the network does with the layer. Nakajima et al., "Global Analytic Solution of
    Fully-observed Variational Bayesian Matrix Factorization", 2013, with the noise estimated as in theorem 2; the mean
    over several matrices.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> signal = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 60))
        >>> bayesian_rank([signal + 0.1 * rng.normal(size=(40, 60))])
        3
    """
    return max(1, round(float(np.mean([one_bayesian_rank(matrix) for matrix in matrices]))))


def one_bayesian_rank(matrix: Array) -> int:
    """Return the rank for one matrix."""
    from scipy.optimize import minimize_scalar

    rows, columns = sorted(matrix.shape)
    ratio = rows / columns
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    if rows < 2 or squares[0] <= 0.0:
        return 1
    bound = 2.5129 * math.sqrt(ratio)
    limit = (1 + bound) * (1 + ratio / bound)
    most = int(min(math.ceil(rows / (1 + ratio)) - 1, rows)) - 1
    high = squares.sum() / (rows * columns)
    tail = squares[min(most + 1, rows - 1) :]
    low = max(tail[0] / (columns * limit), tail.mean() / columns, 1e-12 * high)

    def objective(noise: float) -> float:
        x = squares / (columns * noise)
        above, below = x[x > limit], x[x <= limit]
        below = np.maximum(below, 1e-300)
        tau = 0.5 * (above - (1 + ratio) + np.sqrt((above - (1 + ratio)) ** 2 - 4 * ratio))
        found = (below - np.log(below)).sum() + (above - tau).sum() + np.log((tau + 1) / above).sum()
        return float(found + ratio * np.log(tau / ratio + 1).sum())

    noise = minimize_scalar(objective, bounds=(low, max(high, low * (1 + 1e-9))), method="bounded").x
    return int((squares > columns * noise * limit).sum())


def rank_grid(
    factorization: Factorization, geometry: Geometry, pays: Any, *, round_to: int = 1, count: int = 10
) -> list[Ranks]:
    """Return ranks to choose from, from the largest that pay down to a sixteenth of them, in even steps of a factor.

    Args:
        factorization: The form.
        geometry: The layer.
        pays: Says of ranks whether they cost less than the layer.
        round_to: Ranks are multiples of this, or 1, 2, 4 … below it.
        count: How many at most.
    """
    full = factorization.full(geometry)
    low, high = 0.0, 1.0
    for _ in range(20):  # more always costs more
        middle = (low + high) / 2
        low, high = (middle, high) if pays(fraction_of(full, middle, 1)) else (low, middle)
    found = dict.fromkeys(fraction_of(full, low * 2.0 ** (-4 * n / (count - 1)), round_to) for n in range(count))
    return [ranks for ranks in found if pays(ranks)]


def fraction_of(full: Ranks, fraction: float, round_to: int) -> Ranks:
    """Return a fraction of full ranks, rounded down."""
    found = []
    for most in full:
        value = int(most * fraction + 1e-9)
        value = value // round_to * round_to if value >= round_to else 2 ** int(math.log2(max(value, 1)))
        found.append(max(value, 1))
    return tuple(found)
