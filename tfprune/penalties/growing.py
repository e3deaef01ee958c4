"""Growing regularisation: the channels that are to go are pulled to zero harder and harder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from tfprune import criteria
from tfprune import scope as scopes
from tfprune.errors import InputError
from tfprune.numbers import is_integer, is_real
from tfprune.penalties.base import Penalty, Weights, penalties

__all__ = ["Growing"]

RAMP = 0.75
"""The share of the training after which the factor has reached its ceiling, if no `delta` is given."""


@penalties.register("growing")
@dataclass(frozen=True)
class Growing(Penalty):
    """`½ λ Σ w²` over all that goes with the channels that are to go, with a factor λ that grows.

    GReg-1 of Wang et al., "Neural Pruning via Growing Regularization" (2021): the channels are chosen when the training
    begins, those that matter least. λ begins at `delta` and grows by as much every `every` optimizer updates, up to
    `ceiling`, so that the network moves to the other channels before these are taken out.

    A training that is resumed chooses again; list the callback before a `BackupAndRestore`, so that it chooses from the
    same weights.

    Args:
        amount: What is to go: the fraction of channels, in (0, 1), or a `tfprune.Budget` of the network without them.
        criterion: What makes a weight matter: `"magnitude"`, `"l2"`, `"random"` or a `tfprune.criteria.Criterion`.
        scope: `"layer"` takes the same fraction of every group, `"global"` and `"isomorphic"` compare groups.
        delta: By how much λ grows; the paper has 1e-4, for 100,000 updates. None makes it reach its ceiling after three
            quarters of the training, of whatever length.
        every: Optimizer updates between two steps of λ; the paper has 5 and 10.
        ceiling: The highest λ.

    Example:
        >>> growing = Growing(0.5, delta=0.1, every=10)
        >>> [growing.factor(step, None) for step in (0, 9, 10, 1000)]
        [0.1, 0.1, 0.2, 1.0]
        >>> weights = Weights("channels", {"output": [np.array([[3.0, 4.0], [8.0, 8.0]])]}, np.array([True, False]))
        >>> float(growing(weights))
        12.5
    """

    default_strength: ClassVar[float] = 1.0

    amount: Any = 0.5
    criterion: Any = "magnitude"
    scope: Any = "layer"
    delta: float | None = None
    every: int = 10
    ceiling: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.amount, Mapping):
            object.__setattr__(self, "amount", keras.saving.deserialize_keras_object(dict(self.amount)))
        if is_real(self.amount) and not 0.0 < float(self.amount) < 1.0:
            raise InputError(f"amount is {self.amount!r}; give the fraction of channels that go, a number in (0, 1).")
        object.__setattr__(self, "criterion", criteria.get(self.criterion))
        object.__setattr__(self, "scope", scopes.get(self.scope))
        if not is_integer(self.every) or self.every < 1:
            raise InputError(f"every is {self.every!r}; give the optimizer updates between two steps, an int from 1.")
        for name in ("delta", "ceiling"):
            value = getattr(self, name)
            if not (value is None and name == "delta") and not (is_real(value) and 0.0 < value < float("inf")):
                raise InputError(f"{name} is {value!r}; give a number above 0.")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, ready for JSON."""
        amount = self.amount if is_real(self.amount) else keras.saving.serialize_keras_object(self.amount)
        strategies = {"criterion": criteria.serialize(self.criterion), "scope": scopes.serialize(self.scope)}
        return {**super().get_config(), "amount": amount, **strategies}

    def __call__(self, weights: Weights) -> Any:
        """Return `½ Σ w²` over the channels that are to go; None if all stay."""
        if weights.leaving is None or not weights.leaving.any():
            return None
        squares = weights.squares()
        return 0.5 * ops.sum(ops.where(weights.leaving, squares, ops.zeros_like(squares)))

    def factor(self, step: int, steps: int | None) -> float:
        """Return λ."""
        grown = step // self.every + 1
        if self.delta is not None or steps is None:
            return float(min((self.delta or 1e-4) * grown, self.ceiling))
        return float(self.ceiling * min(grown * self.every / max(RAMP * steps, 1.0), 1.0))
