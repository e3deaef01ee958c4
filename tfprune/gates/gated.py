"""What gates stand before: channels or heads, residual blocks, single weights."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.gates.base import Array
from tfprune.gates.multiply import Gated
from tfprune.pruning.selection import Skipped

__all__ = ["Behind"]

BoolArray = NDArray[np.bool_]


class Behind(abc.ABC):
    """What is behind the gates of a model.

    Attributes:
        count: How many gates there are.
        what: What one of them opens, such as `"channels"`.
        names: What they are gathered under, such as the names of channel groups, with the number of gates of each.
        skipped: What has no gates, with the reason.
        targets: What part of each cost may be left in the end.
    """

    count: int
    what: str
    names: Mapping[str, int]
    skipped: Sequence[Skipped]
    targets: Mapping[str, float]

    @abc.abstractmethod
    def gated(self) -> list[Gated]:
        """Return the variables with gates."""

    @abc.abstractmethod
    def expected(self, opening: Array) -> tuple[dict[str, float], dict[str, Array]]:
        """Return what is expected to be left of each cost when gates are open with some probability.

        Args:
            opening: The probabilities, float (gates,).

        Returns:
            Parts of the whole cost, and their gradients, float (gates,), by bound.
        """

    @abc.abstractmethod
    def choose(self, scores: Array) -> BoolArray:
        """Return which gates stay open, those with the highest scores, so that the budget is met: bool (gates,)."""

    @abc.abstractmethod
    def masks(self, kept: BoolArray) -> list[tuple[keras.Variable, BoolArray]]:
        """Return which weights of each variable are kept when some gates are closed for good."""

    def left(self, kept: BoolArray) -> dict[str, float]:
        """Return what is left of each cost when some gates are closed, as parts of the whole."""
        return self.expected(kept.astype(np.float64))[0]


def broadcast(variable: keras.Variable, axis: int, numbers: Any) -> NDArray[np.int64]:
    """Return numbers along an axis of a variable in a shape that broadcasts to it."""
    shape = [1] * len(variable.shape)
    shape[axis] = len(numbers)
    return np.asarray(numbers, dtype=np.int64).reshape(shape)
