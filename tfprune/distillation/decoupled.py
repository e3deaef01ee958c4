"""Decoupled distillation: how sure the teacher is, and what it thinks of the wrong classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from tfprune.distillation.answers import SMALLEST, Answer
from tfprune.distillation.base import OutputLoss, losses, weighted_mean
from tfprune.distillation.knowledge import check_temperature
from tfprune.errors import InputError

__all__ = ["DecoupledKnowledgeDistillation"]

NEVER = 1e4
"""Taken from a logit, it makes a class impossible."""


@losses.register("dkd")
@dataclass(frozen=True, kw_only=True)
class DecoupledKnowledgeDistillation(OutputLoss):
    """`T² (α KL(b_t ‖ b_s) + β KL(p̂_t ‖ p̂_s))` of two kinds of probabilities at the temperature T.

    Those of the right class and of all others together are b, those of the wrong classes among themselves p̂. In plain
    distillation the second term is multiplied with how unsure the teacher is, and so all but lost where it is sure. It
    needs labels. (Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, eq. 7.)

    Args:
        alpha: α, from 0.
        beta: β, from 0.
        temperature: T, above 0.

    Example:
        >>> teacher = Answer(np.log(np.array([[0.5, 0.25, 0.25]])), "logits")
        >>> student = Answer(np.log(np.array([[0.5, 0.4, 0.1]])), "logits")
        >>> loss = DecoupledKnowledgeDistillation(alpha=1.0, beta=2.0, temperature=1.0)
        >>> found = float(loss(teacher, student, np.ones(1), np.array([[1.0, 0.0, 0.0]])))
        >>> round(found, 4), round(float(2 * 0.5 * (np.log(0.5 / 0.8) + np.log(0.5 / 0.2))), 4)  # equally sure
        (0.4463, 0.4463)
    """

    alpha: float = 1.0
    beta: float = 8.0
    temperature: float = 4.0
    needs_targets: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)

    def __call__(self, teacher: Answer, student: Answer, weights: Any, targets: Any = None) -> Any:
        """Return the weighted mean over rows."""
        if not teacher.has_classes:
            raise InputError("DKD needs classes of which one is right; give 'kd', 'dist' or 'mse' for this output.")
        scores = [one.scores / self.temperature for one in (teacher, student)]
        right = ops.one_hot(ops.argmax(targets, axis=-1), scores[0].shape[-1], dtype=scores[0].dtype)
        sure = [ops.sum(ops.softmax(z, axis=-1) * right, axis=-1) for z in scores]
        sure = [ops.clip(p, SMALLEST, 1.0 - SMALLEST) for p in sure]
        target = sure[0] * (ops.log(sure[0]) - ops.log(sure[1]))
        target = target + (1.0 - sure[0]) * (ops.log1p(-sure[0]) - ops.log1p(-sure[1]))
        wanted, made = (ops.log_softmax(z - NEVER * right, axis=-1) for z in scores)
        others = ops.sum(ops.exp(wanted) * (wanted - made) * (1.0 - right), axis=-1)
        return self.temperature**2 * weighted_mean(self.alpha * target + self.beta * others, weights)
