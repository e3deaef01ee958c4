"""The ranges of activations: moving averages of their minima and maxima."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from tfprune.backend import need_tensorflow
from tfprune.quantization.fake import quantize_activation

__all__ = ["Range", "Ranges"]

need_tensorflow(__name__)


class Ranges:
    """The ranges of all activations of a model.

    A range begins with the first batch that is seen, and then moves towards each batch's:
    `low ← m · low + (1 − m) · min(x)`, and so for `high`. Where a scale has to hold other tensors too, as what meets
    in a concatenation has one, it is that of the range that holds all of theirs.

    Args:
        shared: For each range the numbers of all those that its scale has to hold, itself among them.
        momentum: `m` above, in [0, 1).
        strategy: The strategy that the model was made under.

    Attributes:
        learning: Whether ranges move, a TensorFlow variable.

    Example:
        >>> ranges = Ranges([[0], [1]], momentum=0.9, strategy=tf.distribute.get_strategy())
        >>> with ranges.calibration():  # one batch is seen
        ...     _ = ranges[0].quantize(tf.constant([-1.0, 3.0]))
        >>> [float(limit) for limit in ranges[0].limits()], len(ranges)
        ([-1.0, 3.0], 2)
    """

    def __init__(self, shared: Sequence[Sequence[int]], momentum: float, strategy: tf.distribute.Strategy) -> None:
        with strategy.scope():
            self.learning = tf.Variable(False, trainable=False, name="ranges_are_learning")
            each = [Range(self, momentum) for _ in shared]
        self._each = each
        for own, numbers in zip(each, shared, strict=True):
            own.together = [each[number] for number in numbers]
        self.calibrating = False

    def __getitem__(self, number: int) -> Range:
        return self._each[number]

    def __len__(self) -> int:
        return len(self._each)

    @contextmanager
    def calibration(self) -> Iterator[None]:
        """Within it nothing is quantised, and ranges grow to hold all that is seen, as the converter's do."""
        self.calibrating = True
        try:
            yield
        finally:
            self.calibrating = False


class Range:
    """The range of one activation.

    Args:
        ranges: All of them.
        momentum: How much of a range stays at each batch.

    Example:
        >>> ranges = Ranges([[0]], momentum=0.5, strategy=tf.distribute.get_strategy())
        >>> _ = ranges.learning.assign(True)
        >>> for largest in (4.0, 8.0):  # a half of what was, and a half of what is
        ...     _ = ranges[0].quantize(tf.constant([0.0, largest]))
        >>> float(ranges[0].limits()[1])
        6.0
    """

    def __init__(self, ranges: Ranges, momentum: float) -> None:
        options: dict[str, Any] = {
            "trainable": False, "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.MEAN,
        }  # fmt: skip
        self._own = tf.Variable([0.0, 0.0], name="range", **options)  # minus the smallest value, and the largest
        self.momentum = momentum
        self.ranges = ranges
        self.together: list[Range] = [self]

    def limits(self) -> tuple[Any, Any]:
        """Return the smallest and the largest value that can be told from those beyond, float32."""
        every = [tf.convert_to_tensor(one._own) for one in self.together]
        most = every[0] if len(every) == 1 else tf.reduce_max(tf.stack(every), axis=0)
        return -most[0], most[1]

    def quantize(self, x: Any) -> Any:
        """Return a tensor fake-quantised, and learn from it."""
        if self.ranges.calibrating:
            self._own.assign(tf.maximum(tf.convert_to_tensor(self._own), extent(x)))
            return x
        tf.cond(self.ranges.learning, lambda: self._learn(x), lambda: tf.convert_to_tensor(self._own))
        return quantize_activation(x, *self.limits())

    def _learn(self, x: Any) -> Any:
        before, now = tf.convert_to_tensor(self._own), extent(x)
        moved = self.momentum * before + (1 - self.momentum) * now
        self._own.assign(tf.where(tf.reduce_any(before > 0), moved, now))
        return now


def extent(x: Any) -> Any:
    """Return minus the smallest value of a tensor and its largest, at least 0 each, float32 (2,)."""
    x = tf.stop_gradient(x)
    both = tf.stack([-tf.reduce_min(x), tf.reduce_max(x)])
    return tf.maximum(tf.cast(both, tf.float32), 0.0)
