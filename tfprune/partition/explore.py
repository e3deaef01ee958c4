"""Partitions found by the strategies of `tfprune.search`, and by moving cuts greedily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.partition.costs import Costs
from tfprune.partition.merge_split import merge_split
from tfprune.strategies.base import Values, optimize, strategies
from tfprune.strategies.front import front_of
from tfprune.strategies.space import Point, Space

__all__ = ["Explored", "explore", "solver_names", "space_of"]

OWN = ("exact", "min_cut", "merge_split")

WALKERS = ("greedy", "netadapt")
"""Strategies that go from the first point to the last, if there are several objectives, and else stop in a budget."""

BOUNDED = ("backtracking", "branch_and_bound")
"""Strategies that look no further if the first point is within the budget."""


@dataclass(frozen=True)
class Explored:
    """What an explorer found.

    Args:
        best: The best partition, or with several objectives all that none is better than in each; none if none of those
            looked at is allowed. Each is the number of the cut for each link, rising.
        looked: How many it looked at.
    """

    best: list[tuple[int, ...]]
    looked: int


def solver_names() -> tuple[str, ...]:
    """Return what can find a partition."""
    return (*OWN, *strategies.names)


def explore(
    costs: Costs,
    solver: str,
    objectives: Sequence[str],
    *,
    stages: int | None = None,
    trials: int = 400,
    seed: int = 0,
) -> Explored:
    """Return the best partitions that an explorer finds. Each begins with all of the network on one device.

    A partition that is not allowed is worth more than the worst there is, by how far it is from being allowed.

    Args:
        costs: What stages take.
        solver: `"merge_split"`, or the name of a strategy of `tfprune.search`.
        objectives: `"latency"`, `"throughput"` or both.
        stages: How many devices have to do something; None for any number.
        trials: How many partitions it looks at.
        seed: Its seed.

    Raises:
        InputError: If the strategy needs a package that is not installed.
    """
    last, links = costs.count - 1, len(costs.devices) - 1
    known: dict[tuple[int, ...], Values] = {}
    allowed: set[tuple[int, ...]] = set()
    slowest = min(one.speed for one in costs.devices.devices)
    worst = float(costs.times[-1] / slowest + costs.links.max(axis=1, initial=0.0).sum()) + 1.0

    def value(cuts: tuple[int, ...]) -> Values:
        if cuts not in known:
            price, wrong = costs.price(cuts), 0 if stages is None else abs(costs.used(cuts) - stages)
            if price.allowed and not wrong:
                allowed.add(cuts)
                known[cuts] = tuple(price.of(name) for name in objectives)
            else:
                known[cuts] = (worst * (1.0 + wrong + max(costs.memory_used(cuts) - 1.0, 0.0)),) * len(objectives)
        return known[cuts]

    for place in range(min(links + 1, trials)):
        value((0,) * place + (last,) * (links - place))
    rest = trials - len(known)
    if links and rest > 0 and solver == "merge_split":
        merge_split(costs, lambda cuts: value(cuts)[0], trials=rest, seed=seed)
    elif links and rest > 0:
        twice = 2 if solver in WALKERS and len(objectives) == 1 else 1
        space = space_of(costs, bounded=solver in BOUNDED)
        try:
            optimize(
                solver, space, lambda point: value(cuts_of(point, last)) * twice, trials=rest,
                objectives=len(objectives) * twice, seed=seed,
            )  # fmt: skip
        except ImportError as error:
            raise InputError(
                f"The solver {solver!r} needs a package that is not installed ({error}); install it, or use 'exact'."
            ) from error
    found = [cuts for cuts in known if cuts in allowed]
    if not found:
        return Explored([], len(known))
    if len(objectives) == 1:
        return Explored([min(found, key=lambda cuts: known[cuts])], len(known))
    return Explored([found[n] for n in front_of([known[cuts] for cuts in found])], len(known))


def space_of(costs: Costs, *, bounded: bool = False) -> Space:
    """Return the partitions of a network as a space.

    There is a choice for each link. Its level counts the cuts from the end of the network backwards: level 0 leaves all
    to the devices before it, each further level gives one more cut's worth of operations to those behind it. So levels
    that are next to each other are cuts next to each other in the network, whose stages differ by an operation. Sorted,
    the levels of any point are a partition; two equal ones leave the device in between nothing to do.

    What a level is thought to lose is what it adds to the latency, which is a sum over the links: with cut p of link k,

        Σ stages + Σ links = T(end) / speed_last + Σ_k T(p_k) (1 / speed_k − 1 / speed_{k+1}) + link_k(p_k)

    Args:
        costs: What stages take.
        bounded: Whether the first point, all on the first device, counts as over the budget, so that strategies that
            stop within a budget go on. There is no other budget: memory is part of what a point is worth.
    """
    names = tuple(f"link {number}" for number in range(1, len(costs.devices)))
    used = (lambda point: 1.0 if any(point) else 2.0) if bounded else None
    return Space(names, (costs.count,) * len(names), used, losses_of(costs))


def losses_of(costs: Costs) -> tuple[NDArray[np.float64], ...]:
    """Return what each level of each choice adds to the latency, from 0."""
    slow = [1.0 / one.speed for one in costs.devices.devices]
    found = [
        costs.times * (before - after) + link
        for before, after, link in zip(slow, slow[1:], costs.links, strict=False)
    ]  # fmt: skip
    return tuple((own - own.min())[::-1] for own in found)


def cuts_of(point: Point, last: int) -> tuple[int, ...]:
    """Return the cuts that a point stands for."""
    return tuple(sorted(last - level for level in point))
