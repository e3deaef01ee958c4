"""The stage that factorises layers, in one shot or while training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tfprune.callbacks import FactorizeCallback
from tfprune.factorization import plan_factorization
from tfprune.factorization.choices import find_forms
from tfprune.factorization.ranks import check_rank
from tfprune.recipe.base import Names, amount_of, names_of, stages
from tfprune.recipe.training import TrainingStage

if TYPE_CHECKING:
    from tfprune.recipe.work import Work

__all__ = ["Factorize"]


@stages.register("factorize", "factorise")
@dataclass(frozen=True, kw_only=True)
class Factorize(TrainingStage):
    """Write layers as chains of smaller ones; see `tfprune.factorize` and `tfprune.FactorizeCallback`.

    Args:
        epochs: 0, the default, does it in one shot and refits all factors on training inputs; with more, ranks fall
            while the model is trained.
        budget: What the network may cost: `"macs=0.5"`, or a list of such bounds.
        rank: Instead, the rank of every layer: a number, a fraction of the full rank, or `"vbmf"`.
        energy: Instead, the part of the squared singular values that every layer keeps.
        form: The form or forms to choose from; None is the usual ones.
        layers: Names of the only layers that are factorised.
        skip: Names of layers that are left alone.

    Example:
        >>> print(Factorize(budget="macs=0.5", form=["spatial", "svd"]))
        factorize(budget=macs=0.5, form=['spatial', 'svd'])
        >>> Factorize(rank=0.25, epochs=2).to_dict()
        {'method': 'factorize', 'epochs': 2, 'rank': 0.25}
    """

    method: ClassVar[str] = "factorize"
    least_epochs: ClassVar[int] = 0
    epochs: int = 0
    budget: Names = None
    rank: float | int | str | None = None
    energy: float | None = None
    form: Names = None
    layers: Names = None
    skip: Names = None

    def __post_init__(self) -> None:
        super().__post_init__()
        find_forms(names_of(self.form))
        if amount_of(self.budget, None, None) is None:
            check_rank(self.rank, self.energy)
        self._callback(None)

    def run(self, work: Work) -> None:
        """Factorise."""
        if not self.epochs:
            plan = plan_factorization(work.model, data=work.train, seed=work.seed, **self._options())
            work.log(str(plan))
            work.model = plan.repair().model
            return
        callback = self._callback(work)
        self.train(work, [callback])
        work.model = callback.factorized()

    def _callback(self, work: Work | None) -> FactorizeCallback:
        given: dict[str, Any] = (
            {} if work is None else {"data": work.train, "seed": work.seed, "state": work.folder / "factors.json"}
        )
        return FactorizeCallback(verbose=0, **given, **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "budget": amount_of(self.budget, None, None),
            "rank": self.rank,
            "energy": self.energy,
            "form": names_of(self.form),
            "layers": names_of(self.layers),
            "skip": names_of(self.skip),
        }
