"""keras-tuner's Bayesian optimisation."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.scalar import Scalar, simplex
from tfprune.strategies.space import Space
from tfprune.strategies.variation import first_points

__all__ = ["KerasTuner"]


@strategies.register("bayesian", "keras_tuner")
@dataclass(frozen=True)
class KerasTuner(Strategy):
    """A Gaussian process over the levels, by keras-tuner's `BayesianOptimizationOracle`.

    Needs the extra: `pip install 'tfprune[tune]'`. Of several objectives it takes turns with trade-offs between them.
    A Gaussian process takes long on many points: after `most` it ends.

    Args:
        beta: How much it explores rather than exploits.
        batch: How many points at a time, so many of which can be evaluated side by side.
        most: How many points it proposes at most.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (4, 4), used=lambda point: 2 - sum(point) / 3)
        >>> optimize(KerasTuner(), space, lambda point: (point[0] + 3.0 * point[1],), trials=10).best(space)
        ((3, 0), (3.0,))
    """

    beta: float = 2.6
    batch: int = 4
    most: int = 300

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield what the oracle suggests."""
        tuner = required()
        scalar = Scalar(objectives)
        points = first_points(space, objectives, 2 * self.batch, rng)
        values = yield points
        scalar.see(values)
        trade_offs = simplex(objectives, 1 if objectives == 1 else 5, rng)
        for weights in trade_offs:
            with tempfile.TemporaryDirectory() as folder:
                oracle = self._oracle(tuner, space, int(rng.integers(2**31)), folder)
                left = min(self.most, trials) // len(trade_offs)
                while left > 0:
                    asked: list[Any] = suggested(oracle, min(self.batch, left))
                    asked = [trial for trial in asked if trial.hyperparameters.values]
                    if not asked:
                        break
                    points = [
                        space.repair(tuple(int(trial.hyperparameters.values[f"{n}"]) for n in range(len(space.sizes))))
                        for trial in asked
                    ]
                    values = yield points
                    scalar.see(values)
                    for trial, value in zip(asked, values, strict=True):
                        self._tell(oracle, trial, scalar.of(value, weights))
                    left -= len(asked)

    def _oracle(self, tuner: Any, space: Space, seed: int, folder: str) -> Any:
        found = tuner.HyperParameters()
        for n, size in enumerate(space.sizes):
            found.Int(f"{n}", 0, size - 1)
        oracle = tuner.oracles.BayesianOptimizationOracle(
            objective=tuner.Objective("value", "min"), max_trials=10**6, seed=seed, hyperparameters=found,
            beta=self.beta, tune_new_entries=False, allow_new_entries=False,
        )  # fmt: skip
        oracle._set_project_dir(folder, "search")
        oracle.verbose = 0
        return oracle

    @staticmethod
    def _tell(oracle: Any, trial: Any, value: float) -> None:
        if np.isfinite(value):
            oracle.update_trial(trial.trial_id, {"value": value})
            trial.status = "COMPLETED"
        else:
            trial.status = "INVALID"
        oracle.end_trial(trial)


def suggested(oracle: Any, count: int) -> list[Any]:
    """Return the next trials, computed by one thread: a Gaussian process of few points is slower with more."""
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # scikit-learn warns of every fit that could be better
        return [oracle.create_trial(f"tuner{n}") for n in range(count)]


def required() -> Any:
    """Return keras-tuner.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import keras_tuner
    except ImportError as error:
        raise InputError("This needs keras-tuner; run: pip install 'tfprune[tune]'") from error
    return keras_tuner
