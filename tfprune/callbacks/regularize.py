"""The penalty as a plug-in: `model.fit(..., callbacks=[RegularizeCallback()])`, before or while pruning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune import granularity as granularities
from tfprune import penalties
from tfprune.callbacks.clock import Clock
from tfprune.callbacks.stored import restored_layers, stored_layers
from tfprune.callbacks.student import student_of
from tfprune.errors import InputError
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.own_loss import restore_loss
from tfprune.pruning.regularization import Regularization, Setting, Strength
from tfprune.pruning.regularizer import detach_penalties
from tfprune.schedules.base import Moment

__all__ = ["RegularizeCallback"]


@keras.saving.register_keras_serializable(package="tfprune")
class RegularizeCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds a penalty to the loss while `fit` trains a model, so that what is pruned afterwards is missed less.

    The model stays the object that it is, and nothing of the penalty is left when `fit` returns. What is penalised is
    what a `PruneCallback` would prune by default: channel groups as a whole, and single weights but for those of the
    first, the last and depthwise layers. `loss` contains the penalty, as always in Keras; `val_loss` does not. The
    penalty of the weights at the end of an epoch, times its strength, is in the logs as `penalty`.

    Args:
        penalty: `"group_lasso"`, `"slimming"` or `"growing"` for channels, `"l1"` or `"l2"` for weights, `"hybrid"` for
            both, or a `tfprune.penalties.Penalty`.
        strength: What the penalty is multiplied with: a number from 0, or a function from its progress (0 at `begin`, 1
            at `end`) to one. None is 1e-4; 1e-5 for `"l1"`, and 1 for `"growing"`, which has a factor of its own.
        layers: Layers to penalise (objects, types, names, paths) instead of the default choice.
        skip: Layers to leave alone, chosen likewise.
        granularity: Which channels: `"filter"` (and neurons) or `"head"`.
        begin: First step with the penalty, as a step (int) or a fraction of training (float).
        end: Last step with it.
        seed: Seed of criteria that draw random numbers.
        verbose: 1 prints what is penalised and what came of it, 0 nothing.

    Attributes:
        leaving: Numbers of the channels that `"growing"` has chosen to go, by group: `tfprune.shrink(model, leaving)`.

    Raises:
        InputError: If an argument is not one of the allowed values; at once, or at the start of `fit` where it depends
            on the model.
        SparsityError: If the model has weights that are not finite.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                           keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> x, y = keras.random.normal((64, 8)), keras.random.normal((64, 2))
        >>> regularize = RegularizeCallback("growing", verbose=0)
        >>> history = model.fit(x, y, epochs=4, verbose=0, callbacks=[regularize])
        >>> sorted(history.history)
        ['loss', 'penalty']
        >>> [len(numbers) for numbers in regularize.leaving.values()]
        [8]
    """

    def __init__(
        self,
        penalty: Any = "group_lasso",
        *,
        strength: Strength = None,
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
        granularity: Any = "filter",
        begin: Moment = 0.0,
        end: Moment = 1.0,
        seed: int = 0,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        self.setting = Setting(penalty, strength, begin, end, granularity)
        self.strength = strength
        self.layers, self.skip = layers, skip
        self.seed, self.verbose = seed, verbose
        self.regularization: Regularization | None = None
        self._clock: Clock | None = None
        self._first = 0.0

    @property
    def leaving(self) -> dict[str, list[int]]:
        """Numbers of the channels that are to go, by group; empty before `fit` and for penalties that choose none."""
        return {} if self.regularization is None else self.regularization.leaving

    def set_model(self, model: keras.Model) -> None:
        """Take off what an interrupted training has left, and have the train step traced anew, with the penalty."""
        super().set_model(model)
        detach_penalties(model)
        restore_loss(model)
        model.train_function = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Choose what is penalised, attach the penalty and print the plan."""
        student = student_of(self.model)
        regularization = self.regularization = Regularization(student, self.setting, self.layers, self.skip, self.seed)
        epochs, batches = self.params.get("epochs", 1), self.params.get("steps")
        self._clock = Clock(self.model, regularization.variables, epochs, batches)
        regularization.start(self.model, self._clock.total_steps)
        if self.verbose:
            print(regularization.describe())
            self._first = regularization.value()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note that an epoch begins."""
        clock, _ = self._running()
        clock.begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the strength for this step."""
        clock, regularization = self._running()
        regularization.update(clock.step())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """See to it that the penalty is part of the loss."""
        clock, regularization = self._running()
        clock.end_batch(batch)
        if not regularization.heard:
            self._finish()
            raise InputError(
                f"The train_step of {self.model.name!r} computes its loss without the penalty; "
                "add sum(self.losses) to it, or call self.compute_loss there."
            )

    def on_test_begin(self, logs: Any = None) -> None:
        """Leave the penalty out of the loss on validation data."""
        if self.regularization is not None:
            self.regularization.pause()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the penalty to `History`; learn the length of an epoch if the data did not say it."""
        clock, regularization = self._running()
        clock.end_epoch()
        if clock.total_steps is not None:
            regularization.resolve(clock.total_steps)
        regularization.pause()
        if logs is not None:
            logs["penalty"] = logs.get("penalty", 0.0) + regularization.value() * regularization.strength

    def on_train_end(self, logs: Any = None) -> None:
        """Take the penalty off."""
        _, regularization = self._running()
        self._finish()
        if self.verbose:
            print(f"tfprune: the penalty went from {self._first:.4g} to {regularization.value():.4g}")

    def _running(self) -> tuple[Clock, Regularization]:
        if self._clock is None or self.regularization is None:
            raise RuntimeError("RegularizeCallback is called outside a training; pass it to fit(callbacks=[…]).")
        return self._clock, self.regularization

    def _finish(self) -> None:
        _, regularization = self._running()
        regularization.finish(self.model)
        self.model.train_function = self.model.test_function = None  # the traced steps have the penalty in them

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; layers by name."""
        return {
            "penalty": penalties.serialize(self.setting.penalty),
            "strength": keras.saving.serialize_keras_object(self.strength)
            if callable(self.strength)
            else self.strength,
            "layers": stored_layers(self.layers),
            "skip": stored_layers(self.skip),
            "granularity": granularities.serialize(self.setting.granularity),
            "begin": self.setting.begin,
            "end": self.setting.end,
            "seed": self.seed,
            "verbose": self.verbose,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> RegularizeCallback:
        """Make a callback from `get_config()`'s result."""
        strength = config.get("strength")
        made = keras.saving.deserialize_keras_object(strength) if isinstance(strength, Mapping) else strength
        chosen = {name: restored_layers(config.get(name)) for name in ("layers", "skip")}
        return cls(**{**config, **chosen, "strength": made})
