"""Which parts of an input an answer stands on: integrated gradients and occlusion, for images, sequences and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfprune.analysis.scores import Scorer, checked_classes, checked_input, score_of
from tfprune.backend import need_tensorflow
from tfprune.errors import InputError
from tfprune.numbers import is_integer

__all__ = ["integrated_gradients", "map_of", "occlusion"]

need_tensorflow(__name__)


def integrated_gradients(
    model: keras.Model,
    x: Any,
    classes: Any = None,
    *,
    baseline: Any = 0.0,
    steps: int = 64,
    batch: int = 32,
) -> NDArray[np.float32]:
    """Return how much each number of an input adds to a score, by integrated gradients.

    `(x − x₀) · ∫₀¹ ∂s/∂x (x₀ + t (x − x₀)) dt` (Sundararajan et al., "Axiomatic Attribution for Deep Networks", 2017),
    by the midpoint rule. All of it together is `s(x) − s(x₀)`, which tells whether there are steps enough.

    Args:
        model: A built model with one input of real numbers and one output (samples, classes).
        x: Samples, (samples, …).
        classes: The class of each sample whose score is explained; None for the network's top class.
        baseline: The input `x₀` that says nothing: a number or an array that can be broadcast to a sample.
        steps: How many points of the way are looked at.
        batch: How many samples go through the network at once.

    Returns:
        An array of the shape of `x`.

    Raises:
        InputError: If the model has several inputs, or the samples don't fit.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.layers[0].kernel.assign([[1.0], [-2.0], [0.0]])
        <...>
        >>> integrated_gradients(model, np.array([[3.0, 1.0, 5.0]])).round(3).tolist()
        [[3.0, -2.0, 0.0]]
    """
    if not is_integer(steps) or steps < 1:
        raise InputError(f"steps is {steps!r}; give an int from 1.")
    values = checked_input(model, x)
    chosen = checked_classes(model, values, classes, batch)
    start = np.broadcast_to(np.asarray(baseline, np.float32), values.shape)

    def slopes(at: Any, of: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(at)
            total = tf.reduce_sum(score_of(model(at, training=False), of))
        slope = tape.gradient(total, at)
        return tf.zeros_like(at) if slope is None else slope

    compiled = tf.function(slopes, reduce_retracing=True, autograph=False)
    parts = []
    for first in range(0, len(values), batch):
        rows = slice(first, first + batch)
        way = values[rows] - start[rows]
        total = np.zeros_like(way, dtype=np.float64)
        for step in range(steps):
            at = start[rows] + way * np.float32((step + 0.5) / steps)
            total += compiled(tf.constant(at), tf.constant(chosen[rows])).numpy()
        parts.append((way * total / steps).astype(np.float32))
    return np.concatenate(parts)


def occlusion(
    model: keras.Model,
    x: Any,
    classes: Any = None,
    *,
    window: int | Sequence[int] | None = None,
    stride: int | Sequence[int] | None = None,
    baseline: Any = 0.0,
    batch: int = 64,
) -> NDArray[np.float32]:
    """Return by how much a score falls when a window of the input is covered (Zeiler and Fergus, 2014).

    Of an image (height, width, channels) or a sequence (steps, channels) windows of positions are covered with all
    their channels; of a table (features,) single features, or windows of them. Where windows overlap, a position has
    the mean of all that cover it.

    Args:
        model: A built model with one input of real numbers and one output (samples, classes).
        x: Samples, (samples, …).
        classes: The class of each sample whose score is explained; None for the network's top class.
        window: Size of the window along each axis of positions; None for about an eighth of it, 1 for tables.
        stride: How far it moves each time; None for half the window, at least 1.
        baseline: What it is covered with: a number or an array that can be broadcast to a sample.
        batch: How many inputs go through the network at once.

    Returns:
        An array (samples, positions…).

    Raises:
        InputError: If the model has several inputs, the samples don't fit, or the window is larger than they are.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.layers[0].kernel.assign([[1.0], [-2.0], [0.0]])
        <...>
        >>> occlusion(model, np.array([[3.0, 1.0, 5.0]])).tolist()
        [[3.0, -2.0, 0.0]]
    """
    values = checked_input(model, x)
    chosen = checked_classes(model, values, classes, batch)
    axes = values.shape[1:-1] if values.ndim > 2 else values.shape[1:]
    usual = [max(size // 8, 1) for size in axes] if values.ndim > 2 else [1]
    sizes = per_axis("window", window, usual, axes)
    moves = per_axis("stride", stride, [max(size // 2, 1) for size in sizes], axes)
    fill = np.broadcast_to(np.asarray(baseline, np.float32), values.shape)
    score = Scorer(model, batch)
    whole = score(values, chosen)
    total, covered = np.zeros((len(values), *axes)), np.zeros(axes)
    for place in windows(axes, sizes, moves):
        here = (slice(None), *place)
        hidden = values.copy()
        hidden[here] = fill[here]
        fall = whole - score(hidden, chosen)
        total[here] += fall.reshape(-1, *[1] * len(axes))
        covered[place] += 1
    return (total / np.maximum(covered, 1)).astype(np.float32)


def per_axis(name: str, given: int | Sequence[int] | None, usual: Sequence[int], axes: Sequence[int]) -> list[int]:
    """Return a size for each axis of positions.

    Raises:
        InputError: If there are not as many, or one is larger than the axis.
    """
    if given is None:
        return list(usual)
    found = [given] * len(axes) if isinstance(given, int) else list(given)
    fits = len(found) == len(axes) and all(is_integer(size) for size in found)
    if not fits or any(not 1 <= size <= axis for size, axis in zip(found, axes, strict=True)):
        raise InputError(
            f"{name} is {given!r}; give an int, or one for each axis of {tuple(axes)}, from 1 to its size."
        )
    return [int(size) for size in found]


def windows(axes: Sequence[int], sizes: Sequence[int], moves: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield the places of a window that together cover all positions."""
    starts = [
        sorted({*range(0, axis - size + 1, move), axis - size})
        for axis, size, move in zip(axes, sizes, moves, strict=True)
    ]
    for corner in product(*starts):
        yield tuple(slice(start, start + size) for start, size in zip(corner, sizes, strict=True))


def map_of(values: NDArray[Any], shape: Sequence[int]) -> NDArray[np.float64]:
    """Return an attribution by positions, the sum over channels, (samples, positions…).

    Args:
        values: The attribution, of the shape of the samples or by positions already.
        shape: The shape of the samples.
    """
    wide = values.astype(np.float64)
    return wide.sum(axis=-1) if wide.ndim == len(shape) and wide.ndim > 2 else wide
