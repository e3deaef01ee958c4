"""What part of a criterion's scores is left in each layer: much of it where what went mattered little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tfprune import criteria
from tfprune.criteria import Criterion
from tfprune.errors import InputError
from tfprune.pruning.mask import read
from tfprune.report.channels import KeptOf
from tfprune.report.layers import Seen
from tfprune.report.parts import Layer
from tfprune.report.weights import gone_of, in_place

__all__ = ["scored", "weight_criterion"]


def weight_criterion(criterion: Any) -> Criterion:
    """Return the criterion of a name, or a criterion, that needs the weights alone.

    Raises:
        InputError: If it needs more.
    """
    found = criteria.get(criterion)
    if not found.for_weights or found.asks() != ("weights",):
        raise InputError(f"{criterion!r} needs more than the weights to score them; give 'magnitude', 'l2' or 'lamp'.")
    return found


def scored(
    rows: Sequence[Layer],
    dense: Seen,
    small: Seen,
    pairs: Mapping[str, Sequence[str]],
    kept: KeptOf,
    criterion: Criterion,
) -> tuple[Layer, ...]:
    """Return rows with the part of the dense kernels' scores that belongs to weights which are left.

    Layers of which it is not known which weights are left, as those that were factorised, have none.

    Args:
        rows: Rows of layers.
        dense: The dense network, traced.
        small: The smaller one.
        pairs: The layers of the smaller one that have taken the place of the dense one's.
        kept: Which channels are left.
        criterion: One that needs weights only.
    """
    found: dict[str, float] = {}
    for path, kernels in dense.kernels.items():
        now = small.kernels.get(pairs[path][0], ()) if len(pairs.get(path, ())) == 1 else ()
        if len(now) != len(kernels):
            continue
        left, whole = 0.0, 0.0
        for kernel, other in zip(kernels, now, strict=True):
            before = read(kernel.variable).astype(np.float64)
            after = in_place(before.shape, read(other.variable).astype(np.float64), gone_of(dense, kernel, kept))
            if after.shape != before.shape:
                break
            scores = criterion.judge({"weights": before})
            left += float(scores[np.isfinite(after) & (after != 0)].sum())
            whole += float(scores.sum())
        else:
            if whole > 0:
                found[path] = left / whole
    return tuple(replace(row, score=found[row.name]) if row.name in found else row for row in rows)
