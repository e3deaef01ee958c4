"""What each epoch of a recipe came to, noted as it ends, so that a run that was stopped keeps what it has seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

__all__ = ["EpochLog"]

REMOVED = "weights gone or zero"


class EpochLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Note the values of each epoch: what `fit` logs, and what part of the dense network's weights is gone or zero.

    Args:
        entries: Where to: a list of mappings with `"stage"`, `"epoch"` and `"values"`; what is there of this epoch, or
            later ones, is replaced.
        save: Called after each.
        stage: Which stage this is.
        name: Its method.
        dense: The dense network.
    """

    def __init__(
        self, *, entries: list[dict[str, Any]], save: Callable[[], None], stage: int, name: str, dense: keras.Model
    ) -> None:
        super().__init__()
        self.entries, self.save = entries, save
        self.stage, self.name, self.whole = stage, name, weights_in(dense)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note what this epoch came to."""
        values = {name: float(value) for name, value in (logs or {}).items() if np.ndim(value) == 0}
        values = {name: value for name, value in values.items() if math.isfinite(value)}
        network = getattr(self.model, "student", self.model)
        values[REMOVED] = max(1.0 - weights_in(network) / max(self.whole, 1), 0.0)
        earlier = [one for one in self.entries if (one["stage"], one["epoch"]) < (self.stage, epoch)]
        self.entries[:] = [*earlier, {"stage": self.stage, "name": self.name, "epoch": epoch, "values": values}]
        self.save()


def weights_in(model: keras.Model) -> int:
    """Return how many weights of a model are not zero."""
    return sum(int(np.count_nonzero(weight.numpy())) for weight in model.weights)
