"""Which form and rank each layer gets within a budget: those whose errors add up to the least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from tfprune.cost import Budget, Cost
from tfprune.cost.budget import LIMITS
from tfprune.factorization.options import Option
from tfprune.factorization.survey import Candidate

__all__ = ["allocate", "total_cost"]

COUNTS = ("parameters", "bytes", "macs")

TOLERANCE = 2e-6
"""Part of the whole by which the solver may exceed a bound; kept back if it did."""

SECONDS = 60.0
"""When the solver stops with the best that it has; networks of 2,000 layers take about one."""


def total_cost(whole: Cost, chosen: Sequence[tuple[Candidate, Option | None]]) -> Cost:
    """Return what a network costs with some layers factorised.

    Args:
        whole: What it costs as it is.
        chosen: Layers with what they become; None leaves one as it is.
    """
    for candidate, option in chosen:
        whole = whole if option is None else changed(whole, candidate.cost, option.cost)
    return whole


def changed(total: Cost, before: Cost, after: Cost) -> Cost:
    """Return a sum of costs in which one part has changed."""
    sums = {name: getattr(total, name) + getattr(after, name) - getattr(before, name) for name in COUNTS}
    times = total.latency, after.latency, before.latency
    known = all(time is not None for time in times)
    return replace(total, **sums, latency=times[0] + times[1] - times[2] if known else None)  # type: ignore[operator]


def allocate(
    whole: Cost, options: Mapping[str, Sequence[Option]], candidates: Mapping[str, Candidate], budget: Budget
) -> dict[str, Option] | None:
    """Choose an option, or none, for each layer so that the errors' sum is as small as a budget allows.

    This is a multiple-choice knapsack (Sinha & Zoltners, "The Multiple-Choice Knapsack Problem", 1979), with a row for
    each bound; HiGHS solves it to within 0.01 % of the optimum (Huangfu & Hall, "Parallelizing the dual revised simplex
    method", 2018).

    Args:
        whole: What the network costs as it is.
        options: What each layer can become, by its path.
        candidates: The layers, by path.
        budget: What the network may cost.

    Returns:
        The options that are taken, by path; None if the budget can't be met.
    """
    if budget.met(whole, whole):
        return {}
    bounds = {LIMITS[name]: bound for name, bound in budget.bounds(whole).items()}
    totals = np.array([getattr(whole, name) for name in bounds])
    units = np.where(totals > 0, totals, 1.0)
    limit = (np.array([*bounds.values()]) - totals) / units
    choices, columns = [], []
    for path, own in options.items():
        before = np.array([getattr(candidates[path].cost, name) for name in bounds])
        for option in own:
            change = (np.array([getattr(option.cost, name) for name in bounds]) - before) / units
            if np.isfinite([option.error, *change]).all():
                choices.append((path, option))
                columns.append(change)
    if not choices:
        return None
    for slack in (0.0, TOLERANCE):
        taken = solve([option.error for _, option in choices], columns, limit - slack, [path for path, _ in choices])
        if taken is None:
            return None
        chosen = {choices[index][0]: choices[index][1] for index in taken}
        if budget.met(total_cost(whole, [(candidates[path], option) for path, option in chosen.items()]), whole):
            return chosen
    return None


def solve(
    errors: Sequence[float], changes: Sequence[NDArray[Any]], limit: NDArray[Any], layers: Sequence[str]
) -> list[int] | None:
    """Return which options have the smallest sum of errors, at most one for each layer; None if none is within bounds.

    Args:
        errors: The error of each option.
        changes: What each changes of each cost, as a part of the whole; float (bounds,).
        limit: What the changes may add up to; float (bounds,).
        layers: The layer of each option.
    """
    numbers = {path: number for number, path in enumerate(dict.fromkeys(layers))}
    places = [numbers[path] for path in layers], np.arange(len(layers))
    one_each = csr_matrix((np.ones(len(layers)), places), (len(numbers), len(layers)))
    within = LinearConstraint(np.stack(changes, axis=1), -np.inf, limit)
    found = milp(
        np.asarray(errors) / max(max(errors), 1e-30),
        integrality=np.ones(len(layers)),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(one_each, -np.inf, 1), within],
        options={"time_limit": SECONDS, "presolve": False},  # which would take longer than all else
    )
    return None if found.x is None else [int(index) for index in np.flatnonzero(found.x > 0.5)]
