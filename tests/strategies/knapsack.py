"""A small problem of which the best is known: losses that add up, and a budget."""

from __future__ import annotations

import itertools

import numpy as np

from tfprune.strategies import Space
from tfprune.strategies.path import greedy_path


class Knapsack:
    """Choices whose losses and savings add up, with a budget of half of all there is to use."""

    def __init__(self, seed: int, choices: int = 6, levels: int = 4, part: float = 0.5) -> None:
        rng = np.random.default_rng(seed)
        rises = rng.uniform(0.1, 1.0, (choices, levels - 1)) ** 2
        self.losses = tuple(np.concatenate([[0.0], np.cumsum(row)]) for row in rises)
        self.costs = [np.linspace(1.0, 0.1, levels) * weight for weight in rng.uniform(0.5, 2.0, choices)]
        self.total = sum(cost[0] for cost in self.costs)
        self.part = part
        names = tuple(f"choice_{n}" for n in range(choices))
        path = greedy_path(self.losses, self.used)
        self.space = Space(names, (levels,) * choices, self.used, self.losses, path)

    def loss(self, point) -> float:
        return float(sum(own[level] for own, level in zip(self.losses, point, strict=True)))

    def used(self, point) -> float:
        return float(sum(own[level] for own, level in zip(self.costs, point, strict=True))) / self.total / self.part

    def optimum(self) -> float:
        points = itertools.product(*map(range, self.space.sizes))
        return min(self.loss(point) for point in points if self.space.allowed(point))
