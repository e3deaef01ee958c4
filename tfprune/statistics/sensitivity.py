"""What the outputs of a layer lose when its weights are pruned, and the others make up for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfprune.console import track
from tfprune.granularity import Units
from tfprune.refit.gram import Gram
from tfprune.scope import keep_best
from tfprune.statistics.layer_inputs import form_for, grams
from tfprune.statistics.study import Array, Study

__all__ = ["layer_errors"]


def layer_errors(
    study: Study, targets: Sequence[Any], weights: Sequence[Array], units: Sequence[Units], levels: Sequence[float]
) -> list[Array]:
    """Return the error of each layer at some sparsities, after a refit of the weights that are left; measured once.

    Args:
        study: The network and the samples; it keeps what is found, and the next call returns that.
        targets: The kernels.
        weights: Their values.
        units: Their units with scores.
        levels: The sparsities.

    Returns:
        For each kernel the squared error of the outputs relative to their variance, float (levels,).
    """
    if study.layer_errors is not None:
        return study.layer_errors
    moments = dict(grams(study, [target.variable for target in targets]))
    found = []
    each = zip(targets, weights, units, strict=True)
    for target, values, own in track(each, len(targets), "sensitivity", study.progress):
        form = form_for(study, target.variable)
        gram = moments[id(target.variable)]
        matrix = form.matrix(values).astype(np.float64)
        whole = aimed(gram, matrix)
        spread = max(float(whole.spread().sum()), 1e-30)
        errors = []
        for level in levels:
            free = form.matrix(own.mask(keep_best(own, level, values.size)))
            pruned = np.where(free, matrix, 0.0), np.zeros(matrix.shape[::2])
            errors.append(float(whole.error(*whole.solve(*pruned, free)).sum()) / spread)
        found.append(np.array(errors))
    study.layer_errors = found
    return found


def aimed(gram: Gram, matrix: Array) -> Gram:
    """Return moments whose targets are what a layer makes now, without its bias, which changes no error."""
    full = np.concatenate([matrix, np.zeros_like(matrix[:, :1])], axis=1)
    blocks, inputs, outputs = matrix.shape
    whole = Gram(blocks, inputs, outputs, intercept=True)
    whole.rows, whole.moments, whole.kept = gram.rows, gram.moments, gram.kept
    whole.products = whole.times(full)
    whole.energy = (full * whole.products).sum(axis=1)
    return whole
