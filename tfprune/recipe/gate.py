"""The stage that trains gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import keras

from tfprune.callbacks import GateCallback
from tfprune.recipe.base import Names, amount_of, names_of, stages
from tfprune.recipe.training import TrainingStage

if TYPE_CHECKING:
    from tfprune.recipe.work import Work

__all__ = ["Gate"]

AMOUNT = 0.5


@stages.register("gate")
@dataclass(frozen=True, kw_only=True)
class Gate(TrainingStage):
    """Learn with the loss what to remove; see `tfprune.GateCallback`.

    Args:
        amount: Fraction of channels, blocks or weights that close; None is a half.
        budget: Instead, what the network may cost: `"macs=0.5"`, or a list of such bounds.
        gate: `"hard_concrete"`, `"sigmoid"` or `"gumbel"`.
        granularity: `"filter"`, `"head"`, `"layer"` or `"weight"`.
        layers: Names of the only layers with gates.
        skip: Names of layers without.
        end: Part of the stage after which the gates are decided.
        refit: Whether what is left makes up for what is gone, in closed form on training inputs.

    Example:
        >>> print(Gate(budget=["macs=0.5", "params=0.6"], epochs=6, distil="dist"))
        gate(epochs=6, distil=dist, budget=['macs=0.5', 'params=0.6'])
    """

    method: ClassVar[str] = "gate"
    amount: float | None = None
    budget: Names = None
    gate: str = "hard_concrete"
    granularity: str = "filter"
    layers: Names = None
    skip: Names = None
    end: float = 0.75
    refit: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._callback(None)

    def callbacks(self, work: Work) -> list[keras.callbacks.Callback]:
        """Return the callback with the gates."""
        return [self._callback(work)]

    def _callback(self, work: Work | None) -> GateCallback:
        return GateCallback(
            amount_of(self.budget, self.amount, AMOUNT) or 0.0, gate=self.gate, granularity=self.granularity,
            layers=names_of(self.layers), skip=names_of(self.skip), end=self.end, verbose=0,
            refit=work.train if work is not None and self.refit else None,
            state=None if work is None else work.folder / "gates.npz", seed=0 if work is None else work.seed,
        )  # fmt: skip
