"""Scores of the filters of a single kernel, by criteria that look at whole filters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.criteria import Criterion
from tfprune.errors import InputError
from tfprune.pruning.selection import Target

__all__ = ["filter_scores"]

KNOWN = ("weights", "filters", "rng")


def filter_scores(
    criterion: Criterion, target: Target, values: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.floating]:
    """Return a score for each filter of a kernel, float (outputs,).

    Args:
        criterion: A criterion that scores channels, as the geometric median does.
        target: The kernel.
        values: Its weights.
        rng: Random numbers.

    Raises:
        InputError: If the criterion looks at more than the kernel.
    """
    asked = criterion.asks(channels=True)
    beyond = [name for name in asked if name not in KNOWN]
    if beyond:
        raise InputError(
            f"{criterion} looks at the {', '.join(beyond).replace('_', ' ')} of channels, which one kernel does not "
            f"tell; call tfprune.prune(model, 0.5, granularity='filter', layers=[{target.layer.name!r}], criterion=…)."
        )
    matrix: NDArray[Any] = target.axes.to_matrix(values)
    filters = np.moveaxis(matrix, 1, 0).reshape(matrix.shape[1], -1)
    known = {"weights": filters, "filters": filters, "rng": rng}
    return criterion.judge(known, channels=True)
