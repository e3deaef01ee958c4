"""What a distillation loss is: a pure rule of how far a student is from its teacher."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops, tree

from tfprune.distillation.answers import Answer
from tfprune.errors import InputError
from tfprune.numbers import is_real
from tfprune.registry import Configurable, Registry

__all__ = ["DistillationLoss", "FeatureLoss", "OutputLoss", "losses", "weighted_mean"]


@dataclass(frozen=True, kw_only=True)
class DistillationLoss(Configurable, keras.distillation.DistillationLoss, abc.ABC):  # type: ignore[misc]
    """How far a student is from its teacher.

    To add one, extend `OutputLoss` or `FeatureLoss` as a frozen dataclass and register it.

    Args:
        weight: What it is multiplied with, from 0.

    Example:
        >>> from tfprune.distillation import losses
        >>> loss = losses.get("mse", weight=0.5)  # for tfprune.Distiller(student, teacher, [loss, "hint"])
        >>> losses.serialize(loss)["config"]  # as it is saved
        {'weight': 0.5}
        >>> float(loss.compute_loss(np.array([[2.0, 0.0]]), np.array([[0.0, 0.0]])))  # as Keras' own distiller asks
        1.0
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        if not is_real(self.weight) or self.weight < 0:
            raise InputError(f"The weight of {type(self).__name__} is {self.weight!r}; give a number from 0.")


@dataclass(frozen=True, kw_only=True)
class OutputLoss(DistillationLoss):
    """Compares what a student answers with what its teacher does.

    Example:
        A loss of your own:

        >>> from dataclasses import dataclass
        >>> from tfprune.distillation import Answer, OutputLoss, losses, weighted_mean
        >>> @losses.register("total_variation")
        ... @dataclass(frozen=True, kw_only=True)
        ... class TotalVariation(OutputLoss):
        ...     def __call__(self, teacher, student, weights, targets=None):
        ...         distance = ops.sum(ops.abs(teacher.probabilities(1.0) - student.probabilities(1.0)), axis=-1) / 2
        ...         return weighted_mean(distance, weights)
        >>> sure, unsure = Answer(np.array([[1.0, 0.0]]), "softmax"), Answer(np.array([[0.6, 0.4]]), "softmax")
        >>> round(float(losses.get("total_variation")(sure, unsure, np.ones(1))), 3)
        0.4
    """

    needs_targets: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, teacher: Answer, student: Answer, weights: Any, targets: Any = None) -> Any:
        """Return the loss of one output.

        Args:
            teacher: What the teacher answers, float32 (rows, units): a row for each sample and position.
            student: What the student does.
            weights: Of each row, float32 (rows,); their mean is 1 if nobody gave any.
            targets: What is right, one-hot (rows, units), if `needs_targets`.

        Returns:
            A scalar tensor.
        """

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """Return the loss of logits, as Keras' own distiller wants it."""
        total: Any = 0.0
        for one, other in zip(tree.flatten(teacher_outputs), tree.flatten(student_outputs), strict=True):
            teacher, student = (Answer(ops.reshape(x, (-1, x.shape[-1])), "logits") for x in (one, other))
            total = total + self(teacher, student, ops.ones_like(teacher.values[:, 0]))
        return total


Layers = Sequence[str] | Mapping[str, str] | None


@dataclass(frozen=True, kw_only=True)
class FeatureLoss(DistillationLoss):
    """Compares what layers of a student make with what layers of its teacher do.

    Args:
        layers: Names or paths of layers that both have, or the teacher's by the student's; None chooses some.

    Example:
        A loss of your own, for layers with the same channels:

        >>> from dataclasses import dataclass
        >>> from tfprune.distillation import FeatureLoss, losses, weighted_mean
        >>> @losses.register("channel_means")
        ... @dataclass(frozen=True, kw_only=True)
        ... class ChannelMeans(FeatureLoss):
        ...     aligned = True
        ...     def __call__(self, teacher, student, weights):
        ...         means = [ops.mean(x, axis=tuple(range(1, len(x.shape) - 1))) for x in (teacher, student)]
        ...         return weighted_mean(ops.mean(ops.square(means[1] - means[0]), axis=-1), weights)
        >>> loss = losses.get("channel_means", layers=["conv_2"])
        >>> float(loss(np.ones((2, 4, 4, 8)), np.zeros((2, 4, 4, 8)), np.ones(2)))
        1.0
    """

    layers: Layers = None
    aligned: ClassVar[bool] = False
    """Whether student and teacher have to have the same channels."""

    @abc.abstractmethod
    def __call__(self, teacher: Any, student: Any, weights: Any) -> Any:
        """Return the loss of one pair of layers.

        Args:
            teacher: What the teacher's layer makes, float32 (batch, ..., channels).
            student: What the student's does; the same channels if `aligned`.
            weights: Of each sample, float32 (batch,).

        Returns:
            A scalar tensor.
        """

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """Return the loss of one pair of tensors."""
        return self(teacher_outputs, student_outputs, ops.ones_like(ops.reshape(student_outputs[..., 0], (-1,))))


def weighted_mean(values: Any, weights: Any) -> Any:
    """Return the mean of weighted values, as Keras takes it: divided by their number.

    Args:
        values: A value for each row, float32 (rows,).
        weights: The weight of each, float32 (rows,).

    Example:
        >>> float(weighted_mean(np.array([1.0, 3.0]), np.array([2.0, 0.0])))
        1.0
    """
    return ops.mean(values * weights)


losses: Registry[DistillationLoss] = Registry("distillation loss", DistillationLoss)
