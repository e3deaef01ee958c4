"""Callbacks that keep "the best" epoch: they may only compare epochs that have the promised sparsity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

__all__ = ["BestKeepers"]


class BestKeepers:
    """The callbacks of a training that save, restore or stop by comparing an epoch with the best so far.

    A network is at its most accurate before it is pruned. Left alone, `EarlyStopping(restore_best_weights=True)` brings
    a dense epoch back, and `ModelCheckpoint(save_best_only=True)` leaves one in its file.

    Args:
        callbacks: All callbacks of the training, as they are before it begins.
    """

    def __init__(self, callbacks: Iterable[keras.callbacks.Callback]) -> None:
        self._keepers: list[tuple[keras.callbacks.Callback, Any]] = [
            (callback, getattr(callback, "best_value", getattr(callback, "best", None)))
            for callback in callbacks
            if is_keeper(callback)
        ]

    def __str__(self) -> str:
        return ", ".join(sorted({type(callback).__name__ for callback, _ in self._keepers}))

    def __bool__(self) -> bool:
        return bool(self._keepers)

    def hold(self) -> None:
        """Keep early stopping from counting while the sparsity still rises."""
        for callback, _ in self._keepers:
            if isinstance(callback, keras.callbacks.EarlyStopping):
                callback.on_train_begin()
                callback.best = None  # older Keras leaves it

    def start_over(self) -> None:
        """Make them forget what they have compared so far: the promised sparsity has just been reached."""
        self.hold()
        for callback, initial in self._keepers:
            if isinstance(callback, keras.callbacks.ModelCheckpoint):
                callback.best = initial
            elif not isinstance(callback, keras.callbacks.EarlyStopping):
                callback.best_value = initial


def is_keeper(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback compares epochs (keras-tuner adds its own to every trial)."""
    if isinstance(callback, keras.callbacks.ModelCheckpoint):
        return bool(callback.save_best_only)
    return isinstance(callback, keras.callbacks.EarlyStopping) or type(callback).__name__ == "SaveBestEpoch"
