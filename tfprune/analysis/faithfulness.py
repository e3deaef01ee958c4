"""How good an attribution is, and how alike two are: deletion, localisation and rank agreement."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tfprune.analysis.scores import Scorer
from tfprune.errors import InputError

__all__ = ["deletion_auc", "localisation", "mask_for", "rank_agreement"]

FloatArray = NDArray[np.float64]


def rank_agreement(left: NDArray[Any], right: NDArray[Any]) -> FloatArray:
    """Return Spearman's rank correlation of two attributions of the same samples, float (samples,).

    Ties have their mean rank; it is NaN where an attribution is the same everywhere.

    Example:
        >>> rank_agreement(np.array([[1, 2, 3]]), np.array([[10, 20, 15]])).tolist()
        [0.5]
    """
    a, b = (rankdata(each.reshape(len(each), -1), axis=1) for each in (left, right))
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (a, b))
    scale = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    found: FloatArray = np.where(scale > 0, (a * b).sum(axis=1) / np.where(scale > 0, scale, 1.0), np.nan)
    return found


def deletion_auc(
    score: Scorer,
    x: NDArray[Any],
    classes: NDArray[np.int64],
    maps: NDArray[Any],
    *,
    baseline: Any = 0.0,
    steps: int = 20,
) -> FloatArray:
    """Return the area under the score of a class while positions are deleted, those that matter most first.

    The score is 1 at the beginning and 0 when all is deleted; the lower the area, the better the attribution knows what
    the network looks at (Petsiuk et al., "RISE", 2018). A random order gives about 0.5 where all positions matter.

    Args:
        score: The network's.
        x: Samples.
        classes: The class of each.
        maps: The attribution by positions, (samples, positions…).
        baseline: What deleted positions become.
        steps: In how many steps all is deleted.

    Returns:
        An area for each sample, float (samples,); NaN where the score is the same with and without all.
    """
    flat = maps.reshape(len(maps), -1)
    rank = np.argsort(np.argsort(-flat, axis=1, kind="stable"), axis=1, kind="stable").reshape(maps.shape)
    fill = np.broadcast_to(np.asarray(baseline, np.float32), x.shape)
    steps = min(steps, flat.shape[1])
    counts = np.linspace(0, flat.shape[1], steps + 1).round().astype(int)
    scores = []
    for count in counts:
        gone = rank < count
        gone = gone.reshape(*gone.shape, *[1] * (x.ndim - gone.ndim))
        scores.append(score(np.where(gone, fill, x).astype(np.float32), classes))
    curve = np.array(scores)
    span = curve[0] - curve[-1]
    usable = np.abs(span) > 1e-6 * np.maximum(np.abs(curve).max(axis=0), 1e-12)
    shares = (curve - curve[-1]) / np.where(usable, span, 1.0)
    widths = np.diff(counts / counts[-1])
    area = (widths[:, None] * (shares[1:] + shares[:-1]) / 2).sum(axis=0)
    found: FloatArray = np.where(usable, area, np.nan)
    return found


def localisation(maps: NDArray[Any], inside: NDArray[np.bool_]) -> FloatArray:
    """Return the share of what speaks for a class that lies inside a region, float (samples,), NaN where nothing does.

    Args:
        maps: The attribution by positions, (samples, positions…); what is negative does not count.
        inside: The region, bool of the positions' shape, for all samples or for each.

    Example:
        >>> localisation(np.array([[3.0, 1.0, -5.0]]), np.array([True, False, True])).tolist()
        [0.75]
    """
    positive = np.maximum(maps, 0.0).reshape(len(maps), -1)
    region = np.broadcast_to(inside, maps.shape).reshape(len(maps), -1)
    total = positive.sum(axis=1)
    found: FloatArray = np.where(total > 0, (positive * region).sum(axis=1) / np.where(total > 0, total, 1.0), np.nan)
    return found


def mask_for(inside: Any, positions: tuple[int, ...], count: int) -> NDArray[np.bool_]:
    """Return a region as a mask.

    Args:
        inside: A mask of the positions' shape, for all samples or for each, or a box: a pair (begin, end) for each
            axis of positions, the end left out.
        positions: The positions' shape.
        count: How many samples there are.

    Raises:
        InputError: If it is neither.

    Example:
        >>> mask_for([(0, 1), (1, 3)], (2, 3), 5).astype(int).tolist()
        [[0, 1, 1], [0, 0, 0]]
    """
    values = np.asarray(inside)
    if values.dtype == bool and values.shape in (positions, (count, *positions)):
        return values
    if values.shape == (len(positions), 2) and values.dtype.kind in "iu":
        found = np.zeros(positions, bool)
        found[tuple(slice(begin, end) for begin, end in values.tolist())] = True
        if found.any():
            return found
    raise InputError(
        f"inside has the shape {values.shape}; give a mask of bools of the shape {positions}, one for each of {count} "
        "samples, or a box: a pair (begin, end) for each axis."
    )
