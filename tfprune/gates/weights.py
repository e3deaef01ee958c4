"""Gates before single weights."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.gates.base import Array
from tfprune.gates.channels import PART
from tfprune.gates.gated import Behind, BoolArray
from tfprune.gates.multiply import Gated
from tfprune.granularity import Weight
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.selection import select

__all__ = ["SingleWeights"]


class SingleWeights(Behind):
    """One gate before each weight of the kernels that `PruneCallback` would prune.

    Args:
        model: A built model.
        amount: The fraction of weights that close.
        layers: Only these.
        skip: None of these.

    Raises:
        InputError: If there are none, or a budget is given.
    """

    what = "weights"

    def __init__(
        self,
        model: keras.Model,
        amount: Budget | float,
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
    ) -> None:
        if isinstance(amount, Budget):
            raise InputError(f"{amount} can't be met by single weights; give the fraction of them that close, as 0.8.")
        selection = select(model, layers=layers, skip=skip, granularity=Weight())
        self._variables = [target.variable for target in selection.targets]
        self.skipped = list(selection.skipped)
        self.amount = float(amount)
        self.names = {target.path: target.size for target in selection.targets}
        self._starts = np.cumsum([0, *self.names.values()])
        self.count = int(self._starts[-1])
        if not self.count:
            raise InputError(f"There are no weights to gate in {model.name!r}.")
        self.targets = {PART: 1.0 - self.amount}

    def gated(self) -> list[Gated]:
        """Return the kernels."""
        return [
            Gated(variable, (start + np.arange(np.prod(variable.shape))).reshape(variable.shape))
            for variable, start in zip(self._variables, self._starts, strict=False)
        ]

    def expected(self, opening: Array) -> tuple[dict[str, float], dict[str, Array]]:
        """Return the expected part of weights."""
        return {PART: float(opening.mean())}, {PART: np.full(self.count, 1 / self.count)}

    def choose(self, scores: Array) -> BoolArray:
        """Return the weights with the highest scores."""
        kept = np.ones(self.count, dtype=bool)
        kept[np.argsort(scores, kind="stable")[: round(self.amount * self.count)]] = False
        return kept

    def masks(self, kept: BoolArray) -> list[tuple[keras.Variable, BoolArray]]:
        """Return the gates themselves, as masks."""
        return [
            (variable, kept[start : start + np.prod(variable.shape, dtype=int)].reshape(tuple(variable.shape)))
            for variable, start in zip(self._variables, self._starts, strict=False)
        ]
