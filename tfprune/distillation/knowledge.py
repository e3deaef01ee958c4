"""Hinton's distillation: the teacher's softened probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from tfprune.distillation.answers import Answer
from tfprune.distillation.base import OutputLoss, losses, weighted_mean
from tfprune.errors import InputError
from tfprune.numbers import is_real

__all__ = ["KnowledgeDistillation", "check_temperature"]


def check_temperature(value: Any) -> None:
    """Raise InputError unless a temperature is a number above 0."""
    if not is_real(value) or value <= 0:
        raise InputError(f"temperature is {value!r}; give a number above 0, such as 4.")


@losses.register("kd")
@dataclass(frozen=True, kw_only=True)
class KnowledgeDistillation(OutputLoss):
    """`T² KL(softmax(z_t / T) ‖ softmax(z_s / T))` of the logits z of teacher and student.

    The factor T² keeps gradients of the size they have at T = 1. Single labels are classes yes and no. (Hinton, Vinyals
    & Dean, "Distilling the Knowledge in a Neural Network", 2015, eq. 1-4.)

    Args:
        temperature: T, above 0; the larger, the more the wrong classes count.

    Example:
        >>> teacher, student = Answer(np.array([[0.0, np.log(3.0)]]), "logits"), Answer(np.zeros((1, 2)), "logits")
        >>> loss = KnowledgeDistillation(temperature=1.0)(teacher, student, np.ones(1))
        >>> round(float(loss), 4), round(float(0.25 * np.log(0.5) + 0.75 * np.log(1.5)), 4)  # Σ p_t ln(p_t / p_s)
        (0.1308, 0.1308)
    """

    temperature: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)

    def __call__(self, teacher: Answer, student: Answer, weights: Any, targets: Any = None) -> Any:
        """Return the weighted mean over rows and labels."""
        wanted, made = (one.log_probabilities(self.temperature, "KD") for one in (teacher, student))
        divergence = ops.sum(ops.exp(wanted) * (wanted - made), axis=-1)
        return self.temperature**2 * weighted_mean(ops.mean(divergence, axis=-1), weights)
