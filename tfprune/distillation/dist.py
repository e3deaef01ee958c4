"""DIST: the order of the answers instead of the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from tfprune.distillation.answers import Answer
from tfprune.distillation.base import OutputLoss, losses, weighted_mean
from tfprune.distillation.knowledge import check_temperature

__all__ = ["Dist"]

FEWEST = 3
"""Of fewer numbers than this the correlation says next to nothing."""


@losses.register("dist")
@dataclass(frozen=True, kw_only=True)
class Dist(OutputLoss):
    """`T² (β mean_i (1 − ρ(y_t[i, :], y_s[i, :])) + γ mean_j (1 − ρ(y_t[:, j], y_s[:, j])))`.

    The probabilities y at the temperature T are compared by Pearson's correlation ρ: between the classes j of a sample,
    and between the samples i of a class. A student much smaller than its teacher can't match its probabilities, but can
    keep their order. Of fewer than three units only the second term is left; of a regression y are its values. (Huang
    et al., "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022, eq. 8-10.)

    Args:
        beta: β, from 0.
        gamma: γ, from 0.
        temperature: T, above 0.

    Example:
        >>> y = np.array([[0.1, 0.2, 0.7], [0.3, 0.5, 0.2], [0.6, 0.3, 0.1]])
        >>> same = Dist()(Answer(y, "values"), Answer(10 * y + 1, "values"), np.ones(3))
        >>> opposite = Dist(gamma=0.0)(Answer(y, "values"), Answer(-y, "values"), np.ones(3))
        >>> abs(round(float(same), 4)), round(float(opposite), 4)
        (0.0, 2.0)
    """

    beta: float = 1.0
    gamma: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)

    def __call__(self, teacher: Answer, student: Answer, weights: Any, targets: Any = None) -> Any:
        """Return the weighted loss: weights of rows count in the correlations between them too."""
        wanted, made = (one.probabilities(self.temperature) for one in (teacher, student))
        between_samples = 1.0 - correlation(wanted, made, weights[:, None], axis=0)
        total = self.gamma * ops.mean(between_samples) * ops.mean(weights)
        if wanted.shape[-1] >= FEWEST:
            between_classes = 1.0 - correlation(wanted, made, ops.ones_like(wanted), axis=1)
            total = total + self.beta * weighted_mean(between_classes, weights)
        return self.temperature**2 * total


def correlation(a: Any, b: Any, weights: Any, axis: int) -> Any:
    """Return Pearson's weighted correlation along an axis; 0 where one of both is constant."""
    share = weights / ops.maximum(ops.sum(weights, axis=axis, keepdims=True), 1e-12)
    a, b = (x - ops.sum(share * x, axis=axis, keepdims=True) for x in (a, b))
    products = (ops.sum(share * x * y, axis=axis) for x, y in ((a, b), (a, a), (b, b)))
    both, first, second = products
    return both / ops.sqrt(ops.maximum(first, 1e-12) * ops.maximum(second, 1e-12))
