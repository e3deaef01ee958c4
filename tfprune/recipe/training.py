"""Stages that train: whatever is done while `fit` runs, and training for its own sake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import keras

from tfprune.distillation import get as get_loss
from tfprune.errors import InputError
from tfprune.numbers import is_integer, is_real
from tfprune.recipe.base import Names, Stage, names_of, stages

if TYPE_CHECKING:
    from tfprune.recipe.work import Work

__all__ = ["DECAYS", "Distil", "FineTune", "TrainingStage"]

DECAYS = ("cosine", "constant")


@dataclass(frozen=True, kw_only=True)
class TrainingStage(Stage):
    """A stage that trains.

    Args:
        epochs: How many epochs, from 1; some stages allow 0, and then work in one shot, without training.
        learning_rate: The first learning rate; None takes a tenth of what the model was compiled with, as a network
            that is trained already wants small steps.
        decay: `"cosine"` brings it to zero along half a wave, `"constant"` leaves it.
        freeze: Names of layers that are not trained in this stage.
        distil: Distillation losses by which the dense network teaches along; None trains by the model's own loss.
        teacher_weight: Weight of these, from 0.

    Example:
        What each stage that trains takes:

        >>> print(FineTune(epochs=3, learning_rate=1e-4, decay="constant", distil=["dist", "hint"]))
        fine_tune(epochs=3, learning_rate=0.0001, decay=constant, distil=['dist', 'hint'])
        >>> try:
        ...     FineTune(epochs=0)
        ... except tfprune.InputError as error:
        ...     print(error)
        epochs is 0; give an int from 1.
    """

    epochs: int = 1
    learning_rate: float | None = None
    decay: str = "cosine"
    freeze: Names = None
    distil: Names = None
    teacher_weight: float = 1.0
    least_epochs: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not is_integer(self.epochs) or self.epochs < self.least_epochs:
            raise InputError(f"epochs is {self.epochs!r}; give an int from {self.least_epochs}.")
        if self.learning_rate is not None and (not is_real(self.learning_rate) or self.learning_rate <= 0):
            raise InputError(f"learning_rate is {self.learning_rate!r}; give a number above 0.")
        if self.decay not in DECAYS:
            raise InputError(f"decay is {self.decay!r}; give one of {', '.join(DECAYS)}.")
        if not is_real(self.teacher_weight) or self.teacher_weight < 0:
            raise InputError(f"teacher_weight is {self.teacher_weight!r}; give a number from 0.")
        for name in names_of(self.distil) or ():
            get_loss(name)

    def callbacks(self, work: Work) -> list[keras.callbacks.Callback]:
        """Return the callbacks that do the work while the model is trained."""
        return []

    def run(self, work: Work) -> None:
        """Train."""
        self.train(work, self.callbacks(work))

    def train(self, work: Work, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Train with some callbacks, as the fields say."""
        work.fit(
            callbacks, epochs=self.epochs, learning_rate=self.learning_rate, decay=self.decay,
            freeze=names_of(self.freeze) or (), distil=names_of(self.distil) or (), teacher_weight=self.teacher_weight,
        )  # fmt: skip


@stages.register("fine_tune")
@dataclass(frozen=True, kw_only=True)
class FineTune(TrainingStage):
    """Train what is left.

    Example:
        >>> FineTune(epochs=3, learning_rate=1e-4).to_dict()
        {'method': 'fine_tune', 'epochs': 3, 'learning_rate': 0.0001}
    """

    method: ClassVar[str] = "fine_tune"


@stages.register("distil")
@dataclass(frozen=True, kw_only=True)
class Distil(TrainingStage):
    """Train what is left with the dense network as its teacher.

    Args:
        distil: Distillation losses by which the original network teaches.

    Example:
        >>> Distil(epochs=2).distil  # unless something else is asked for
        ('dist',)
        >>> Distil(distil=["kd", "hint"]).to_dict()
        {'method': 'distil', 'distil': ['kd', 'hint']}
    """

    method: ClassVar[str] = "distil"
    distil: Names = ("dist",)
