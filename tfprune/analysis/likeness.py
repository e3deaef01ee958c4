"""How alike two layers' outputs are: centred kernel alignment and signal-to-noise ratio."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alignment", "Noise", "cka", "unbiased_hsic"]

FloatArray = NDArray[np.float64]


def unbiased_hsic(left: FloatArray, right: FloatArray) -> float:
    """Return the unbiased estimator of the Hilbert–Schmidt independence criterion of two kernel matrices.

    `HSIC₁ = [tr(K̃ L̃) + 1ᵀK̃1 · 1ᵀL̃1 / ((n−1)(n−2)) − 2/(n−2) · 1ᵀK̃L̃1] / (n(n−3))`, where the tilde sets the diagonal
    to zero (Song et al., "Feature Selection via Dependence Maximization", 2012).

    Args:
        left: Products of samples, float (n, n), n ≥ 4; its diagonal is set to zero.
        right: Likewise.
    """
    n = len(left)
    k, m = left.copy(), right.copy()
    np.fill_diagonal(k, 0.0)
    np.fill_diagonal(m, 0.0)
    trace = float((k * m.T).sum())
    middle = float(k.sum()) * float(m.sum()) / ((n - 1) * (n - 2))
    last = 2.0 * float(k.sum(axis=0) @ m.sum(axis=1)) / (n - 2)
    return (trace + middle - last) / (n * (n - 3))


def cka(left: NDArray[Any], right: NDArray[Any]) -> float:
    """Return the linear centred kernel alignment of two representations of the same samples, without bias.

    1 for representations that are equal up to a rotation and a scale, about 0 for unrelated ones
    (Kornblith et al., "Similarity of Neural Network Representations Revisited", 2019; without the bias that they have
    for few samples and many features: Nguyen et al., "Do Wide and Deep Networks Learn the Same Things?", 2021).

    Args:
        left: Features of samples, (samples, …); at least 4 samples.
        right: Likewise, with other features.

    Returns:
        NaN if one of them is constant.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
        >>> round(cka(x, 5 * x @ turn), 6)
        1.0
    """
    together = Alignment()
    together.add(left, right)
    return together.value


class Alignment:
    """Centred kernel alignment, batch by batch: the mean of each batch's unbiased estimators (Nguyen et al., 2021)."""

    def __init__(self) -> None:
        self._sums = np.zeros(3)

    def add(self, left: NDArray[Any], right: NDArray[Any]) -> None:
        """Take in the features of the same samples; fewer than 4 samples say nothing."""
        if len(left) < 4:
            return
        a, b = (products(each) for each in (left, right))
        self._sums += [unbiased_hsic(a, b), unbiased_hsic(a, a), unbiased_hsic(b, b)]

    @property
    def value(self) -> float:
        """The alignment; NaN if nothing is known or one side is constant."""
        both, left, right = self._sums
        return float(both / np.sqrt(left * right)) if left > 0 and right > 0 else float("nan")


def products(features: NDArray[Any]) -> FloatArray:
    """Return the products of samples, of features about their means, float (samples, samples).

    Means change nothing of the estimator; without them rounding does less.
    """
    flat = features.reshape(len(features), -1).astype(np.float64)
    flat = flat - flat.mean(axis=0)
    found: FloatArray = flat @ flat.T
    return found


class Noise:
    """A signal-to-noise ratio, batch by batch.

    The signal is what a channel's values vary about their mean; the noise is the squared difference.

    Args:
        axis: The axis of the channels.
    """

    def __init__(self, axis: int) -> None:
        self._axis = axis
        self._count = 0
        self._noise = 0.0
        self._sums: Any = 0.0
        self._squares: Any = 0.0

    def add(self, wanted: NDArray[Any], found: NDArray[Any]) -> None:
        """Take in what a layer should make, and what it makes, of the same samples."""
        signal = np.moveaxis(wanted, self._axis, -1).astype(np.float64)
        signal = signal.reshape(-1, signal.shape[-1])
        self._count += len(signal)
        self._sums = self._sums + signal.sum(axis=0)
        self._squares = self._squares + np.square(signal).sum(axis=0)
        self._noise += float(np.square(wanted.astype(np.float64) - found.astype(np.float64)).sum())

    @property
    def decibels(self) -> float:
        """`10 log₁₀(signal / noise)`; infinite without noise, NaN without a signal."""
        if not self._count:
            return float("nan")
        signal = float(np.maximum(self._squares - np.square(self._sums) / self._count, 0.0).sum())
        if self._noise == 0:
            return float("inf")
        return 10.0 * float(np.log10(signal / self._noise)) if signal > 0 else float("nan")
