"""`PruningHyperModel`: keras-tuner tunes how a network is compressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfprune.cost import Budget
from tfprune.errors import InputError, nearest
from tfprune.pruning import plan_filters
from tfprune.search.strategies.keras_tuner import required

__all__ = ["PruningHyperModel"]

tuner = required()

CRITERIA = ("obs", "magnitude", "l2", "bn_scale", "fpgm")
BOUNDS = ("macs", "params", "bytes")


class PruningHyperModel(tuner.HyperModel):  # type: ignore[misc,name-defined]
    """Prunes filters of a model as hyperparameters say; every tuner of keras-tuner takes it.

    The hyperparameters are `budget` (the part of a cost to keep), `criterion` and `learning_rate`. What is built is
    cut and, with data, refitted, and compiled as the model is: `fit` fine-tunes it. It is smaller for good, so that the
    checkpoint of every epoch is whole; of a pruning by masks keras-tuner's best epoch may be a half-pruned one.

    Args:
        model: A built model, compiled.
        data: Samples without labels: anything `fit` takes; what channels are chosen and refitted on.
        bound: What the budget bounds: `"macs"`, `"params"` or `"bytes"`.
        low: The smallest part to keep.
        high: The largest.
        criteria: The criteria to choose from; by default `"obs"` with data, and those that need none.
        learning_rates: The range of learning rates.
        samples: How many samples are used at most.
        seed: Seed of the choice of rows.

    Raises:
        InputError: If keras-tuner is not installed, the model is not compiled, or an argument is not one of the
            allowed values.

    Example:
        >>> import keras_tuner
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3), keras.layers.Conv2D(16, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        >>> made = PruningHyperModel(model).build(keras_tuner.HyperParameters())
        >>> made.count_params() < model.count_params()
        True
    """

    def __init__(
        self,
        model: keras.Model,
        data: Any = None,
        *,
        bound: str = "macs",
        low: float = 0.25,
        high: float = 0.75,
        criteria: Sequence[str] | None = None,
        learning_rates: tuple[float, float] = (1e-4, 1e-2),
        samples: int = 1024,
        seed: int = 0,
    ) -> None:
        if bound not in BOUNDS:
            raise InputError(f"Unknown bound {bound!r}. {nearest(bound, BOUNDS)}")
        if not 0.0 < low < high <= 1.0:
            raise InputError(f"low is {low!r} and high is {high!r}; give 0 < low < high <= 1.")
        if not getattr(model, "compiled", False):
            raise InputError(f"{model.name!r} is not compiled; compile it with a loss and metrics first.")
        super().__init__(name=f"pruned_{model.name}")
        self.model, self.data, self.bound, self.range = model, data, bound, (low, high)
        self.criteria = list(criteria if criteria is not None else CRITERIA if data is not None else CRITERIA[1:])
        self.learning_rates, self.samples, self.seed = learning_rates, samples, seed

    def build(self, hp: Any) -> keras.Model:
        """Return the pruned network, compiled.

        Args:
            hp: The hyperparameters.
        """
        part = hp.Float("budget", *self.range, default=sum(self.range) / 2)
        criterion = hp.Choice("criterion", self.criteria)
        rate = hp.Float("learning_rate", *self.learning_rates, sampling="log")
        budget = Budget(**{self.bound: float(part)})  # type: ignore[arg-type]
        given = {} if self.data is None else {"data": self.data, "samples": self.samples}
        plan = plan_filters(self.model, budget, criterion=criterion, seed=self.seed, **given)
        made = plan.apply() if self.data is None else plan.repair().model
        made.optimizer.learning_rate = rate
        return made
