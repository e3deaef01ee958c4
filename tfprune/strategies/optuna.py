"""Optuna's samplers: tree-structured Parzen estimators, Gaussian processes, its NSGA-II."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.errors import InputError, nearest
from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.space import Space
from tfprune.strategies.variation import first_points

__all__ = ["Optuna"]

SAMPLERS = {"tpe": "TPESampler", "gp": "GPSampler", "nsga2": "NSGAIISampler", "nsga3": "NSGAIIISampler",
            "random": "RandomSampler"}  # fmt: skip


@strategies.register("optuna")
@dataclass(frozen=True)
class Optuna(Strategy):
    """Optuna proposes; a point over the budget is moved into it before it is evaluated.

    It models what it has seen, which pays where an evaluation takes long, as proposing a point does too. Needs the
    extra: `pip install 'tfprune[search]'`.

    Args:
        sampler: `"tpe"`, `"gp"` (needs torch), `"nsga2"`, `"nsga3"` or `"random"`.
        batch: How many points at a time, so many of which can be evaluated side by side.

    Raises:
        InputError: If the sampler is not one of these.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (4, 4), used=lambda point: 2 - sum(point) / 3)
        >>> optimize(Optuna("random"), space, lambda point: (point[0] + 3.0 * point[1],), trials=8).best(space)
        ((3, 0), (3.0,))
    """

    sampler: str = "tpe"
    batch: int = 4

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError(f"Unknown sampler {self.sampler!r} of Optuna. {nearest(self.sampler, SAMPLERS)}")

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield what Optuna suggests."""
        optuna = required()
        seed = int(rng.integers(2**31))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of experimental parts
            sampler = getattr(optuna.samplers, SAMPLERS[self.sampler])(seed=seed)
        study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
        for point in first_points(space, objectives, 2 * self.batch, rng):
            study.enqueue_trial(dict(zip(space.names, point, strict=True)))
        while True:
            asked: list[Any] = [study.ask() for _ in range(self.batch)]
            points = [
                space.repair(
                    tuple(
                        trial.suggest_int(name, 0, size - 1)
                        for name, size in zip(space.names, space.sizes, strict=True)
                    )
                )
                for trial in asked
            ]
            values = yield points
            for trial, value in zip(asked, values, strict=True):
                if np.isfinite(value).all():
                    study.tell(trial, list(value))
                else:
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)


def required() -> Any:
    """Return Optuna, quiet.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError("This needs Optuna; run: pip install 'tfprune[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


strategies.alias("tpe", "optuna", sampler="tpe")
strategies.alias("gp", "optuna", sampler="gp")
