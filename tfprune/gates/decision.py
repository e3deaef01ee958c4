"""From what has been learned to what goes: a budget is pressed for, met exactly in the end, and held."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfprune.backend import need_tensorflow
from tfprune.errors import InputError
from tfprune.gates.base import Array
from tfprune.gates.gated import Behind, BoolArray
from tfprune.gates.pressure import Pressure
from tfprune.pruning.mask import MaskConstraint, attach, detach
from tfprune.pruning.repair import Repair
from tfprune.refit import Repaired

__all__ = ["Decision"]

need_tensorflow(__name__)

MULTIPLIER = "multiplier_"


class Decision(abc.ABC):
    """Something that learns while a model is trained which channels, blocks or weights can go.

    Args:
        model: A built model; it stays the object that it is.
        behind: What may go.
        pressure: How hard it is pressed for.

    Attributes:
        kept: What stays, bool (count,); None before it is decided.
        refitted: What the refit did; None before, and without one.
    """

    def __init__(self, model: keras.Model, behind: Behind, pressure: Pressure) -> None:
        self.model, self.behind, self.pressure = model, behind, pressure
        self.kept: NDArray[np.bool_] | None = None
        self.refitted: Repaired | None = None
        self._constraints: list[tuple[keras.Variable, MaskConstraint]] = []

    @property
    def started(self) -> bool:
        """Whether it has begun, and not finished."""
        return bool(self._constraints)

    @property
    def opening(self) -> Array:
        """The probability that each stays; whether it does once that is decided."""
        return self.open_part() if self.kept is None else self.kept.astype(np.float64)

    def expected(self) -> dict[str, float]:
        """Return what is expected to be left of each cost, as a part of the whole."""
        return self.behind.expected(self.opening)[0]

    @abc.abstractmethod
    def open_part(self) -> Array:
        """Return the probability that each stays, as long as nothing is decided."""

    @abc.abstractmethod
    def scores(self) -> Array:
        """Return how much each is worth keeping."""

    @abc.abstractmethod
    def fold(self, kept: BoolArray) -> None:
        """Write what has been learned of those that stay into the weights."""

    @abc.abstractmethod
    def draw(self) -> None:
        """Prepare the next step."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Prepare an evaluation."""

    @abc.abstractmethod
    def learn(self, *, ramp: float = 1.0, scale: float = 1.0) -> None:
        """Learn from the last step.

        Args:
            ramp: How far the budget has come down from the whole cost, in [0, 1].
            scale: What the loss was multiplied with, as loss scaling does.
        """

    def start(self, strategy: tf.distribute.Strategy | None = None) -> None:
        """Begin, before the train step is traced.

        Args:
            strategy: The strategy that the model was made under; None is the present one.
        """
        strategy = strategy or tf.distribute.get_strategy()
        everything = self.behind.masks(np.ones(self.behind.count, dtype=bool))
        self._constraints = [(variable, attach(variable, strategy)) for variable, _ in everything]

    def decide(self, refit: Any = None) -> dict[str, float]:
        """Let go for good what is worth least, so that the budget is met exactly.

        It is held at zero from now on, with all that goes with it.

        Args:
            refit: Samples without labels on which the rest makes up for what is gone, in closed form; None leaves that
                to training.

        Returns:
            What is left of each cost, as a part of the whole.
        """
        self._check_started()
        kept = self.behind.choose(self.scores())
        self.fold(kept)
        repair = None if refit is None else Repair(self.model, refit)
        self._hold(kept)
        self.apply()
        if repair is not None:
            self.refitted = repair.run()
        return self.behind.left(kept)

    def apply(self) -> None:
        """Set what is gone to zero, for training loops that update weights without a Keras optimizer."""
        for variable, constraint in self._constraints:
            variable.assign(constraint.masked(variable))

    def finish(self) -> None:
        """End; decide first if nobody has."""
        self._check_started()
        if self.kept is None:
            self.decide()
        self.apply()
        self.detach()

    def detach(self) -> None:
        """Take everything off the model; its weights stay as they are."""
        for variable, _ in self._constraints:
            detach(variable)
        self._constraints = []

    def state(self) -> dict[str, Any]:
        """Return all that has been learned, as arrays, to go on from there."""
        decided = {} if self.kept is None else {"kept": self.kept}
        return decided | {f"{MULTIPLIER}{n}": np.array(value) for n, value in self.pressure.multipliers.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.

        Raises:
            InputError: If it is that of something else.
        """
        found = {key: value for key, value in state.items() if key.startswith(MULTIPLIER)}
        self.pressure.multipliers = {key[len(MULTIPLIER) :]: float(value) for key, value in found.items()}
        if "kept" in state:
            if np.shape(state["kept"]) != (self.behind.count,):
                raise InputError(f"This is the state of {len(state['kept'])} gates, not of {self.behind.count}.")
            self._hold(np.asarray(state["kept"], dtype=bool))

    def _hold(self, kept: BoolArray) -> None:
        self.kept = kept
        masks = {id(variable): mask for variable, mask in self.behind.masks(kept)}
        for variable, constraint in self._constraints:
            constraint.mask.assign(masks[id(variable)].astype(variable.dtype))

    def _check_started(self) -> None:
        if not self.started:
            raise InputError("Nothing has been started; call start() before training.")
