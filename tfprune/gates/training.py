"""Gates while a model is trained: drawn, moved by the loss and by a budget, and in the end decided."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfprune import granularity as granularities
from tfprune.backend import need_tensorflow
from tfprune.cost import Budget
from tfprune.cost.budget import network_only
from tfprune.errors import InputError, SparsityError
from tfprune.gates.adam import Adam
from tfprune.gates.base import Array, Gate, gates
from tfprune.gates.blocks import Blocks
from tfprune.gates.channels import Channels
from tfprune.gates.decision import Decision
from tfprune.gates.gated import Behind, BoolArray
from tfprune.gates.multiply import Multiplied
from tfprune.gates.pressure import Pressure
from tfprune.gates.weights import SingleWeights
from tfprune.granularity import Depth, Filter, Weight
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.masks import Rule
from tfprune.schedules import check_sparsity
from tfprune.scope import Layer as LayerScope

__all__ = ["GateTraining", "find_behind"]

need_tensorflow(__name__)

SHUT = 0.05
"""A gate that stays open for the budget's sake is open at least so far."""


def find_behind(
    model: keras.Model,
    amount: Budget | float,
    granularity: Any,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
) -> Behind:
    """Return what gates stand before.

    Raises:
        InputError: If the granularity has no gates, or there is nothing to gate.
    """
    network_only(amount)
    pattern = granularities.get(granularity)
    if not isinstance(amount, Budget):
        check_sparsity(amount, "The fraction that closes")
    if isinstance(pattern, Filter):
        return Channels(model, amount, pattern, layers, skip)
    if isinstance(pattern, Depth):
        from tfprune.criteria import Magnitude

        return Blocks(model, amount, Rule(Magnitude(), pattern, LayerScope(), 0), layers, skip)
    if isinstance(pattern, Weight):
        return SingleWeights(model, amount, layers, skip)
    raise InputError(f"There are no gates for {pattern}; give 'filter', 'head', 'layer' or 'weight'.")


class GateTraining(Decision):
    """Gates before parts of a model while something else trains it.

    `GateCallback` drives it from `fit`. In a training loop of your own, call `start` before the step is traced, `draw`
    before and `learn` after each step, `decide` when the gates have to be open or closed, and `finish` after the loop.

    Args:
        model: A built model; it stays the object that it is.
        amount: What the network may cost, or the fraction of channels, blocks or weights that close.
        gate: Name, instance or config of a gate; see `tfprune.gates`.
        granularity: What a gate opens: `"filter"`, `"head"`, `"layer"` (a residual block) or `"weight"`.
        layers: Only these layers (objects, types, names, paths).
        skip: None of these.
        learning_rate: Of the gates' logits, by Adam; gates have no weight decay.
        rate: How fast the pressure of the budget rises.
        quadratic: Weight of the squared excess over the budget.
        seed: Seed of the chance that gates are drawn with.

    Attributes:
        behind: What the gates stand before.
        logits: What the gates have learned, float (gates,).
        kept: Which are open for good, bool (gates,); None before they are decided.

    Raises:
        InputError: If an argument is not one of the allowed values, or the budget can't be met.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                           keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> training = GateTraining(model, 0.5)
        >>> training.start()
        >>> for step in range(20):
        ...     training.draw()
        ...     _ = model.train_on_batch(np.ones((4, 8)), np.ones((4, 2)))
        ...     training.learn(ramp=step / 20)
        >>> _ = training.decide()
        >>> training.finish()
        >>> tfprune.shrink(model).layers[1].units
        8
    """

    def __init__(
        self,
        model: keras.Model,
        amount: Budget | float,
        *,
        gate: Any = "hard_concrete",
        granularity: Any = "filter",
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
        learning_rate: float = 0.1,
        rate: float = 0.05,
        quadratic: float = 5.0,
        seed: int = 0,
    ) -> None:
        self.gate: Gate = gates.get(gate)
        behind = find_behind(model, amount, granularity, layers, skip)
        super().__init__(model, behind, Pressure(behind.targets, rate, quadratic))
        self.logits = np.full(self.behind.count, self.gate.start)
        self._adam = Adam(self.behind.count, learning_rate)
        self._rng = np.random.default_rng(seed)
        self._slope = np.zeros(self.behind.count)
        self._multiplied: Multiplied | None = None

    def start(self, strategy: tf.distribute.Strategy | None = None) -> None:
        """Put up the gates, before the train step is traced.

        Args:
            strategy: The strategy that the model was made under; None is the present one.
        """
        strategy = strategy or tf.distribute.get_strategy()
        super().start(strategy)
        self._multiplied = Multiplied(self.model, self.behind.gated(), self.behind.count, strategy)
        self._multiplied.attach()

    def draw(self) -> None:
        """Draw the gates for the next step."""
        if self.kept is None:
            values, self._slope = self.gate.draw(self.logits, self._rng.uniform(1e-6, 1 - 1e-6, self.behind.count))
            self._running().assign(values)

    def settle(self) -> None:
        """Set the gates to what they are without chance, to evaluate the model."""
        if self.kept is None:
            self._running().assign(self.gate.settled(self.logits))

    def learn(self, *, ramp: float = 1.0, scale: float = 1.0) -> None:
        """Move the gates by what the last step said of them, and by the budget.

        Args:
            ramp: How far the budget has come down from the whole cost, in [0, 1].
            scale: What the loss was multiplied with, as loss scaling does.

        Raises:
            SparsityError: If the loss has no finite slope along the gates.
        """
        if self.kept is not None:
            return
        slopes = self._running().take_slopes() / scale
        if not np.isfinite(slopes).all():
            if scale != 1.0:
                return  # loss scaling leaves such a step out too
            raise SparsityError("The loss has no finite slope along the gates; lower the learning rate.")
        opening, slope = self.gate.opening(self.logits)
        costs, each = self.behind.expected(opening)
        pressed = self.pressure.press(costs, each, ramp) * slope
        self.logits = self._adam.step(self.logits, slopes * self._slope + pressed)

    def open_part(self) -> Array:
        """Return the probability that each gate is open."""
        return self.gate.opening(self.logits)[0]

    def scores(self) -> Array:
        """Return what the gates have learned."""
        return self.logits

    def fold(self, kept: BoolArray) -> None:
        """Multiply what open gates have learned into the weights, and open all."""
        multiplied = self._running()
        values = self.gate.settled(self.logits)
        multiplied.assign(np.where(kept & (values < SHUT), SHUT, values))  # one that stays must not be shut
        multiplied.fold()

    def detach(self) -> None:
        """Take the gates down, whatever they are."""
        super().detach()
        if self._multiplied is not None:
            self._multiplied.detach()
        self._multiplied = None

    def state(self) -> dict[str, Any]:
        """Return all that the gates have learned, as arrays, to go on from there."""
        drawn = np.array(json.dumps(self._rng.bit_generator.state))
        return {"logits": self.logits, "generator": drawn, **self._adam.state(), **super().state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.

        Raises:
            InputError: If it is that of other gates.
        """
        if np.shape(state["logits"]) != (self.behind.count,):
            raise InputError(f"This is the state of {len(state['logits'])} gates, not of {self.behind.count}.")
        super().restore(state)
        self.logits = np.asarray(state["logits"], dtype=np.float64)
        self._adam.restore(state)
        if "generator" in state:
            self._rng.bit_generator.state = json.loads(str(state["generator"]))
        if self.kept is not None:
            self._running().assign(np.ones(self.behind.count))

    def _running(self) -> Multiplied:
        self._check_started()
        if self._multiplied is None:
            raise InputError("These gates do not stand; call start() before training.")
        return self._multiplied
