"""L1 and L2 over the single weights of kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from tfprune.penalties.base import KERNELS, Penalty, Weights, penalties

__all__ = ["L1", "L2"]


@penalties.register("l1", "lasso")
@dataclass(frozen=True)
class L1(Penalty):
    """`Σ |w|` over the weights of kernels: all are pulled to zero alike (Tibshirani, "the Lasso", 1996).

    Prepares for the pruning of single weights. Biases and normalisations are left alone.

    Example:
        >>> float(L1()(Weights("kernels", {"kernel": [np.array([[3.0, -4.0]])]})))
        7.0
    """

    over: ClassVar[tuple[str, ...]] = (KERNELS,)
    default_strength: ClassVar[float] = 1e-5

    def __call__(self, weights: Weights) -> Any:
        """Return `Σ |w|`."""
        return sum(ops.sum(ops.abs(matrix)) for matrix in weights.all)


@penalties.register("l2")
@dataclass(frozen=True)
class L2(Penalty):
    """`Σ w²` over the weights of kernels: large ones are pulled harder (Hoerl & Kennard, "Ridge Regression", 1970).

    Example:
        >>> float(L2()(Weights("kernels", {"kernel": [np.array([[3.0, -4.0]])]})))
        25.0
    """

    over: ClassVar[tuple[str, ...]] = (KERNELS,)

    def __call__(self, weights: Weights) -> Any:
        """Return `Σ w²`."""
        return sum(ops.sum(ops.square(matrix)) for matrix in weights.all)
