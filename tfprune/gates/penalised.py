"""A penalty in place of gates: what it makes small goes, and the budget says how strong it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfprune.backend import need_tensorflow
from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.gates.base import Array
from tfprune.gates.channels import Channels
from tfprune.gates.decision import Decision
from tfprune.gates.gated import BoolArray
from tfprune.gates.pressure import Pressure
from tfprune.gates.training import find_behind
from tfprune.gates.weights import SingleWeights
from tfprune.granularity import Filter, Weight
from tfprune.granularity import get as get_granularity
from tfprune.graph.choice import LayerChoice
from tfprune.penalties import Growing, Slimming, Weights, penalties
from tfprune.penalties.base import CHANNELS, KERNELS
from tfprune.pruning.regularization import Regularization, Setting
from tfprune.surgery.dead import STATISTICS

__all__ = ["PenaltyTraining"]

need_tensorflow(__name__)

SMALL = 0.1
"""What is as small as this, over the mean of its group, is half gone."""

URGE = 100.0
"""A pressure of one is so many times the penalty's usual strength."""

EVERY = 10
"""Steps between two looks at the weights."""


class PenaltyTraining(Decision):
    """A penalty whose strength is driven by a budget, as gates are.

    There are no gates in the forward pass: the penalty pulls those channels or weights to zero that would go if it were
    decided now, the smallest, and leaves the others alone. One counts as open with `r² / (r² + s²)`, r its norm over
    the mean of its group and s = 0.1. The pressure of the budget on the expected cost that follows multiplies the
    penalty, until enough is small; then what is smallest goes, so that the budget is met exactly.

    Args:
        model: A built model; it stays the object that it is.
        amount: What the network may cost, or the fraction of channels or weights that goes.
        penalty: `"group_lasso"`, `"slimming"`, `"hybrid"` (channels), `"l1"`, `"l2"`, `"hybrid"` (weights), or a
            penalty of `tfprune.penalties`.
        granularity: `"filter"`, `"head"` or `"weight"`.
        layers: Only these layers.
        skip: None of these.
        trained: The model whose step is run, if that is another one: a distiller with it.
        rate: How fast the pressure rises.
        seed: Seed of criteria that draw random numbers.

    Raises:
        InputError: If an argument is not one of the allowed values, or the budget can't be met.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                           keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> training = PenaltyTraining(model, 0.5, "group_lasso")
        >>> training.start()
        >>> for step in range(10):
        ...     training.draw()
        ...     _ = model.train_on_batch(np.ones((4, 8)), np.ones((4, 2)))
        ...     training.learn(ramp=step / 10)
        >>> _ = training.decide()
        >>> training.finish()
        >>> tfprune.shrink(model).layers[1].units
        8
    """

    def __init__(
        self,
        model: keras.Model,
        amount: Budget | float,
        penalty: Any,
        *,
        granularity: Any = "filter",
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
        trained: keras.Model | None = None,
        rate: float = 0.05,
        seed: int = 0,
    ) -> None:
        pattern = get_granularity(granularity)
        if not isinstance(pattern, Filter | Weight):
            raise InputError(f"A penalty has no say in {pattern}; give 'filter', 'head' or 'weight', or a gate.")
        behind = find_behind(model, amount, granularity, layers, skip)
        super().__init__(model, behind, Pressure(behind.targets, rate, quadratic=0.0))
        own = penalties.get(penalty)
        if (CHANNELS if isinstance(pattern, Filter) else KERNELS) not in own.over:
            usual = "filter" if CHANNELS in own.over else "weight"
            raise InputError(
                f"{own} is over {' and '.join(own.over)} and has no say in {pattern}; give granularity={usual!r}, or "
                "another penalty."
            )
        channels = pattern if isinstance(pattern, Filter) else "filter"
        self._regularization = Regularization(model, Setting(own, granularity=channels), layers, skip, seed)
        if isinstance(self._regularization.setting.penalty, Growing):
            raise InputError("'growing' chooses by itself what goes; give it to RegularizeCallback.")
        self._usual = float(self._regularization.setting.penalty.default_strength)
        self._leaving: list[tf.Variable] = []
        self._trained = model if trained is None else trained
        self._steps = 0
        self._open: Array | None = None

    def start(self, strategy: tf.distribute.Strategy | None = None) -> None:
        """Put the penalty into the loss, before the train step is traced."""
        super().start(strategy)
        strategy = strategy or tf.distribute.get_strategy()
        with strategy.scope():
            self._leaving = [tf.Variable(tf.zeros(part.size), trainable=False) for part in self._regularization.parts]
        pairs = zip(self._regularization.parts, self._leaving, strict=True)
        self._regularization.parts = [replace(p, weights=Leaving(p.weights, leaving)) for p, leaving in pairs]
        self._regularization.start(self._trained)

    def draw(self) -> None:
        """Have the penalty as strong as the budget presses."""
        pressed = sum(self.pressure.multipliers.values()) if self.kept is None else 0.0
        self._regularization.set_strength(self._usual * URGE * pressed)

    def settle(self) -> None:
        """Leave the penalty out."""
        self._regularization.pause()

    def learn(self, *, ramp: float = 1.0, scale: float = 1.0) -> None:
        """Look how small things are, and let the pressure rise."""
        if self.kept is not None:
            return
        if not self._regularization.heard:
            raise InputError(
                f"The train_step of {self._trained.name!r} computes its loss without the penalty; add sum(self.losses) "
                "to it, or call self.compute_loss there, or give a gate instead."
            )
        if self._steps % EVERY == 0 or self._open is None:
            sizes = self.sizes()
            self._open = sizes**2 / (sizes**2 + SMALL**2)
            self._point(~self.behind.choose(sizes))
        self._steps += 1
        costs, slopes = self.behind.expected(self._open)
        self.pressure.press(costs, slopes, ramp)

    def open_part(self) -> Array:
        """Return how far each is from being gone."""
        return self.sizes() ** 2 / (self.sizes() ** 2 + SMALL**2) if self._open is None else self._open

    def scores(self) -> Array:
        """Return how large each is."""
        return self.sizes()

    def fold(self, kept: BoolArray) -> None:
        """Take the penalty off: the weights have learned all themselves."""
        self._regularization.set_strength(0.0)

    def detach(self) -> None:
        """Take everything off the model."""
        super().detach()
        self._regularization.finish(self._trained)

    def _point(self, leaving: BoolArray) -> None:
        """Have the penalty pull at what would go now."""
        starts = dict(zip(self.behind.names, np.cumsum([0, *self.behind.names.values()]), strict=False))
        for part, variable in zip(self._regularization.parts, self._leaving, strict=True):
            start = starts.get(part.name)
            if start is not None and self.behind.names[part.name] == part.size:
                variable.assign(leaving[start : start + part.size].astype(np.float32))

    def sizes(self) -> Array:
        """Return the norm of each channel or weight over the mean of its group, float (count,)."""
        found = []
        if isinstance(self.behind, SingleWeights):
            for one in self.behind.gated():
                values = np.abs(np.asarray(one.variable.numpy(), dtype=np.float64)).reshape(-1)
                found.append(values / max(values.mean(), 1e-30))
        elif isinstance(self.behind, Channels):
            for group in self.behind.groups:
                squares = np.zeros(group.size)
                for entry in group.slices:
                    if entry.variable.name in STATISTICS or entry.role == "pass":
                        continue
                    rows = np.moveaxis(np.asarray(entry.variable.numpy(), dtype=np.float64), entry.axis, 0)
                    each = np.square(rows).reshape(len(rows), -1).sum(axis=1)
                    squares += each[entry.positions].sum(axis=1)
                norms = np.sqrt(squares) * self._scales(group.name, group.size)
                found.append(norms / max(norms.mean(), 1e-30))
        return np.concatenate(found)

    def _scales(self, name: str, size: int) -> Array:
        """Return how large the scales of a group's batch normalisations are, where the penalty is on these."""
        on_scales = isinstance(self._regularization.setting.penalty, Slimming)
        if not isinstance(self.behind, Channels) or not on_scales:
            return np.ones(size)
        group = self.behind.graph.group(name)
        scales = [entry for entry in group.slices if entry.variable.name == "gamma"]
        found = np.zeros(size)
        for entry in scales:
            found += np.abs(np.asarray(entry.variable.numpy(), dtype=np.float64))[entry.positions].sum(axis=1)
        return found if scales else np.ones(size)


class Leaving:
    """Weights of a part, those of what stays at zero, so that no penalty pulls at them.

    Args:
        weights: Reads the weights.
        leaving: One for each channel or weight that would go now, else zero, float (size,).
    """

    def __init__(self, weights: Callable[[], Weights], leaving: tf.Variable) -> None:
        self.weights, self.leaving = weights, leaving

    def __call__(self) -> Weights:
        """Return the weights."""
        found = self.weights()
        mask = tf.convert_to_tensor(self.leaving)

        def masked(matrix: Any) -> Any:
            shape = (-1, 1) if found.kind == CHANNELS else matrix.shape
            return matrix * tf.cast(tf.reshape(mask, shape), matrix.dtype)

        return replace(found, matrices={role: [masked(m) for m in own] for role, own in found.matrices.items()})
