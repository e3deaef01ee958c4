"""Doing what a plan says, and printing what that did: channels that go, or layers that are factorised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tfprune.console import console

__all__ = ["carry_out"]


def carry_out(
    plan: Any, model: keras.Model, predicted: Mapping[str, float], *, refit: bool | None, optimizer: bool, verbose: int
) -> keras.Model:
    """Return the smaller model of a plan, refitted if there are data and nobody minds.

    Args:
        plan: Has `unlabelled`, `apply` and `repair`.
        model: The whole model.
        predicted: The error that was predicted for some layers, by path.
        refit: Whether to refit; None if there are data.
        optimizer: Whether the new optimizer remembers what the old one did.
        verbose: 1 prints what the refit did, 2 also for each layer, 0 nothing.
    """
    if plan.unlabelled is None or refit is False:
        return plan.apply(optimizer=optimizer)
    result = plan.repair(optimizer=optimizer, progress=verbose > 0)
    if verbose > 1:
        console().print(result.table(predicted))
    if verbose:
        print(result)
        for line in plan.unlabelled.accuracies(model, result.model):
            print(line)
    return result.model
