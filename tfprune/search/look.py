"""The first rung, where a strategy explores, and the climb from one rung to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfprune.search.journal import Journal, Trial
from tfprune.search.ladder import chosen, correlation
from tfprune.search.plans import Plans
from tfprune.search.pool import Pool
from tfprune.strategies.base import Exploration, Strategy, Values, visit
from tfprune.strategies.space import Point

__all__ = ["Look", "climb_to", "explore", "foretold"]

CAUTION = (0.5, 0.8, 1.0)
"""So often more plans climb if none is within the budget; estimates are corrected by this quantile of what they were
wrong by."""


class Look:
    """Looks at plans, each once on each rung.

    Args:
        journal: Keeps trials.
        pool: Makes them.
        plans: The plans.
        objectives: The objectives.
    """

    def __init__(self, journal: Journal, pool: Pool, plans: Plans, objectives: tuple[str, ...]) -> None:
        self.journal, self.plans, self.objectives = journal, plans, objectives
        self._pool = pool

    def __call__(self, points: Sequence[Point], rung: str) -> list[Trial]:
        """Return the trials of some plans, in order."""
        new = [point for point in dict.fromkeys(points) if self.journal.get(rung, point) is None]
        for trial in self._pool.look(rung, new):
            self.journal.add(trial)
        return [self.known(rung, point) for point in points]

    def known(self, rung: str, point: Point) -> Trial:
        """Return the trial of a plan that has been looked at."""
        trial = self.journal.get(rung, point)
        if trial is None:
            raise RuntimeError(f"{point} has not been looked at")
        return trial

    def values(self, trial: Trial) -> Values:
        """Return what a trial is worth by each objective."""
        if trial.failed is not None:
            return (np.inf,) * len(self.objectives)
        return tuple(trial.metrics[name] for name in self.objectives)

    def fits(self, trial: Trial) -> bool:
        """Whether a trial did not fail and is within the budget."""
        return trial.failed is None and self.plans.met(trial.metrics)


def explore(look: Look, strategy: Strategy, rung: str, trials: int, seed: int) -> None:
    """Let a strategy look at so many plans."""
    exploration = Exploration(strategy, look.plans.space, objectives=len(look.objectives), trials=trials, seed=seed)
    visit(
        exploration, look.plans.space, trials, lambda points: [look.values(trial) for trial in look(points, rung)]
    )  # fmt: skip


def climb_to(
    look: Look, below: str, rung: str, points: list[Point], count: int, tell: Callable[[str], None]
) -> list[Point]:
    """Look at the best plans of a rung on the next one; return them.

    If none of them is within the budget there (measured latencies can be above estimated ones), estimates are corrected
    by what they were wrong by, and the best of the plans that still fit climb after them.
    """
    trials = [look.known(below, point) for point in points]
    fitting = [trial for trial in trials if look.fits(trial)] or trials
    picked = [fitting[n].point for n in chosen([look.values(trial) for trial in fitting], count)]
    above = look(picked, rung)
    for part in CAUTION:
        made = [(look.known(below, trial.point), trial) for trial in above if trial.failed is None]
        if not made or any(look.fits(trial) for trial in above):
            break
        wrong = {
            name: float(
                np.quantile([trial.metrics[name] / max(lower.metrics[name], 1e-12) for lower, trial in made], part)
            )
            for name in made[0][0].metrics
            if name != "error" and all(name in trial.metrics for _, trial in made)
        }
        left = [trial for trial in trials if trial.point not in picked and within(look, trial, wrong)]
        more = [left[n].point for n in chosen([look.values(trial) for trial in left], count)]
        if not more:
            break
        tell(f"  no plan is within the budget on {rung}: {told(wrong)}; {len(more)} more climb")
        picked += more
        above += look(more, rung)
    value = foretold(look, below, rung)
    tell(f"  {below} -> {rung}: {len(above)} plans, rank correlation {'unknown' if value is None else f'{value:.2f}'}")
    return picked


def within(look: Look, trial: Trial, wrong: Mapping[str, float]) -> bool:
    """Whether a plan is within the budget when its estimates are corrected; none gets better by that."""
    if trial.failed is not None:
        return False
    corrected = {name: value * max(wrong.get(name, 1.0), 1.0) for name, value in trial.metrics.items()}
    return look.plans.met(corrected)


def told(wrong: Mapping[str, float]) -> str:
    """Return by how much estimates were too low."""
    return ", ".join(f"{name} was {value - 1:.1%} above its estimate" for name, value in wrong.items() if value > 1)


def foretold(look: Look, below: str, rung: str) -> float | None:
    """Return how well a rung foretells the next: the rank correlation of the error of plans that were made on both."""
    pairs = [
        (lower.metrics["error"], trial.metrics["error"])
        for trial in look.journal.trials
        if trial.rung == rung and trial.failed is None and trial.point != look.plans.space.whole
        and (lower := look.journal.get(below, trial.point)) is not None and lower.failed is None
    ]  # fmt: skip
    return correlation(*map(list, zip(*pairs, strict=True))) if pairs else None
