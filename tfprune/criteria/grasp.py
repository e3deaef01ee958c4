"""GraSP: what gradients flow through, before training."""

from __future__ import annotations

from dataclasses import dataclass

from tfprune.criteria.base import Array, Criterion, criteria

__all__ = ["Grasp"]


@criteria.register("grasp")
@dataclass(frozen=True)
class Grasp(Criterion):
    """Score of a weight: `w · Hg`, what the squared norm of the gradient loses to first order without it, halved.

    What scores lowest holds gradients up (Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient
    Flow", 2020, whose S is the negative of this and who remove the highest S). For networks before training, with
    `scope="global"`.

    Example:
        >>> Grasp().score(np.array([2.0, -1.0]), np.array([0.5, 3.0])).tolist()
        [1.0, -3.0]
    """

    def score(self, weights: Array, hessian_gradient: Array) -> Array:
        """Return `w · Hg`."""
        return weights * hessian_gradient

    def score_channels(self, weights: Array, hessian_gradient: Array) -> Array:
        """Return `Σ w · Hg`."""
        return (weights * hessian_gradient).sum(axis=1)
