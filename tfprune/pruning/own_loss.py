"""Models with a loss of their own that leaves out what Keras' regularisers say, as a distiller's does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfprune.pruning.regularizer import PenaltyRegularizer

__all__ = ["complete_loss", "restore_loss"]


class CompleteLoss:
    """A model's `compute_loss` with the penalties that it left out.

    Args:
        model: The model.
        regularizers: The penalties.
    """

    def __init__(self, model: keras.Model, regularizers: Sequence[PenaltyRegularizer]) -> None:
        self.model = model
        self.regularizers = regularizers
        self.replaced = vars(model).get("compute_loss")
        self.inner = model.compute_loss

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss, with the penalties whether the model adds `self.losses` or not."""
        before = sum(regularizer.calls for regularizer in self.regularizers)
        loss = self.inner(*args, **kwargs)
        if loss is None or sum(regularizer.calls for regularizer in self.regularizers) > before:
            return loss
        for regularizer in self.regularizers:
            regularizer.calls += 1
            loss = loss + self.model._aggregate_additional_loss(regularizer.penalty())
        return loss


def complete_loss(model: keras.Model, regularizers: Sequence[PenaltyRegularizer]) -> None:
    """Have penalties added to the loss of a model that computes it in its own way; leave other models as they are."""
    present = vars(model).get("compute_loss")
    if isinstance(present, CompleteLoss):
        present.regularizers = [*present.regularizers, *regularizers]
    elif "compute_loss" in vars(model) or type(model).compute_loss is not keras.Model.compute_loss:
        model.compute_loss = CompleteLoss(model, regularizers)


def restore_loss(model: keras.Model) -> bool:
    """Give a model its own `compute_loss` back; return whether it had another."""
    loss = vars(model).get("compute_loss")
    if not isinstance(loss, CompleteLoss):
        return False
    if loss.replaced is None:
        del model.compute_loss
    else:
        model.compute_loss = loss.replaced
    return True
