"""A penalty as a regulariser on a variable, which Keras adds to the loss of a training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from tfprune.graph.tree import own_variables, walk

__all__ = ["PenaltyRegularizer", "attach_penalty", "detach_penalties", "detach_penalty"]


class PenaltyRegularizer(keras.regularizers.Regularizer):  # type: ignore[misc]
    """Adds a penalty to the user's own regulariser of a variable, if there is one.

    The penalty may be about more variables than the one that the regulariser is on. A layer's config has the
    regulariser that the layer was made with, not that of its variable: no file knows of this one.

    Args:
        terms: Each returns a scalar tensor made of the present weights.
        strength: What their sum is multiplied with; a variable, so that changing it retraces nothing.
        inner: The regulariser that the variable had before.

    Attributes:
        calls: How often it was called, while steps were traced.
    """

    def __init__(self, terms: Sequence[Callable[[], Any]], strength: keras.Variable, inner: Any = None) -> None:
        self.terms = tuple(terms)
        self.strength = strength
        self.inner = inner
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        """Return the penalty, and what the user's own regulariser says of `x`."""
        self.calls += 1
        if self.inner is None:
            return self.penalty()
        own = self.inner(x)
        return own + ops.cast(self.penalty(), own.dtype)

    def penalty(self) -> Any:
        """Return the penalty alone, a scalar of Keras' float type."""
        return ops.cast(self.total() * ops.cast(self.strength, self.total_dtype), keras.backend.floatx())

    def total(self) -> Any:
        """Return the sum of the terms, before it is multiplied with the strength."""
        return sum(ops.cast(term(), self.total_dtype) for term in self.terms)

    @property
    def total_dtype(self) -> str:
        """In what the terms are summed: float64 where that is Keras' float type, else float32."""
        return str(keras.backend.result_type(keras.backend.floatx(), "float32"))


def attach_penalty(variable: keras.Variable, terms: Sequence[Callable[[], Any]], strength: Any) -> PenaltyRegularizer:
    """Put a penalty on a variable, besides what is there, and return its regulariser."""
    regularizer = PenaltyRegularizer(terms, strength, variable.regularizer)
    variable.regularizer = regularizer
    return regularizer


def detach_penalty(variable: keras.Variable, regularizer: PenaltyRegularizer | None = None) -> bool:
    """Take a penalty off a variable, or all of them; return whether there was one.

    Args:
        variable: The variable, which gets its own regulariser back.
        regularizer: The penalty; None takes off all, as after an interrupted training.
    """
    found, above = False, None
    present = variable.regularizer
    while isinstance(present, PenaltyRegularizer):
        if regularizer is not None and present is not regularizer:
            above = present
        elif above is None:
            variable.regularizer, found = present.inner, True
        else:
            above.inner, found = present.inner, True
        present = present.inner
    return found


def detach_penalties(model: keras.Model) -> bool:
    """Give all variables of a model their own regularisers back; return whether there was a penalty."""
    found = [detach_penalty(variable) for _, layer in walk(model) for variable in own_variables(layer)]
    return any(found)
