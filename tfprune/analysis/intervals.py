"""What a share that was counted says about the one behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest, norm

__all__ = ["holm", "mcnemar", "wilson"]


def wilson(hits: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a share, right also for few samples and shares near 0 and 1 (Wilson, 1927).

    `(p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)`.

    Args:
        hits: How many of the samples.
        count: How many samples; of none the interval is (0, 1).
        confidence: How often the interval has the true share in it.

    Example:
        >>> low, high = wilson(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if count == 0:
        return 0.0, 1.0
    z = float(norm.ppf(0.5 + confidence / 2))
    p = hits / count
    middle = p + z * z / (2 * count)
    reach = z * float(np.sqrt(p * (1 - p) / count + z * z / (4 * count * count)))
    scale = 1 + z * z / count
    return max((middle - reach) / scale, 0.0), min((middle + reach) / scale, 1.0)


def mcnemar(lost: int, gained: int) -> float:
    """Return how likely it is that two models that are as good differ on samples as unevenly, or more.

    McNemar's exact test: of the samples on which one of them only is right, each is right on half.

    Args:
        lost: Samples that only the first gets right.
        gained: Samples that only the second gets right.

    Example:
        >>> mcnemar(0, 0), round(mcnemar(9, 1), 4)
        (1.0, 0.0215)
    """
    return float(binomtest(lost, lost + gained).pvalue) if lost + gained else 1.0


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for how many there are: at most α of all families hold a false alarm below α.

    Holm's step-down procedure (1979), which supposes nothing of how the tests depend on each other.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(values, kind="stable")
    found = np.zeros(len(values))
    highest = 0.0
    for place, number in enumerate(order):
        highest = max(highest, min((len(values) - place) * values[number], 1.0))
        found[number] = highest
    return [float(value) for value in found]
