"""The learning rate over a stage."""

from __future__ import annotations

import math
from typing import Any

import keras

from tfprune.callbacks.clock import Clock

__all__ = ["Rate"]


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
        """Begin to count."""
        variables = self.model.trainable_variables
        self._clock = Clock(self.model, variables, self.params.get("epochs", 1), self.params.get("steps"))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note that an epoch begins."""
        if self._clock is not None:
            self._clock.begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate."""
        clock = self._clock
        part = 0.0
        if clock is not None and clock.total_steps is not None and self.decay == "cosine":
            part = min(clock.step() / clock.total_steps, 1.0)
        self.model.optimizer.learning_rate = self.first * 0.5 * (1.0 + math.cos(math.pi * part))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the batch."""
        if self._clock is not None:
            self._clock.end_batch(batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Learn the length of an epoch if the data did not say it."""
        if self._clock is not None:
            self._clock.end_epoch()
