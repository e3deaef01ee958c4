"""Network slimming: the scales of batch normalisations are pulled to zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from tfprune.penalties.base import Penalty, Weights, penalties

__all__ = ["Slimming"]


@penalties.register("slimming")
@dataclass(frozen=True)
class Slimming(Penalty):
    """`Σ |γ|` over the scales of the batch normalisations that channels go through.

    A channel whose γ is zero gives the same to everybody, so the γ that stay large say which channels matter (Liu et
    al., "Learning Efficient Convolutional Networks through Network Slimming", 2017). Groups without a batch
    normalisation are left alone.

    Example:
        >>> float(Slimming()(Weights("channels", {"output": [np.ones((2, 9))], "scale": [np.array([[-2.0], [1.0]])]})))
        3.0
    """

    needs: ClassVar[str] = "channels that go through a BatchNormalization with scale=True"

    def __call__(self, weights: Weights) -> Any:
        """Return `Σ |γ|`; None for a group without a scale."""
        scales = weights.matrices.get("scale", ())
        return sum(ops.sum(ops.abs(scale)) for scale in scales) if scales else None
