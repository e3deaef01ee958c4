"""The stage that trains with a penalty, which prepares for pruning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import keras

from tfprune.callbacks import RegularizeCallback
from tfprune.recipe.base import Names, names_of, stages
from tfprune.recipe.training import TrainingStage

if TYPE_CHECKING:
    from tfprune.recipe.work import Work

__all__ = ["Regularize"]


@stages.register("regularize", "regularise")
@dataclass(frozen=True, kw_only=True)
class Regularize(TrainingStage):
    """Train with a penalty that makes channels or weights small; see `tfprune.RegularizeCallback`.

    Args:
        penalty: `"group_lasso"`, `"l1"`, `"l2"`, `"slimming"`, `"hybrid"`, …
        strength: What it is multiplied with; None is that of the penalty.
        layers: Names of the only layers that are penalised.
        skip: Names of layers that are left alone.

    Example:
        >>> print(tfprune.recipe.Recipe([Regularize(penalty="slimming", epochs=2),
        ...                              {"method": "prune", "granularity": "filter", "criterion": "bn_scale"}]))
        recipe
          1. regularize(epochs=2, penalty=slimming)
          2. prune(granularity=filter, criterion=bn_scale)
    """

    method: ClassVar[str] = "regularize"
    penalty: str = "group_lasso"
    strength: float | None = None
    layers: Names = None
    skip: Names = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._callback(0)

    def callbacks(self, work: Work) -> list[keras.callbacks.Callback]:
        """Return the callback with the penalty."""
        return [self._callback(work.seed)]

    def _callback(self, seed: int) -> RegularizeCallback:
        return RegularizeCallback(
            self.penalty, strength=self.strength, layers=names_of(self.layers), skip=names_of(self.skip), seed=seed,
            verbose=0,
        )  # fmt: skip
