"""Rows of an output, what they weigh, and what is right: samples, and positions where there are some."""

from __future__ import annotations

from typing import Any

from keras import ops, tree

from tfprune.distillation.lessons import Lesson
from tfprune.errors import InputError

__all__ = ["rows_of", "targets_of", "weights_of"]


def rows_of(values: Any) -> Any:
    """Return ones, float32 (samples, positions...): the shape of an output without its units."""
    return ops.ones_like(values[..., 0], dtype="float32")


def weights_of(sample_weight: Any, number: int, rows: Any, values: Any = None) -> Any:
    """Return the weight of each row, float32 (rows,); rows that a mask leaves out weigh nothing, the others more.

    Args:
        sample_weight: What `fit` was given: one tensor, or several in the structure of the outputs; None if nothing.
        number: Which output this is.
        rows: Ones, (samples, positions...).
        values: The output, whose Keras mask counts.
    """
    found = rows
    if sample_weight is not None:
        flat = tree.flatten(sample_weight)
        own = ops.cast(flat[number] if len(flat) > 1 else flat[0], "float32")
        while len(own.shape) > len(rows.shape):
            own = ops.mean(own, axis=-1)
        while len(own.shape) < len(rows.shape):
            own = own[..., None]
        found = found * own
    mask = getattr(values, "_keras_mask", None)
    if mask is not None and len(mask.shape) == len(rows.shape):
        inside = ops.cast(mask, "float32")
        found = found * inside / ops.maximum(ops.mean(inside), 1e-12)
    return ops.reshape(found, (-1,))


def targets_of(lesson: Lesson, number: int, values: Any) -> Any:
    """Return what is right, one-hot, float32 (rows, units).

    Labels of as many axes as the output are one-hot already; with one less, or one of size 1, they number classes.

    Args:
        lesson: What goes with the batch.
        number: Which output this is.
        values: The output, (samples, positions..., units).

    Raises:
        InputError: If nobody knows.
    """
    flat = [] if lesson.targets is None else tree.flatten(lesson.targets)
    if number >= len(flat):
        raise InputError("This loss needs labels; give fit both x and y, or use 'dist' or 'kd'.")
    units = values.shape[-1]
    targets = flat[number]
    if targets.shape[-1] == units and units > 1 and len(targets.shape) == len(values.shape):
        return ops.reshape(ops.cast(targets, "float32"), (-1, units))
    return ops.one_hot(ops.reshape(ops.cast(targets, "int32"), (-1,)), units, dtype="float32")
