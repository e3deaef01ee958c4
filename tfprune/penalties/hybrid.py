"""The sparse group lasso: channels and single weights at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tfprune.errors import InputError
from tfprune.numbers import is_real
from tfprune.penalties.base import CHANNELS, KERNELS, Penalty, Weights, penalties
from tfprune.penalties.group_lasso import GroupLasso
from tfprune.penalties.norms import L1

__all__ = ["SparseGroupLasso"]


@penalties.register("hybrid", "sparse_group_lasso")
@dataclass(frozen=True)
class SparseGroupLasso(Penalty):
    """`α Σ_c √n ‖w_c‖₂ + (1 − α) Σ |w|`: whole channels, and weights within those that stay.

    (Simon et al., "A Sparse-Group Lasso", 2013, whose α is `1 − alpha` here.) The first sum is `GroupLasso`, over
    channel groups; the second is `L1`, over kernels.

    Args:
        alpha: Share of the group lasso, in [0, 1].

    Example:
        >>> hybrid = SparseGroupLasso(alpha=0.25)
        >>> float(hybrid(Weights("kernels", {"kernel": [np.array([[3.0, -5.0]])]})))
        6.0
    """

    over: ClassVar[tuple[str, ...]] = (CHANNELS, KERNELS)

    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not is_real(self.alpha) or not 0.0 <= self.alpha <= 1.0:
            raise InputError(f"alpha is {self.alpha!r}; give the group lasso's share, a number in [0, 1].")

    def __call__(self, weights: Weights) -> Any:
        """Return the share of a group's channels, or of a kernel's weights."""
        if weights.kind == CHANNELS:
            return self.alpha * GroupLasso()(weights)
        return (1.0 - self.alpha) * L1()(weights)
