"""How far a training is: in optimizer updates, whatever counts its batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras

from tfprune.backend import current_value

__all__ = ["Clock", "optimizers_of"]


def optimizers_of(model: keras.Model) -> Iterator[keras.optimizers.Optimizer]:
    """Yield the optimizers of a model: its own, and those that a custom `train_step` keeps as attributes."""
    held = [getattr(model, "optimizer", None), *vars(model).values()]
    seen: set[int] = set()
    for optimizer in held:
        if isinstance(optimizer, keras.optimizers.Optimizer) and id(optimizer) not in seen:
            seen.add(id(optimizer))
            optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # loss scaling wraps the real one
            yield from getattr(optimizer, "optimizers", [optimizer])


class Clock:
    """Counts the optimizer updates of one training, from its first epoch.

    It reads `optimizer.iterations`, which a checkpoint restores, and which counts neither accumulated micro-batches nor
    steps that loss scaling skipped. A second `fit` starts at 0 again; a resumed one goes on where the first was. Where
    no Keras optimizer trains the variables, batches are counted.

    Args:
        model: The model that is trained.
        variables: The variables that are pruned.
        epochs: Epochs to train, those before a resumption included.
        batches: Batches in an epoch; None if the data does not say.
    """

    def __init__(
        self, model: keras.Model, variables: Iterable[keras.Variable], epochs: int, batches: int | None
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batches = batches
        self._variables = {id(variable) for variable in variables}
        self._epoch = 0
        self._batch = 0
        self._before: dict[int, int] | None = None
        self._found: keras.optimizers.Optimizer | None = None
        steps = [getattr(optimizer, "gradient_accumulation_steps", None) for optimizer in optimizers_of(model)]
        self._accumulation = next((int(count) for count in steps if count), 1)

    @property
    def total_steps(self) -> int | None:
        """Optimizer updates in the whole training; None as long as the length of an epoch is not known."""
        return None if self.batches is None else max(self.epochs * self.batches // self._accumulation, 1)

    @property
    def steps_per_epoch(self) -> int | None:
        """Optimizer updates in an epoch, rounded."""
        return None if self.batches is None else max(round(self.batches / self._accumulation), 1)

    def begin_epoch(self, epoch: int) -> None:
        """Note that an epoch begins."""
        self._epoch, self._batch = epoch, 0

    def end_batch(self, batch: int) -> None:
        """Note that the batch with this number in the epoch has been trained on."""
        self._batch = batch + 1

    def end_epoch(self) -> None:
        """Note that an epoch has ended; its length is that of all others, if the data did not say it."""
        if self.batches is None and self._batch:
            self.batches = self._batch

    @property
    def epoch_is_over(self) -> bool:
        """Whether the last batch of the epoch has been trained on, as far as its length is known."""
        return self.batches is not None and self._batch >= self.batches

    def step(self) -> int:
        """Return the optimizer updates made since the training began."""
        past = self._epoch * (self.batches or 0) // self._accumulation
        if self._before is None:
            unknown = self.batches is None and self._epoch > 0  # how many there were before only the optimizers know
            self._before = {id(o): 0 if unknown else self._updates(o) - past for o in optimizers_of(self.model)}
        optimizer = self._optimizer()
        if optimizer is None:
            return past + self._batch // self._accumulation
        return self._updates(optimizer) - self._before.setdefault(id(optimizer), -past)

    def _updates(self, optimizer: keras.optimizers.Optimizer) -> int:
        return int(current_value(self.model, optimizer._iterations)) // (optimizer.gradient_accumulation_steps or 1)

    def _optimizer(self) -> keras.optimizers.Optimizer | None:
        """Return the optimizer that updates the variables; None if there is none, or none is built yet."""
        if self._found is None:
            for optimizer in optimizers_of(self.model):
                known: list[Any] = getattr(optimizer, "_trainable_variables", [])
                if any(id(variable) in self._variables for variable in known):
                    self._found = optimizer
        return self._found
