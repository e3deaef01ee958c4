"""`GateCallback`: what to remove is learned with the loss, by gates, and decided so that a budget is met exactly."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfprune import granularity as granularities
from tfprune.callbacks.best import BestKeepers
from tfprune.callbacks.clock import Clock, optimizers_of
from tfprune.callbacks.guard import Guard
from tfprune.callbacks.last_word import PRUNE, running_list, speak_last
from tfprune.callbacks.stored import restored_layers, stored_layers
from tfprune.callbacks.student import student_of
from tfprune.cost import Budget
from tfprune.cost.budget import network_only
from tfprune.errors import InputError, nearest
from tfprune.files import atomic_path
from tfprune.gates import Gate, GateTraining, PenaltyTraining, gates
from tfprune.gates.decision import Decision
from tfprune.graph.choice import LayerChoice
from tfprune.numbers import is_real
from tfprune.penalties import Penalty, penalties
from tfprune.refit.unlabelled import Unlabelled
from tfprune.schedules import check_sparsity

__all__ = ["GateCallback"]

URGE = 30.0
"""The pressure of a budget that is exceeded by all of the network rises by so much until the gates are decided."""


@keras.saving.register_keras_serializable(package="tfprune")
class GateCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Learns with the loss what to remove, while `fit` trains a model.

    A gate stands before each channel, where other layers read it; what it hides is as good as cut. In each step gates
    are drawn with chance, and both the loss and the budget move them: what the network is expected to cost is pressed
    below a target that comes down from the whole cost. At `end` those are closed for good that have learned to be open
    least, so many that the budget is met exactly, and the rest of the training is for recovery. The model stays the
    object that it is: same class, same weights, same checkpoints; gates are gone when `fit` returns, and
    `tfprune.shrink(model)` takes out what they have closed.

    Args:
        budget: What the network may cost (`Budget(macs=0.5)`, also `params`, `bytes`, `latency`), or the fraction of
            channels, blocks or weights that close, in [0, 1).
        gate: `"hard_concrete"`, `"sigmoid"` (straight-through), `"gumbel"`, or a `tfprune.gates.Gate`; or a penalty in
            place of gates, as strong as the budget presses: `"group_lasso"`, `"slimming"`, `"hybrid"` on channels,
            `"l1"`, `"l2"`, `"hybrid"` on weights.
        granularity: What a gate opens: `"filter"`, `"head"`, `"layer"` (a residual block) or `"weight"`.
        layers: Only these layers (objects, types, names, paths).
        skip: None of these.
        ramp: Part of the training in which the target comes down to the budget.
        end: Part of the training after which the gates are decided, in (ramp, 1].
        learning_rate: Of the gates; they have an Adam of their own and no weight decay.
        refit: Samples without labels. When the gates are decided, the weights that are left make up for what is gone,
            in closed form; training goes on from there.
        state: A `.npz` file that keeps what the gates have learned, written at the end of each epoch, so that a
            training that is resumed (`tfprune.BackupAndRestore`) goes on with them; it is removed at the end.
        seed: Seed of the chance.
        verbose: 1 prints the plan and the result, 0 nothing.

    Raises:
        InputError: If an argument is not one of the allowed values; at once, or at the start of `fit` where it depends
            on the model: also if the budget can't be met.
        SparsityError: If the loss has no finite slope along the gates.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                           keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> x, y = keras.random.normal((64, 8)), keras.random.normal((64, 2))
        >>> gate = tfprune.callbacks.GateCallback(tfprune.Budget(macs=0.5), verbose=0)
        >>> history = model.fit(x, y, epochs=8, verbose=0, callbacks=[gate])
        >>> small = tfprune.shrink(model)
        >>> small.count_params() < model.count_params(), bool(np.allclose(small(x), model(x), atol=1e-5))
        (True, True)
    """

    def __init__(
        self,
        budget: Budget | float = 0.5,
        *,
        gate: Any = "hard_concrete",
        granularity: Any = "filter",
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
        ramp: float = 0.15,
        end: float = 0.75,
        learning_rate: float = 0.1,
        refit: Any = None,
        state: str | os.PathLike[str] | None = None,
        seed: int = 0,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        network_only(budget)
        if not isinstance(budget, Budget):
            check_sparsity(budget, "The fraction that closes")
        if not (is_real(ramp) and is_real(end) and 0.0 <= ramp < end <= 1.0):
            raise InputError(f"ramp is {ramp!r} and end {end!r}; give parts of the training, 0 ≤ ramp < end ≤ 1.")
        if not is_real(learning_rate) or learning_rate <= 0:
            raise InputError(f"learning_rate is {learning_rate!r}; give a number above 0.")
        if state is not None and Path(state).suffix != ".npz":
            raise InputError(f"What the gates have learned goes to a .npz file; {str(state)!r} was given.")
        self.budget, self.gate = budget, find_gate(gate)
        self.granularity = granularities.get(granularity)
        self.layers, self.skip = layers, skip
        self.ramp, self.end, self.learning_rate = float(ramp), float(end), float(learning_rate)
        self.refit, self.state = refit, state
        self.seed, self.verbose = seed, verbose
        self.training: Decision | None = None
        self._clock: Clock | None = None
        self._keepers = BestKeepers([])
        self._others: keras.callbacks.CallbackList | None = None
        self._guard = Guard(None, self._restore)
        self._first = True

    def set_model(self, model: keras.Model) -> None:
        """Have the steps traced anew, with gates, and ask for the last word at the end of training."""
        super().set_model(model)
        forget_steps(model)
        self._others = running_list()
        self._guard = Guard(self._others, self._restore)

    def on_train_begin(self, logs: Any = None) -> None:
        """Put up the gates and print the plan."""
        if self._others is not None:
            self._keepers = BestKeepers(self._others.callbacks)
            speak_last(self._others, self._finish, PRUNE)
        student = student_of(self.model)
        if self.refit is not None:
            Unlabelled(student, self.refit)  # refuses what does not fit before training begins
        training = self.training = self._make(student)
        variables = student.trainable_variables
        self._clock = Clock(self.model, variables, self.params.get("epochs", 1), self.params.get("steps"))
        training.start(self.model.distribute_strategy)
        self._first = True
        if self.verbose:
            behind = training.behind
            print(f"tfprune: {behind.count:,} gates before {behind.what} of {len(behind.names)} groups, {self.budget}")
            for skipped in behind.skipped:
                print(f"  no gates: {skipped.path} ({skipped.reason})")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keep early stopping from counting while gates are learning."""
        clock, training = self._running()
        clock.begin_epoch(epoch)
        if training.kept is None:
            self._keepers.hold()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Draw the gates, or decide them when it is time."""
        clock, training = self._running()
        if self._first:
            self._first = False
            self._go_on(clock, training)
        self._guard.watch(self.model)
        if training.kept is None and self._progress(clock) >= self.end:
            self._decide(training)
            self._keepers.start_over()
        training.draw()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the gates."""
        clock, training = self._running()
        clock.end_batch(batch)
        if clock.total_steps is not None:
            training.pressure.rate = URGE / max(self.end * clock.total_steps, 1)
        progress = self._progress(clock)
        training.learn(ramp=min(progress / self.ramp, 1.0) if self.ramp else 1.0, scale=loss_scale(self.model))
        if logs is not None:
            logs["gates_open"] = float(training.opening.mean())

    def on_test_begin(self, logs: Any = None) -> None:
        """Evaluate with gates as they are without chance."""
        if self.training is not None and self.training.started:
            self._guard.watch(self.model)
            self.training.settle()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report what the network is expected to cost; learn the length of an epoch; write what has been learned."""
        clock, training = self._running()
        clock.end_epoch()
        if logs is not None:
            logs["gates_open"] = float(training.opening.mean())
            logs.update({f"expected_{name}": value for name, value in training.expected().items()})
        if self.state is not None:
            Path(self.state).parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(Path(self.state)) as temporary, open(temporary, "wb") as file:
                np.savez(file, **training.state())

    def on_train_end(self, logs: Any = None) -> None:
        """Decide, if nobody is left to call us after the others."""
        if self._others is None:
            self._finish()

    def _make(self, student: keras.Model) -> Decision:
        options: dict[str, Any] = {
            "granularity": self.granularity, "layers": self.layers, "skip": self.skip, "seed": self.seed
        }  # fmt: skip
        if isinstance(self.gate, Penalty):
            return PenaltyTraining(student, self.budget, self.gate, trained=self.model, **options)
        return GateTraining(student, self.budget, gate=self.gate, learning_rate=self.learning_rate, **options)

    def _progress(self, clock: Clock) -> float:
        return 0.0 if clock.total_steps is None else clock.step() / clock.total_steps

    def _go_on(self, clock: Clock, training: Decision) -> None:
        if self.state is None or not Path(self.state).exists() or not clock.step():
            return  # a new training begins with new gates
        with np.load(self.state, allow_pickle=False) as arrays:
            training.restore(dict(arrays))

    def _decide(self, training: Decision) -> None:
        left = training.decide(self.refit)
        if not self.verbose or training.kept is None:
            return
        closed = int(np.count_nonzero(~training.kept))
        parts = ", ".join(f"{value:.1%} of {name}" for name, value in left.items() if name != "part")
        print(f"tfprune: {closed:,} of {len(training.kept):,} gates closed" + (f"; {parts} left" if parts else ""))
        if training.refitted is not None:
            print(training.refitted)

    def _finish(self) -> None:
        _, training = self._running()
        if not training.started:
            return
        if training.kept is None:
            self._decide(training)
        training.finish()
        self._restore()
        if self.state is not None:
            Path(self.state).unlink(missing_ok=True)

    def _restore(self) -> None:
        """Take the gates down, decided or not: the model computes as it is."""
        self._guard.rest()
        if self.training is not None and self.training.started:
            self.training.detach()
        forget_steps(self.model)
        self._others = None

    def _running(self) -> tuple[Clock, Decision]:
        if self._clock is None or self.training is None:
            raise RuntimeError("GateCallback is called outside a training; pass it to fit(callbacks=[…]).")
        return self._clock, self.training

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; layers by name, and data not at all."""
        budget = keras.saving.serialize_keras_object(self.budget) if isinstance(self.budget, Budget) else self.budget
        return {
            "budget": budget,
            "gate": keras.saving.serialize_keras_object(self.gate),
            "granularity": granularities.serialize(self.granularity),
            "layers": stored_layers(self.layers),
            "skip": stored_layers(self.skip),
            "ramp": self.ramp,
            "end": self.end,
            "learning_rate": self.learning_rate,
            "state": None if self.state is None else str(self.state),
            "seed": self.seed,
            "verbose": self.verbose,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> GateCallback:
        """Make a callback from `get_config()`'s result."""
        budget = config.get("budget")
        made = keras.saving.deserialize_keras_object(budget) if isinstance(budget, Mapping) else budget
        chosen = {name: restored_layers(config.get(name)) for name in ("layers", "skip")}
        return cls(**{**config, **chosen, "budget": made})


def find_gate(given: Any) -> Gate | Penalty:
    """Return a gate, or the penalty that takes its place.

    Raises:
        InputError: If it is neither.
    """
    if isinstance(given, Penalty) or (isinstance(given, str) and given in penalties.names):
        return penalties.get(given)
    if isinstance(given, Mapping):
        made = keras.saving.deserialize_keras_object(dict(given))
        if isinstance(made, Gate | Penalty):
            return made
    if isinstance(given, str) and given not in gates.names:
        names = [*gates.names, *penalties.names]
        raise InputError(f"Unknown gate {given!r}. {nearest(given, names)}")
    return gates.get(given)


def forget_steps(model: keras.Model) -> None:
    """Have a model's steps traced anew."""
    model.train_function = model.test_function = model.predict_function = None


def loss_scale(model: keras.Model) -> float:
    """Return what the loss is multiplied with while training, 1 without loss scaling."""
    for optimizer in (getattr(model, "optimizer", None), *optimizers_of(model)):
        scale = getattr(optimizer, "dynamic_scale", None)
        if scale is not None:
            return float(scale.numpy())
    return 1.0
