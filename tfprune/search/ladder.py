"""Which plans climb to the next rung, and how well a rung foretells the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.strategies.base import Values
from tfprune.strategies.front import crowding, layers_of

__all__ = ["chosen", "correlation"]


def chosen(values: Sequence[Values], count: int) -> list[int]:
    """Return which values climb: the best ones, or those of the front that are farthest apart, then of the next front.

    Example:
        >>> chosen([(3.0,), (1.0,), (2.0,)], 2)
        [1, 2]
    """
    finite = [n for n, value in enumerate(values) if np.isfinite(value).all()]
    if not finite:
        return []
    if len(values[finite[0]]) == 1:
        return sorted(finite, key=lambda n: values[n])[:count]
    found: list[int] = []
    for layer in layers_of([values[n] for n in finite]):
        numbers = [finite[n] for n in layer]
        if len(found) + len(numbers) > count:
            numbers = spread(numbers, values, count - len(found))
        found += numbers
        if len(found) >= count:
            break
    return found


def spread(numbers: list[int], values: Sequence[Values], count: int) -> list[int]:
    """Return some values of a layer: always the most crowded one is left out next."""
    left = list(numbers)
    while len(left) > count:
        far = crowding(np.array([values[n] for n in left], dtype=float))
        del left[int(np.argmin(far))]
    return left


def correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, in [−1, 1]; None of fewer than 3 values, or of equal ones.

    Example:
        >>> correlation([1.0, 2.0, 3.0], [10.0, 30.0, 20.0])
        0.5
    """
    from scipy.stats import spearmanr

    if len(left) < 3 or len(set(left)) < 2 or len(set(right)) < 2:
        return None
    return float(spearmanr(left, right).statistic)
