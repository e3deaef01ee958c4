"""Plain distances: of outputs, and of what layers make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from tfprune.distillation.answers import Answer
from tfprune.distillation.base import FeatureLoss, OutputLoss, losses, weighted_mean
from tfprune.errors import InputError, nearest

__all__ = ["Cosine", "Hint", "MeanSquaredError", "SmoothL1"]

TINY = 1e-12


def square(teacher: Any, student: Any) -> Any:
    """Return the mean squared difference along the last axis."""
    return ops.mean(ops.square(student - teacher), axis=-1)


def smooth(teacher: Any, student: Any) -> Any:
    """Return the mean of `d² / 2` where |d| < 1 and of `|d| − 1/2` elsewhere, along the last axis."""
    size = ops.abs(student - teacher)
    return ops.mean(ops.where(size < 1.0, 0.5 * ops.square(size), size - 0.5), axis=-1)


def angle(teacher: Any, student: Any) -> Any:
    """Return one minus the cosine along the last axis."""
    lengths = [ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=-1), TINY)) for x in (teacher, student)]
    return 1.0 - ops.sum(teacher * student, axis=-1) / (lengths[0] * lengths[1])


DISTANCES: dict[str, Callable[[Any, Any], Any]] = {"mse": square, "smooth_l1": smooth, "cosine": angle}


@losses.register("mse")
@dataclass(frozen=True, kw_only=True)
class MeanSquaredError(OutputLoss):
    """Mean of `(z_s − z_t)²` over the logits of both, or the values of a regression.

    It matches logits without softening them. (Ba & Caruana, "Do Deep Nets Really Need to be Deep?", 2014.)

    Example:
        >>> loss = MeanSquaredError()
        >>> float(loss(Answer(np.array([[1.0, 2.0]]), "values"), Answer(np.array([[1.0, 4.0]]), "values"), np.ones(1)))
        2.0
    """

    def __call__(self, teacher: Answer, student: Answer, weights: Any, targets: Any = None) -> Any:
        """Return the weighted mean over rows."""
        return weighted_mean(square(centred(teacher), centred(student)), weights)


@losses.register("smooth_l1")
@dataclass(frozen=True, kw_only=True)
class SmoothL1(OutputLoss):
    """Mean of `d² / 2` where |d| < 1 and `|d| − 1/2` elsewhere, d the difference of logits or values.

    Single far-off values weigh less than squared. (Girshick, "Fast R-CNN", 2015, eq. 3.)

    Example:
        >>> loss = SmoothL1()
        >>> float(loss(Answer(np.array([[1.0, 2.0]]), "values"), Answer(np.array([[1.0, 4.0]]), "values"), np.ones(1)))
        0.75
    """

    def __call__(self, teacher: Answer, student: Answer, weights: Any, targets: Any = None) -> Any:
        """Return the weighted mean over rows."""
        return weighted_mean(smooth(centred(teacher), centred(student)), weights)


@losses.register("cosine")
@dataclass(frozen=True, kw_only=True)
class Cosine(OutputLoss):
    """`1 − cos(z_t, z_s)` of the logits or values of each row: their direction, whatever their size.

    Example:
        >>> loss = Cosine()
        >>> float(loss(Answer(np.array([[1.0, 0.0]]), "values"), Answer(np.array([[0.0, 3.0]]), "values"), np.ones(1)))
        1.0
    """

    def __call__(self, teacher: Answer, student: Answer, weights: Any, targets: Any = None) -> Any:
        """Return the weighted mean over rows."""
        return weighted_mean(angle(centred(teacher), centred(student)), weights)


def centred(answer: Answer) -> Any:
    """Return logits less the constant of each row that means nothing, or the values of a regression."""
    if not answer.has_classes:
        return answer.scores
    return answer.scores - ops.mean(answer.scores, axis=-1, keepdims=True)


@losses.register("hint")
@dataclass(frozen=True, kw_only=True)
class Hint(FeatureLoss):
    """The distance between what a layer of the student makes and what one of its teacher does.

    Squares and absolute values are taken of features over their root mean square in the teacher, so that layers weigh
    alike. A student with fewer channels is compared in the channels that `tfprune.shrink` has kept; if nobody knows
    them, a linear projection is trained along with it, and dropped at the end. (Romero et al., "FitNets: Hints for Thin
    Deep Nets", ICLR 2015, eq. 3.)

    Args:
        layers: Names or paths of layers that both have, or the teacher's by the student's; None takes the last one of
            each resolution.
        distance: `"mse"`, `"smooth_l1"` or `"cosine"` (of the channels of each position).

    Example:
        >>> teacher, student = np.array([[[2.0, 0.0]]]), np.array([[[0.0, 0.0]]])
        >>> round(float(Hint()(teacher, student, np.ones(1))), 6)  # a mean square of 2, over the teacher's of 2
        1.0
    """

    distance: str = "mse"
    aligned: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distance not in DISTANCES:
            raise InputError(f"Unknown distance {self.distance!r}. {nearest(self.distance, DISTANCES)}")

    def __call__(self, teacher: Any, student: Any, weights: Any) -> Any:
        """Return the weighted mean over samples and positions."""
        if self.distance != "cosine":
            size = ops.sqrt(ops.maximum(ops.mean(ops.square(teacher)), TINY))
            teacher, student = teacher / size, student / size
        found = DISTANCES[self.distance](teacher, student)
        each = ops.mean(ops.reshape(found, (ops.shape(found)[0], -1)), axis=-1)
        return weighted_mean(each, weights)
