"""`PruningHyperModel`: keras-tuner tunes how a network is compressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfprune.cost import Budget, CostModel
from tfprune.cost.budget import LIMITS
from tfprune.errors import InputError, nearest
from tfprune.factorization import plan_factorization
from tfprune.graph import trace
from tfprune.pruning import plan_filters
from tfprune.recipe.work import compilation_of, compile_again
from tfprune.strategies.keras_tuner import required

__all__ = ["PruningHyperModel"]

tuner = required()

CRITERIA = ("obs", "magnitude", "l2", "bn_scale", "fpgm")
BOUNDS = ("macs", "params", "bytes")
METHODS = ("filters", "factors", "filters, then factors")


class PruningHyperModel(tuner.HyperModel):  # type: ignore[misc,name-defined]
    """Prunes filters of a model as hyperparameters say; every tuner of keras-tuner takes it.

    The hyperparameters are `budget` (the part of a cost to keep), `criterion`, `learning_rate` and `method`: filters
    that go or, with data, layers that are factorised, or first the one and then the other, each with its share of the
    budget. What is built is cut and, with data, refitted, and compiled as the model is: `fit` fine-tunes it. It is
    smaller for good, so that the checkpoint of every epoch is whole; of a pruning by masks keras-tuner's best epoch may
    be a half-pruned one.

    Args:
        model: A built model, compiled.
        data: Samples without labels: anything `fit` takes; what channels are chosen and refitted on.
        bound: What the budget bounds: `"macs"`, `"params"` or `"bytes"`.
        low: The smallest part to keep.
        high: The largest.
        criteria: The criteria to choose from; by default `"obs"` with data, and those that need none.
        methods: The methods to choose from: `"filters"`, `"factors"`, `"filters, then factors"`; by default all with
            data, and filters alone without.
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
        methods: Sequence[str] | None = None,
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
        self.methods = list(methods if methods is not None else METHODS if data is not None else METHODS[:1])
        for name in self.methods:
            if name not in METHODS:
                raise InputError(f"Unknown method {name!r}. {nearest(name, METHODS)}")
            if data is None and name != METHODS[0]:
                raise InputError(f"The method {name!r} needs data: samples of what the model is used on.")
        super().__init__(name=f"pruned_{model.name}")
        self.model, self.data, self.bound, self.range = model, data, bound, (low, high)
        self.criteria = list(criteria if criteria is not None else CRITERIA if data is not None else CRITERIA[1:])
        self.learning_rates, self.samples, self.seed = learning_rates, samples, seed

    def build(self, hp: Any) -> keras.Model:
        """Return the pruned network, compiled.

        Args:
            hp: The hyperparameters.
        """
        part = float(hp.Float("budget", *self.range, default=sum(self.range) / 2))
        criterion = hp.Choice("criterion", self.criteria)
        method = hp.Choice("method", self.methods)
        rate = hp.Float("learning_rate", *self.learning_rates, sampling="log")
        made = self.model
        if "filters" in method:
            made = self._filters(made, part**0.5 if "then" in method else part, criterion)
        if "factors" in method:
            left = part * self._cost(self.model) / self._cost(made)
            plan = plan_factorization(made, self._budget(left), data=self.data, samples=self.samples, seed=self.seed)
            made = plan.repair().model
        compile_again(made, compilation_of(self.model), rate)
        return made

    def _filters(self, model: keras.Model, part: float, criterion: str) -> keras.Model:
        given = {} if self.data is None else {"data": self.data, "samples": self.samples}
        plan = plan_filters(model, self._budget(part), criterion=criterion, seed=self.seed, **given)
        return plan.apply() if self.data is None else plan.repair().model

    def _budget(self, part: float) -> Budget:
        return Budget(**{self.bound: min(float(part), 1.0)})  # type: ignore[arg-type]

    def _cost(self, model: keras.Model) -> float:
        return float(getattr(CostModel(trace(model)).whole, LIMITS[self.bound]))
