"""A teacher that withdraws: the weight of the distillation over the training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfprune.errors import InputError, nearest
from tfprune.numbers import is_real

__all__ = ["SHAPES", "Annealing", "check_weight"]


def cosine(progress: float) -> float:
    """Return the part of the way along half a wave."""
    return 0.5 - 0.5 * math.cos(math.pi * progress)


def linear(progress: float) -> float:
    """Return the part of the way along a line."""
    return progress


SHAPES: dict[str, Callable[[float], float]] = {"cosine": cosine, "linear": linear}


@dataclass(frozen=True)
class Annealing:
    """A weight that goes from one value to another while a model is trained.

    Args:
        first: Its value at the first step, from 0.
        last: Its value at the last step, from 0.
        shape: `"cosine"`, `"linear"`, or a callable from the part of the training that is over to the part of the way.

    Example:
        >>> Annealing(1.0, 0.0, "linear")(0.25)
        0.75
    """

    first: float
    last: float
    shape: Any = "cosine"

    def __post_init__(self) -> None:
        if isinstance(self.shape, str) and self.shape not in SHAPES:
            raise InputError(f"Unknown shape {self.shape!r}. {nearest(self.shape, SHAPES)}")
        if not isinstance(self.shape, str) and not callable(self.shape):
            raise InputError(f"anneal is {self.shape!r}; give 'cosine', 'linear' or a callable from [0, 1] to [0, 1].")

    @property
    def is_constant(self) -> bool:
        """Whether it stays as it is."""
        return self.first == self.last

    def __call__(self, progress: float) -> float:
        """Return the weight when a part of the training is over, in [0, 1]."""
        shape = SHAPES[self.shape] if isinstance(self.shape, str) else self.shape
        part = float(shape(min(max(progress, 0.0), 1.0)))
        return self.first + (self.last - self.first) * part

    def callback(self, variable: keras.Variable) -> keras.callbacks.Callback:
        """Return a callback that sets a variable to it before each step."""
        return Setting(self, variable)


class Setting(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets a variable to a weight that goes with the training.

    Args:
        annealing: The weight.
        variable: The variable.
    """

    def __init__(self, annealing: Annealing, variable: keras.Variable) -> None:
        super().__init__()
        self.annealing, self.variable = annealing, variable
        self._epoch = 0
        self._batches: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Learn the length of an epoch, if the data say it."""
        self._batches = self.params.get("steps")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note which epoch it is."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the weight."""
        part = batch / self._batches if self._batches else 0.0
        epochs = self.params.get("epochs", 1)
        total = max(epochs * (self._batches or 1) - 1, 1)
        progress = (self._epoch + part) * (self._batches or 1) / total
        self.variable.assign(self.annealing(progress))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the batches of the first epoch where the data don't say how many there are."""
        self._seen = batch + 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take the length of this epoch for that of all."""
        self._batches = self._batches or getattr(self, "_seen", None)
        if logs is not None:
            logs["teacher_weight"] = float(self.variable.numpy())


def check_weight(value: Any) -> Sequence[float]:
    """Return the first and the last weight of a teacher.

    Raises:
        InputError: If they are not one or two numbers from 0.
    """
    both = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(both) != 2 or not all(is_real(one) and one >= 0 for one in both):
        raise InputError(f"teacher_weight is {value!r}; give a number from 0, or a pair such as (1.0, 0.0).")
    return [float(one) for one in both]
