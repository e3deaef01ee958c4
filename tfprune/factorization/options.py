"""What a layer could become: forms and ranks, with what they cost and the error that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.cost import Cost
from tfprune.cost.operation import Operation
from tfprune.factorization.base import Factorization, Ranks
from tfprune.factorization.fit import fit_factors
from tfprune.factorization.geometry import Geometry
from tfprune.factorization.ranks import rank_grid
from tfprune.factorization.survey import Candidate, Measure

__all__ = ["Option", "error_of", "find_grid", "find_options", "operations_of"]

SWEEPS, STEPS = 1, 6
"""To tell which form is good, factors need not be the best there are."""


@dataclass(frozen=True)
class Option:
    """What a layer can become.

    Args:
        form: How.
        ranks: With which ranks.
        error: The error that this adds to what the layer makes, relative to the variance of that; without data, to its
            kernel, relative to its squares.
        cost: What the layers cost that take its place.

    Example:
        >>> from tfprune.factorization import Svd
        >>> option = Option(Svd(), (16,), error=0.03, cost=Cost(4_096, 16_384, 4_096))
        >>> print(option)
        Svd 16
    """

    form: Factorization
    ranks: Ranks
    error: float
    cost: Cost

    def __str__(self) -> str:
        ranks = ", ".join(map(str, self.ranks))
        return f"{type(self.form).__name__} {ranks}"


def find_grid(
    candidate: Candidate, forms: Sequence[Factorization], costs: Sequence[str], steps: Sequence[int]
) -> list[tuple[Factorization, Ranks]]:
    """Return forms and ranks to try for a layer: those that cost less.

    Args:
        candidate: The layer.
        forms: The forms.
        costs: Names of the costs of which at least one must fall.
        steps: Ranks are multiples of one of these.
    """
    geometry = candidate.geometry
    if geometry is None:
        return []
    whole, found = candidate.cost, []
    for form in forms:
        if form.check(geometry) is not None:
            continue

        def pays(ranks: Ranks, form: Factorization = form, geometry: Geometry = geometry) -> bool:
            cost = candidate.price(form.priced(geometry, ranks))
            return any(getattr(cost, name) < getattr(whole, name) for name in costs)

        grids = [rank_grid(form, geometry, pays, round_to=step) for step in steps]
        found += [(form, ranks) for ranks in dict.fromkeys(ranks for grid in grids for ranks in grid)]
    return found


def find_options(
    candidate: Candidate, measure: Measure, grid: Sequence[tuple[Factorization, Ranks]], costs: Sequence[str]
) -> list[Option]:
    """Return what a layer can become, of what costs less.

    Args:
        candidate: The layer.
        measure: What errors cost.
        grid: The forms and ranks to try.
        costs: Names of the costs of which at least one must fall.
    """
    geometry, found = candidate.geometry, []
    if geometry is None:
        return []
    measure = Measure([metric.single() for metric in measure.metrics], measure.scale)
    for form, ranks in grid:
        cost = candidate.price(form.priced(geometry, ranks))
        if any(getattr(cost, name) < getattr(candidate.cost, name) for name in costs):
            found.append(Option(form, ranks, error_of(form, geometry, ranks, measure), cost))
    return found


def error_of(form: Factorization, geometry: Geometry, ranks: Ranks, measure: Measure) -> float:
    """Return the error that a form with some ranks makes."""
    equation, total = form.equation(geometry), 0.0
    for kernel, metric, scale in zip(form.kernels(geometry), measure.metrics, measure.scale, strict=True):
        wanted = (kernel * scale).astype(np.float32)
        start = [factor.astype(np.float32) for factor in form.start(wanted, ranks, metric)]
        sweeps = 0 if form.is_best(metric, geometry) else SWEEPS
        factors = fit_factors(equation, start, wanted, metric, sweeps=sweeps, steps=STEPS)
        total += metric((wanted - equation.compose(factors)).reshape(-1, wanted.shape[-1]))
    return total


def operations_of(candidate: Candidate, grid: Sequence[tuple[Factorization, Ranks]]) -> Iterator[Operation]:
    """Yield the operations of what a layer can become."""
    for form, ranks in grid:
        if candidate.geometry is not None:
            yield from candidate.operations(form.priced(candidate.geometry, ranks))
