"""The stage that prunes: weights, blocks, filters, heads or layers, while training or in one shot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from tfprune import granularity as granularities
from tfprune.callbacks import PruneCallback
from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.granularity import Filter, Head
from tfprune.one_call import prune
from tfprune.pruning import plan_filters
from tfprune.recipe.base import Names, amount_of, names_of, stages
from tfprune.recipe.training import TrainingStage

if TYPE_CHECKING:
    from tfprune.recipe.work import Work

__all__ = ["Prune"]


@stages.register("prune")
@dataclass(frozen=True, kw_only=True)
class Prune(TrainingStage):
    """Prune while training, or in one shot where `epochs` is 0.

    In one shot filters are really removed, chosen and refitted on the training inputs without labels; anything else is
    set to zero, and refitted likewise.

    Args:
        amount: Fraction that goes; None is that of the granularity.
        budget: Instead, what the network may cost without filters or heads: `"macs=0.5"`, or a list of such bounds.
        granularity: `"weight"`, a block as `"1x4"`, a pattern as `"2:4"`, `"filter"`, `"head"` or `"layer"`.
        schedule: How sparsity rises: `"polynomial"`, `"cosine"`, `"exponential"`, `"constant"`.
        criterion: What makes a weight matter; None is `"magnitude"`, in one shot `"obs"` for filters.
        scope: `"layer"`, `"global"`, …; None is the default of the granularity.
        layers: Names of the only layers that are pruned.
        skip: Names of layers that are left alone.
        round_to: Kept filters are a multiple of this; see `tfprune.granularity.Filter`.
        refit: Whether what is left makes up for what is gone, in closed form on training inputs.

    Example:
        >>> stage = Prune(granularity="filter", budget="macs=0.5", epochs=0)
        >>> stage.one_shot, stage.to_dict()
        (True, {'method': 'prune', 'epochs': 0, 'budget': 'macs=0.5', 'granularity': 'filter'})
        >>> print(Prune(amount=0.9, epochs=4, freeze="head"))
        prune(epochs=4, freeze=head, amount=0.9)
    """

    method: ClassVar[str] = "prune"
    least_epochs: ClassVar[int] = 0
    amount: float | None = None
    budget: Names = None
    granularity: str = "weight"
    schedule: str = "polynomial"
    criterion: str | None = None
    scope: str | None = None
    layers: Names = None
    skip: Names = None
    round_to: int | None = None
    refit: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.one_shot and self._what() is None and not self.pattern.default_sparsity:
            raise InputError("Give an amount or a budget.")
        self._callback(None, 0)

    @property
    def one_shot(self) -> bool:
        """Whether nothing is trained."""
        return self.epochs == 0

    def callbacks(self, work: Work) -> list[keras.callbacks.Callback]:
        """Return the callback that prunes."""
        return [self._callback(work.train, work.seed)]

    def run(self, work: Work) -> None:
        """Prune."""
        if not self.one_shot:
            super().run(work)
            return
        pattern, amount = self.pattern, self._what()
        options: dict[str, Any] = {"layers": names_of(self.layers), "skip": names_of(self.skip), "seed": work.seed}
        if type(pattern) is Filter:
            plan = plan_filters(
                work.model, pattern.default_sparsity if amount is None else amount, data=work.train,
                criterion=self.criterion, scope=self.scope, round_to=self.round_to, **options,
            )  # fmt: skip
            work.log(str(plan))
            work.model = plan.repair().model if self.refit else plan.apply()
            return
        if isinstance(amount, Budget):
            raise InputError(f"{amount} needs granularity='filter' in one shot; give an amount for other ones.")
        if self.scope is not None:
            options["scope"] = self.scope
        done = prune(
            work.model, pattern.default_sparsity if amount is None else amount, granularity=pattern,
            criterion=self.criterion or "magnitude", refit=work.train if self.refit else None, data=work.train,
            **options,
        )  # fmt: skip
        work.log(str(done))

    def _what(self) -> Budget | float | None:
        return amount_of(self.budget, self.amount, None)

    @property
    def pattern(self) -> Any:
        """The granularity."""
        outputs, times, inputs = str(self.granularity).partition("x")
        block = bool(times) and outputs.isdigit() and inputs.isdigit()
        given: Any = (int(outputs), int(inputs)) if block else self.granularity
        kinds = {"filter": Filter, "head": Head}
        return kinds[given](round_to=self.round_to) if given in kinds else granularities.get(given)

    def _callback(self, data: Any, seed: int) -> PruneCallback:
        given = self.scope is not None and not (self.one_shot and self.scope == "greedy")
        options: dict[str, Any] = {"scope": self.scope} if given else {}
        named = "magnitude" if self.criterion is None or self.one_shot else self.criterion
        return PruneCallback(
            self._what(), schedule=self.schedule, criterion=named, granularity=self.pattern,
            layers=names_of(self.layers), skip=names_of(self.skip), data=data,
            refit=data if self.refit else None, seed=seed, verbose=0, **options,
        )  # fmt: skip
