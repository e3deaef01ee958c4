"""Attention transfer: where a layer looks, whatever it sees there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from tfprune.distillation.base import FeatureLoss, losses, weighted_mean
from tfprune.errors import InputError

__all__ = ["AttentionTransfer"]


@losses.register("attention")
@dataclass(frozen=True, kw_only=True)
class AttentionTransfer(FeatureLoss):
    """`‖Q_s / ‖Q_s‖ − Q_t / ‖Q_t‖‖²`, Q the sum over channels of the squared activations at each position.

    It asks nothing of the channels, so student and teacher may have any number. (Zagoruyko & Komodakis, "Paying More
    Attention to Attention", ICLR 2017, eq. 2, with p = 2.)

    Args:
        layers: Names or paths of layers that both have, or the teacher's by the student's; None takes the last one of
            each resolution.

    Example:
        >>> teacher, student = np.zeros((1, 2, 3)), np.zeros((1, 2, 1))
        >>> teacher[0, 0, 1], student[0, 1, 0] = 5.0, 2.0
        >>> round(float(AttentionTransfer()(teacher, student, np.ones(1))), 6)  # they look at different positions
        2.0
    """

    def __call__(self, teacher: Any, student: Any, weights: Any) -> Any:
        """Return the weighted mean over samples."""
        if len(student.shape) < 3:
            raise InputError(
                "Attention transfer needs layers with positions, such as convolutions; name some (layers=)."
            )
        maps = [attention(x) for x in (teacher, student)]
        return weighted_mean(ops.sum(ops.square(maps[1] - maps[0]), axis=-1), weights)


def attention(features: Any) -> Any:
    """Return the squares summed over channels, of length 1, (batch, positions)."""
    energy = ops.sum(ops.square(features), axis=-1)
    energy = ops.reshape(energy, (ops.shape(energy)[0], -1))
    length = ops.sqrt(ops.maximum(ops.sum(ops.square(energy), axis=-1, keepdims=True), 1e-24))
    return energy / length
