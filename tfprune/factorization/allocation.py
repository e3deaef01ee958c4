"""Which form and rank each layer gets within a budget: always the step that adds least error for what it saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfprune.cost import Budget, Cost
from tfprune.cost.budget import LIMITS
from tfprune.factorization.options import Option
from tfprune.factorization.survey import Candidate

__all__ = ["allocate", "total_cost"]

COUNTS = ("parameters", "bytes", "macs")


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
    return Cost(**sums, latency=times[0] + times[1] - times[2] if known else None)  # type: ignore[operator]


def allocate(
    whole: Cost, options: Mapping[str, Sequence[Option]], candidates: Mapping[str, Candidate], budget: Budget
) -> dict[str, Option] | None:
    """Choose an option, or none, for each layer so that the errors' sum is small within a budget.

    This is a multiple-choice knapsack. Each step takes the option with the least rise of the error for what it saves of
    the bounds that are still exceeded, which is the best there is along the convex hull of each layer's options (Sinha
    & Zoltners, "The Multiple-Choice Knapsack Problem", 1979); what is left over at the end is given back where it
    lowers the error most.

    Args:
        whole: What the network costs as it is.
        options: What each layer can become, by its path.
        candidates: The layers, by path.
        budget: What the network may cost.

    Returns:
        The options that are taken, by path; None if the budget can't be met.
    """
    costs = {path: candidate.cost for path, candidate in candidates.items() if path in options}
    chosen: dict[str, Option] = {}

    def total() -> Cost:
        return total_cost(whole, [(candidates[path], option) for path, option in chosen.items()])

    while True:
        over = budget.excess(total(), whole)
        if not over:
            break
        best: tuple[float, str, Option] | None = None
        for path, own in options.items():
            now = chosen.get(path)
            at, error = (costs[path], 0.0) if now is None else (now.cost, now.error)
            for option in own:
                saved = saving(at, option.cost, over)
                if saved <= 0.0:
                    continue
                price = max(option.error - error, 1e-12) / saved
                if best is None or price < best[0]:
                    best = price, path, option
        if best is None:
            return None
        chosen[best[1]] = best[2]
    give_back(whole, options, candidates, budget, chosen)
    return chosen


def give_back(
    whole: Cost,
    options: Mapping[str, Sequence[Option]],
    candidates: Mapping[str, Candidate],
    budget: Budget,
    chosen: dict[str, Option],
) -> None:
    """Use up what is left of a budget: always the change that lowers the error most."""
    while True:
        total = total_cost(whole, [(candidates[path], option) for path, option in chosen.items()])
        best: tuple[float, str, Option | None] | None = None
        for path, now in chosen.items():
            for option in (None, *options[path]):
                gain = now.error - (0.0 if option is None else option.error)
                if gain <= 0.0 or (best is not None and gain <= best[0]):
                    continue
                after = candidates[path].cost if option is None else option.cost
                if budget.met(changed(total, now.cost, after), whole):
                    best = gain, path, option
        if best is None:
            return
        if best[2] is None:
            del chosen[best[1]]
        else:
            chosen[best[1]] = best[2]


def saving(before: Cost, after: Cost, over: Mapping[str, float]) -> float:
    """Return what a change saves of the bounds that are exceeded, each relative to by how much."""
    parts = [(getattr(before, LIMITS[name]) - getattr(after, LIMITS[name])) / excess for name, excess in over.items()]
    return float(np.sum(np.minimum(parts, 1.0)))
