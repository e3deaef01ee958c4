"""The learning rate over a stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from tfprune.callbacks.clock import Clock
from tfprune.errors import InputError

__all__ = ["Rate", "StagedRate"]


class Rate(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate before each step.

    Args:
        first: The rate at the first step.
        decay: `"cosine"` brings it to zero along half a wave, `"constant"` leaves it.
    """

    def __init__(self, first: float, decay: str) -> None:
        super().__init__()
        self.first, self.decay = first, decay
        self._clock: Clock | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to count.

        Raises:
            InputError: If the optimizer has a schedule of its own.
        """
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if isinstance(optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            raise InputError(
                "The recipe sets the learning rate, and so does a schedule of the optimizer; compile the model with a "
                "number, or leave learning_rate out of the stages."
            )
        variables = self.model.trainable_variables
        self._clock = Clock(self.model, variables, self.params.get("epochs", 1), self.params.get("steps"))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note that an epoch begins."""
        if self._clock is not None:
            self._clock.begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate."""
        clock = self._clock
        known = clock is not None and clock.total_steps is not None
        rate = self.at(min(clock.step() / clock.total_steps, 1.0) if known else 0.0)  # type: ignore[union-attr,operator]
        if rate is not None:
            self.model.optimizer.learning_rate = rate

    def at(self, progress: float) -> float | None:
        """Return the rate when a part of the training is over; None leaves it as it is."""
        return decayed(self.first, self.decay, progress)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the batch."""
        if self._clock is not None:
            self._clock.end_batch(batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Learn the length of an epoch if the data did not say it."""
        if self._clock is not None:
            self._clock.end_epoch()


class StagedRate(Rate):
    """Sets the learning rate of each part of a training.

    Args:
        parts: Where each begins and ends, in [0, 1], its first rate (None leaves it as it is), and its decay.
    """

    def __init__(self, parts: Sequence[tuple[float, float, float | None, str]]) -> None:
        super().__init__(0.0, "constant")
        self.parts = parts

    def at(self, progress: float) -> float | None:
        """Return the rate when a part of the training is over."""
        begin, end, first, decay = next((part for part in self.parts if progress < part[1]), self.parts[-1])
        return None if first is None else decayed(first, decay, (progress - begin) / max(end - begin, 1e-9))


def decayed(first: float, decay: str, part: float) -> float:
    """Return a rate after some part of its stage."""
    return first * (0.5 * (1.0 + math.cos(math.pi * min(part, 1.0))) if decay == "cosine" else 1.0)
