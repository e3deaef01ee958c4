"""Stages that change a model without training it: cutting out zeros, and refitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.numbers import is_integer
from tfprune.recipe.base import Stage, stages
from tfprune.refit import Network, refit_zeros
from tfprune.refit.unlabelled import Unlabelled
from tfprune.surgery import shrink

if TYPE_CHECKING:
    from tfprune.recipe.work import Work

__all__ = ["Refit", "Shrink"]


@stages.register("shrink")
@dataclass(frozen=True, kw_only=True)
class Shrink(Stage):
    """Take out the channels and blocks that are zero; see `tfprune.shrink`.

    Example:
        >>> filters = {"method": "prune", "granularity": "filter", "amount": 0.5, "epochs": 3}
        >>> print(tfprune.recipe.Recipe([filters, Shrink(), {"method": "fine_tune"}], name="narrow"))
        narrow
          1. prune(epochs=3, amount=0.5, granularity=filter)
          2. shrink()
          3. fine_tune()
    """

    method: ClassVar[str] = "shrink"

    def run(self, work: Work) -> None:
        """Cut."""
        work.model = shrink(work.model)


@stages.register("refit")
@dataclass(frozen=True, kw_only=True)
class Refit(Stage):
    """Have the weights that are not zero give the dense network's layers again, in closed form on training inputs.

    It needs the layers of the dense network: put it after pruning and before shrinking or factorising, which refit by
    themselves.

    Args:
        samples: How many training samples are used at most.

    Example:
        >>> weights = {"method": "prune", "amount": 0.9, "refit": False}
        >>> print(tfprune.recipe.Recipe([weights, Refit(samples=256)], name="sparse"))
        sparse
          1. prune(amount=0.9, refit=False)
          2. refit(samples=256)
    """

    method: ClassVar[str] = "refit"
    samples: int = 1024

    def __post_init__(self) -> None:
        if not is_integer(self.samples) or self.samples < 1:
            raise InputError(f"samples is {self.samples!r}; give an int from 1.")

    def run(self, work: Work) -> None:
        """Refit."""
        shapes = [[tuple(weight.shape) for weight in model.weights] for model in (work.model, work.dense)]
        if shapes[0] != shapes[1]:
            raise InputError("This model has other layers than the dense one by now; refit before it is cut.")
        graph = trace(work.model)
        samples = Unlabelled(work.model, work.train, self.samples).samples
        teacher = Network(graph)
        whole = {id(own): dense for own, dense in zip(work.model.weights, work.dense.weights, strict=True)}
        for weight in teacher.model.weights:
            weight.assign(whole[id(teacher.built.origins[id(weight)])])
        work.log(str(refit_zeros(graph, teacher, samples)))
