"""The inverse of the empirical Fisher matrix, in blocks of neighbouring weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfprune.backend import need_tensorflow
from tfprune.statistics.gradients import per_sample
from tfprune.statistics.registry import of_weights
from tfprune.statistics.study import Array, Study

__all__ = ["inverse_fisher"]

need_tensorflow(__name__)

BLOCK = 32
DAMPING = 1e-5


@of_weights("inverse_fisher", "labels")
def inverse_fisher(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return the diagonal of `(λ + E[gₙ gₙᵀ])⁻¹`, with blocks of 32 weights that follow one another in a kernel.

    The blocks are summed sample by sample and inverted at the end, which gives what WoodFisher's updates give.
    """
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    counts = [-(-size // BLOCK) for size in sizes]

    def outer(gradients: list[Any]) -> list[Any]:
        found = []
        for g, size, count in zip(gradients, sizes, counts, strict=True):
            rows = tf.reshape(tf.pad(tf.reshape(g, [-1]), [[0, count * BLOCK - size]]), [count, BLOCK])
            found.append(rows[:, :, None] * rows[:, None])
        return found

    start = [tf.zeros([count, BLOCK, BLOCK]) for count in counts]
    sums = per_sample(study, variables, study.loss, "WoodFisher", outer, start)
    result = []
    for total, size, variable in zip(sums, sizes, variables, strict=True):
        blocks = total.numpy().astype(np.float64) / study.examples.count + DAMPING * np.eye(BLOCK)
        diagonal = np.einsum("bii->bi", np.linalg.inv(blocks)).reshape(-1)[:size]
        result.append(diagonal.reshape(tuple(variable.shape)))
    return result
