"""Curvature of the loss: Hessian–vector products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfprune.backend import need_tensorflow
from tfprune.console import track
from tfprune.statistics.gradients import dense, gradient, tensors_of
from tfprune.statistics.registry import of_weights
from tfprune.statistics.study import Array, Study

__all__ = ["hessian_diagonal", "hessian_gradient"]

need_tensorflow(__name__)

PROBES = 8
"""So many vectors of signs are drawn for each batch."""


def product(study: Study, variables: Sequence[keras.Variable]) -> Any:
    """Return a compiled function from a batch and a vector for each variable to the Hessian times these."""
    values = tensors_of(variables)

    @tf.function(reduce_retracing=True)
    def times(x: Any, y: Any, weight: Any, vectors: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(values)
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(values)
                loss = study.loss(x, y, weight)
            slopes = dense(inner.gradient(loss, values), values)
            along = tf.add_n([tf.reduce_sum(g * v) for g, v in zip(slopes, vectors, strict=True)])
        return dense(outer.gradient(along, values), values)

    return times


@of_weights("hessian_diagonal", "labels")
def hessian_diagonal(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return the mean of `z ⊙ Hz` over batches and vectors z of random signs (Hutchinson)."""
    times = product(study, variables)
    rng = np.random.default_rng(study.seed)
    sums = [np.zeros(tuple(variable.shape)) for variable in variables]
    examples = study.examples
    for x, y, weight in track(examples, examples.batches, "Hessian", study.progress):
        part = len(keras.tree.flatten(x)[0]) / examples.count / PROBES
        for _ in range(PROBES):
            drawn = [rng.integers(0, 2, size=tuple(variable.shape)) * 2 - 1 for variable in variables]
            signs = [tf.convert_to_tensor(z, tf.float32) for z in drawn]
            for total, z, hz in zip(sums, signs, study.run(times, x, y, weight, signs), strict=True):
                total += part * (z * hz).numpy()
    return sums


@of_weights("hessian_gradient", "labels")
def hessian_gradient(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return the Hessian of the mean loss times its gradient."""
    times = product(study, variables)
    along = [tf.convert_to_tensor(g, tf.float32) for g in gradient(study, variables)]
    sums = [np.zeros(tuple(variable.shape)) for variable in variables]
    examples = study.examples
    for x, y, weight in track(examples, examples.batches, "Hessian", study.progress):
        part = len(keras.tree.flatten(x)[0]) / examples.count
        for total, one in zip(sums, study.run(times, x, y, weight, along), strict=True):
            total += part * one.numpy()
    return sums
