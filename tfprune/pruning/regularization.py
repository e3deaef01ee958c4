"""The penalty engine: puts a penalty on a model, moves its strength over training, and takes it off again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from tfprune import granularity as granularities
from tfprune import penalties
from tfprune.backend import need_tensorflow
from tfprune.errors import InputError
from tfprune.granularity import Filter
from tfprune.graph.choice import LayerChoice
from tfprune.numbers import is_real
from tfprune.penalties import Penalty
from tfprune.pruning.own_loss import complete_loss, restore_loss
from tfprune.pruning.penalised import Part, check_amount, find_parts, leaving_channels
from tfprune.pruning.plan import names, skips
from tfprune.pruning.regularizer import PenaltyRegularizer, attach_penalty, detach_penalty
from tfprune.schedules.base import Moment, check_moment, is_step, to_step

__all__ = ["Regularization", "Setting", "Strength"]

Strength: TypeAlias = "float | Callable[[float], float] | None"
"""A number from 0, a function from the progress of a penalty (0 to 1) to one, or None for what the penalty suggests."""


class Setting:
    """What penalty, how strong, and when; checked before there is a model.

    Args:
        penalty: Name, instance, class or config.
        strength: See `Strength`.
        begin: First step with the penalty, as a step (int) or a fraction of training (float).
        end: Last step with it.
        granularity: Which channels: `"filter"` or `"head"`.

    Raises:
        InputError: If one of them is not allowed.
    """

    def __init__(
        self,
        penalty: Any,
        strength: Strength = None,
        begin: Moment = 0.0,
        end: Moment = 1.0,
        granularity: Any = "filter",
    ) -> None:
        self.penalty: Penalty = penalties.get(penalty)
        self.strength = self.penalty.default_strength if strength is None else strength
        self.begin, self.end = begin, end
        pattern = granularities.get(granularity)
        if not isinstance(pattern, Filter):
            raise InputError(f'granularity is {granularity!r}; give "filter" or "head": which channels are penalised.')
        self.granularity = pattern
        check_amount(self.penalty)
        check_moment(begin, "begin")
        check_moment(end, "end")
        if is_step(begin) == is_step(end) and end < begin:
            raise InputError(f"The penalty ends ({end}) before it begins ({begin}); give end ≥ begin.")
        self.at(0.0)

    def at(self, progress: float) -> float:
        """Return the strength at a progress from 0 to 1.

        Raises:
            InputError: If it is not a number from 0.
        """
        value = self.strength(progress) if callable(self.strength) else self.strength
        if not is_real(value) or not 0.0 <= float(value) < math.inf:
            given = f"strength({progress:g})" if callable(self.strength) else "strength"
            raise InputError(f"{given} is {value!r}; give a number from 0, or a function from [0, 1] to one.")
        return float(value)


class Regularization:
    """Adds a penalty to the loss of a model while something else trains it.

    `RegularizeCallback` drives one from `fit`. The penalty is a regulariser on the variables that it is about, so Keras
    adds it to the loss inside the (compiled) step.

    Args:
        model: A built model; it stays the object that it is.
        setting: What penalty, how strong, and when.
        layers: Only these.
        skip: None of these.
        seed: Seed of criteria that draw random numbers.

    Attributes:
        parts: The kernels and channel groups that are penalised.
        skipped: What is not, with the reason.
        strength: What the penalty is multiplied with at present.

    Raises:
        InputError: If the model has nothing that the penalty is about.
        SparsityError: If a weight is not finite.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"), keras.layers.Dense(2)])
        >>> regularization = Regularization(model, Setting("group_lasso", 0.1))
        >>> regularization.start(model, total_steps=100)
        >>> regularization.update(0)
        0.1
        >>> len(model.losses)
        1
        >>> regularization.finish(model)
        >>> model.losses
        []
    """

    def __init__(
        self,
        model: keras.Model,
        setting: Setting,
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
        seed: int = 0,
    ) -> None:
        self.setting = setting
        self.parts, self.skipped = find_parts(model, setting.penalty, setting.granularity, layers, skip, seed)
        self.strength = 0.0
        self._hosts: list[keras.Variable] = []
        self._regularizers: list[PenaltyRegularizer] = []
        self._total_steps: int | None = None
        self._variable: keras.Variable | None = None
        self._written = 0.0

    @property
    def started(self) -> bool:
        """Whether the penalty is attached."""
        return bool(self._regularizers)

    @property
    def heard(self) -> bool:
        """Whether a traced step has asked for the penalty."""
        return any(regularizer.calls for regularizer in self._regularizers)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables that are penalised."""
        return list({id(v): v for part in self.parts for v in part.variables}.values())

    @property
    def leaving(self) -> dict[str, list[int]]:
        """Numbers of the channels that are to go, by group, as `tfprune.shrink` takes them."""
        return leaving_channels(self.parts)

    def start(self, trained: keras.Model, total_steps: int | None = None) -> None:
        """Attach the penalty, before the train step is traced.

        Args:
            trained: The model whose step is run: the model itself, or one that contains it.
            total_steps: Optimizer updates in the training; None if not known yet.
        """
        self._total_steps = total_steps
        need_tensorflow("A penalty whose strength changes while a model is trained")
        with trained.distribute_strategy.scope():
            self._variable = keras.Variable(0.0, trainable=False, autocast=False, dtype="float32", name="strength")
        self._written = 0.0
        by_host: dict[int, list[Part]] = {}
        for part in self.parts:
            by_host.setdefault(id(part.variables[0]), []).append(part)
        self._hosts = [parts[0].variables[0] for parts in by_host.values()]
        self._regularizers = [
            attach_penalty(host, [self._term(part) for part in parts], self._variable)
            for host, parts in zip(self._hosts, by_host.values(), strict=True)
        ]
        complete_loss(trained, self._regularizers)

    def resolve(self, total_steps: int) -> None:
        """Fill in the length of training."""
        self._total_steps = total_steps

    def update(self, step: int) -> float:
        """Set the strength for the step after `step` optimizer updates, and return it."""
        begin, end = self._moment(self.setting.begin), self._moment(self.setting.end)
        steps = None if math.inf in (begin, end) else int(end - begin) + 1
        self.strength = 0.0
        if begin <= step <= end:
            since = step - int(begin)
            progress = 0.0 if steps is None else since / max(steps - 1, 1)
            self.strength = self.setting.at(progress) * self.setting.penalty.factor(since, steps)
        self._write(self.strength)
        return self.strength

    def set_strength(self, strength: float) -> None:
        """Set the strength from now on, whatever the setting says."""
        self.strength = strength
        self._write(strength)

    def pause(self) -> None:
        """Leave the penalty out until the next `update`, as for an evaluation."""
        self._write(0.0)

    def value(self) -> float:
        """Return the penalty of the present weights, before it is multiplied with the strength."""
        return float(sum(float(self._term(part)()) for part in self.parts))

    def finish(self, trained: keras.Model) -> None:
        """Take the penalty off; nothing of it is left."""
        for variable, regularizer in zip(self._hosts, self._regularizers, strict=True):
            detach_penalty(variable, regularizer)
        restore_loss(trained)
        self._regularizers = []

    def describe(self) -> str:
        """Return what is penalised and how, and what is left alone and why."""
        setting = self.setting
        how = f"{setting.penalty}, strength {setting.strength}, from {setting.begin} to {setting.end}"
        lines = [f"tfprune: {how}", f"  penalises {names([f'{part.name} ({part.size:,})' for part in self.parts])}"]
        if self.leaving:
            gone = [f"{len(numbers)} of {name}" for name, numbers in self.leaving.items()]
            lines.append(f"  to go  {names(gone)}")
        return "\n".join([*lines, *skips(self.skipped)])

    def _term(self, part: Part) -> Callable[[], Any]:
        return lambda: self.setting.penalty(part.weights())

    def _moment(self, moment: Moment) -> float:
        """Return the step of a moment; infinity for one that is not known yet."""
        if is_step(moment) or self._total_steps is not None:
            return to_step(moment, self._total_steps or 1)
        return 0.0 if moment == 0.0 else math.inf

    def _write(self, strength: float) -> None:
        if self._variable is not None and strength != self._written:
            self._variable.assign(strength)
            self._written = strength
