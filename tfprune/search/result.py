"""What a search has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
from rich.table import Table
from rich.text import Text

from tfprune.console import counted
from tfprune.search.journal import Trial
from tfprune.search.plan import Plan
from tfprune.search.plans import Plans
from tfprune.shown import Shown
from tfprune.strategies.front import hypervolume
from tfprune.strategies.optuna import required

__all__ = ["Searched"]


@dataclass(frozen=True)
class Searched(Shown):
    """The result of a search.

    Args:
        model: The network of the best plan within the budget, refitted, or tuned if the ladder has that rung.
        best: Its trial.
        front: The trials that no other beats in all objectives, on the last rung, within the budget.
        trials: All trials, of all rungs.
        whole: What the whole network is worth, on the last rung.
        objectives: The names of the objectives.
        correlations: How well each rung foretold the next, by their names: Spearman's rank correlation of the error.
        plans: What there was to choose.
        call: The call that makes the same again.
        folder: Where the files are; None if there are none.

    Example:
        >>> from tfprune.search import find_plans
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"), keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
        >>> plans, _ = find_plans(model, x, Budget(macs=0.5), choose_from=["channels"], levels=4)
        >>> whole, best = (Trial("refit", point, {"error": error, "macs": plans.cost(point).macs}) for point, error in
        ...                [(plans.space.whole, 0.0), (plans.space.start, 0.04)])
        >>> found = Searched(keras.Sequential(), best, (best,), (best,), whole, ("error", "macs"), {}, plans)
        >>> print(found.plan)
        a: 10 channels fewer; float32
        >>> print(found)
        search: 1 refit
          error: 0 -> 0.04
          macs: 160 -> 60 (37.5%)
    """

    model: keras.Model = field(repr=False)
    best: Trial
    front: tuple[Trial, ...] = field(repr=False)
    trials: tuple[Trial, ...] = field(repr=False)
    whole: Trial = field(repr=False)
    objectives: tuple[str, ...]
    correlations: Mapping[str, float | None]
    plans: Plans = field(repr=False)
    call: str = ""
    folder: Path | None = None

    @property
    def plan(self) -> Plan:
        """The best plan."""
        return self.plans.plan(self.best.point)

    def hypervolume(self) -> float:
        """Return the part of the box from the best possible to the whole network that the front covers, in [0, 1].

        Of the error the box reaches up to 1.
        """
        reference = [1.0 if name == "error" else self.whole.metrics[name] for name in self.objectives]
        scaled = [
            tuple(trial.metrics[name] / max(top, 1e-12) for name, top in zip(self.objectives, reference, strict=True))
            for trial in self.front
        ]
        return hypervolume(scaled, (1.0,) * len(reference))

    def __str__(self) -> str:
        failed = sum(trial.failed is not None for trial in self.trials)
        by_rung: dict[str, int] = {}
        for trial in self.trials:
            by_rung[trial.rung] = by_rung.get(trial.rung, 0) + 1
        looked = ", ".join(f"{count:,} {rung}" for rung, count in by_rung.items())
        lines = [f"search: {looked}{f'; {failed} failed' if failed else ''}"]
        lines += [
            f"  {rungs}: rank correlation {'unknown' if value is None else f'{value:.2f}'}"
            for rungs, value in self.correlations.items()
        ]
        for name, value in self.best.metrics.items():
            before = self.whole.metrics.get(name)
            lines.append(f"  {name}: {told(before)} -> {told(value)}{part_of(name, before, value)}")
        return "\n".join(lines)

    def table(self) -> Table:
        """Return a rich table of the front, the best plan marked."""
        table = Table(title=Text(str(self)), title_justify="left", title_style="")
        names = [name for name in self.best.metrics if all(name in trial.metrics for trial in self.front)]
        for name in names:
            table.add_column(name, justify="right")
        table.add_column("channels", justify="right")
        table.add_column("factors", justify="right")
        table.add_column("precision")
        table.add_column("")
        table.add_row(*(told(self.whole.metrics.get(name)) for name in names), "", "", "", "whole")
        for trial in self.front:
            plan = self.plans.plan(trial.point)
            mark = "best" if trial.point == self.best.point else ""
            cells = [told(trial.metrics[name]) for name in names]
            table.add_row(
                *cells, counted(len(plan.remove), "group"), counted(len(plan.forms), "layer"), plan.precision, mark
            )
        return table

    def study(self, rung: str | None = None, storage: Any = None) -> Any:
        """Return the trials of a rung as an Optuna study, for its plots and dashboards.

        Args:
            rung: The rung; by default the first one, on which the strategy explored.
            storage: Where Optuna keeps it, such as `"sqlite:///trials.db"`; None keeps it in memory.

        Raises:
            InputError: If Optuna is not installed.
        """
        optuna = required()
        study = optuna.create_study(directions=["minimize"] * len(self.objectives), storage=storage)
        space, wanted = self.plans.space, rung or self.trials[0].rung
        ranges = {
            name: optuna.distributions.IntDistribution(0, size - 1)
            for name, size in zip(space.names, space.sizes, strict=True)
        }
        for trial in self.trials:
            if trial.rung == wanted and trial.failed is None:
                study.add_trial(
                    optuna.trial.create_trial(
                        params=dict(zip(space.names, trial.point, strict=True)),
                        distributions=ranges,
                        values=[trial.metrics[name] for name in self.objectives],
                        user_attrs=dict(trial.metrics),
                    )
                )
        return study

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "call": self.call,
            "objectives": list(self.objectives),
            "whole": self.whole.metrics,
            "best": {**self.best.to_dict(), "plan": self.plan.to_dict()},
            "front": [{**trial.to_dict(), "plan": self.plans.plan(trial.point).to_dict()} for trial in self.front],
            "correlations": dict(self.correlations),
            "trials": len(self.trials),
            "failed": sum(trial.failed is not None for trial in self.trials),
        }


def told(value: float | None) -> str:
    """Return a number as people read it."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def part_of(name: str, before: float | None, after: float) -> str:
    """Return which part of a cost is left."""
    costs = ("latency", "macs", "params", "bytes", "memory")
    return f" ({after / before:.1%})" if name in costs and before else ""
