"""Relational distillation: how samples lie to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from tfprune.distillation.base import FeatureLoss, losses

__all__ = ["Relational"]


@losses.register("rkd")
@dataclass(frozen=True, kw_only=True)
class Relational(FeatureLoss):
    """Huber's loss between the distances of two samples, and between the angles of three.

    Distances are taken over their mean in the batch, angles by their cosines, in the features of student and teacher.
    It asks nothing of the channels. (Park et al., "Relational Knowledge Distillation", CVPR 2019, eq. 6-9.)

    Args:
        layers: Names or paths of layers that both have, or the teacher's by the student's; None takes the last one
            before the outputs.
        distance: Weight of the distances, from 0.
        angle: Weight of the angles, from 0.

    Example:
        >>> teacher = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> turned = 3 * teacher @ np.array([[0.0, 1.0], [-1.0, 0.0]])  # rotated and three times as large
        >>> round(float(Relational()(teacher, turned, np.ones(3))), 6)
        0.0
        >>> float(Relational()(teacher, teacher * np.array([1.0, 2.0]), np.ones(3))) > 0.01
        True
    """

    distance: float = 1.0
    angle: float = 2.0

    def __call__(self, teacher: Any, student: Any, weights: Any) -> Any:
        """Return the loss; a pair counts with the product of its weights."""
        pairs = weights[:, None] * weights[None, :]
        wanted, made = (Relations(x, pairs) for x in (teacher, student))
        total = self.distance * mean(huber(wanted.distances, made.distances), pairs * wanted.others)
        if self.angle:
            triples = pairs[:, :, None] * weights[None, None, :]
            total = total + self.angle * mean(huber(wanted.angles, made.angles), triples * wanted.distinct)
        return total


class Relations:
    """Distances and angles between the samples of a batch, from their products alone.

    Args:
        features: Float tensor (batch, ...).
        weights: What pairs weigh in the mean distance, (batch, batch).
    """

    def __init__(self, features: Any, weights: Any) -> None:
        self._weights = weights
        flat = ops.reshape(features, (ops.shape(features)[0], -1))
        self._products = ops.matmul(flat, ops.transpose(flat))
        self._squares = ops.diagonal(self._products)
        one = ops.eye(ops.shape(flat)[0], dtype=flat.dtype)
        self.others = 1.0 - one
        self.distinct = self.others[:, :, None] * self.others[:, None, :] * self.others[None, :, :]
        squared = self._squares[:, None] + self._squares[None, :] - 2.0 * self._products
        self._lengths = ops.sqrt(ops.maximum(squared, 0.0) + one + 1e-12)  # a root has no slope at zero

    @property
    def distances(self) -> Any:
        """Distances over their mean, (batch, batch)."""
        return self._lengths / ops.maximum(mean(self._lengths, self.others * self._weights), 1e-12)

    @property
    def angles(self) -> Any:
        """Cosines of the angle at the first sample between the second and the third, (batch, batch, batch)."""
        p = self._products
        inner = p[None, :, :] - p[:, :, None] - p[:, None, :] + self._squares[:, None, None]
        return inner / (self._lengths[:, :, None] * self._lengths[:, None, :])


def mean(values: Any, weights: Any) -> Any:
    """Return the weighted mean; 0 if nothing weighs anything."""
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1e-12)


def huber(teacher: Any, student: Any) -> Any:
    """Return `d² / 2` where |d| < 1 and `|d| − 1/2` elsewhere."""
    size = ops.abs(student - teacher)
    return ops.where(size < 1.0, 0.5 * ops.square(size), size - 0.5)
