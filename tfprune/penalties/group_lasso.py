"""Group lasso: channels are pulled to zero whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from tfprune.penalties.base import Penalty, Weights, penalties

__all__ = ["GroupLasso"]


@penalties.register("group_lasso")
@dataclass(frozen=True)
class GroupLasso(Penalty):
    """`Σ_c √n ‖w_c‖₂` over the channels c of a group, where `w_c` is all that goes with a channel, n weights.

    The norm is taken of the filter, its bias and normalisation and the inputs of whatever reads it together, so that
    all of it becomes small or none. (Yuan & Lin, "Model Selection and Estimation in Regression with Grouped Variables",
    2006; for filters Wen et al., "Learning Structured Sparsity in Deep Neural Networks", 2016; coupled as in Fang et
    al., "DepGraph: Towards Any Structural Pruning", 2023.)

    At a channel that is exactly zero the gradient is zero, one of the norm's subgradients there.

    Example:
        >>> float(GroupLasso()(Weights("channels", {"output": [np.array([[3.0, 4.0, 0.0, 0.0], [0.0] * 4])]})))
        10.0
    """

    def __call__(self, weights: Weights) -> Any:
        """Return `√n Σ_c ‖w_c‖₂`."""
        squares = weights.squares()
        silent = squares == 0
        norms = ops.where(silent, 0.0, ops.sqrt(ops.where(silent, 1.0, squares)))
        return float(weights.per_channel) ** 0.5 * ops.sum(norms)
