"""The mask engine: attaches masks to a model, moves them along a schedule, and makes the last one hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras

from tfprune import criteria, schedules
from tfprune import granularity as granularities
from tfprune import scope as scopes
from tfprune.backend import backend
from tfprune.cost import Budget
from tfprune.cost.budget import network_only
from tfprune.errors import InputError, SparsityError
from tfprune.granularity import Filter, Granularity
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.mask import MaskConstraint, attach, detach
from tfprune.pruning.masks import Rule
from tfprune.pruning.program import Settings
from tfprune.pruning.repair import Repair
from tfprune.pruning.sources import make_source
from tfprune.refit import Repaired
from tfprune.refit.unlabelled import Unlabelled
from tfprune.schedules import Schedule, StepSchedule, check_sparsity

__all__ = ["Pruner", "make_schedule"]

NEAR_THE_END = 0.01
"""A function is asked for the sparsity of the last step, which may be this far from that which it ends at."""


def make_schedule(
    schedule: Any, sparsity: float | None, granularity: Granularity, frequency: int | None = None
) -> Schedule:
    """Return the schedule that ends at `sparsity`, and refuse what can't be met.

    Args:
        schedule: A name, class, instance, config, pairs (sparsity, epoch) or callable.
        sparsity: Final sparsity; None for the schedule's own, else the granularity's default.
        granularity: The pattern.
        frequency: Steps between mask updates; None for the schedule's own.

    Raises:
        InputError: If the sparsity is not in [0, 1), differs from the schedule's or is above what the pattern allows.
    """
    most = granularity.max_sparsity
    if sparsity is not None and check_sparsity(sparsity) > most:
        raise InputError(
            f"The sparsity {sparsity} is above the {most:g} that {granularity} allows; give {most:g} or less."
        )
    if isinstance(schedule, str | type):
        wanted = granularity.default_sparsity if sparsity is None else sparsity
        if schedule in ("step", StepSchedule):
            raise InputError("A StepSchedule needs its milestones; give these as the schedule: [(0.5, 1), (0.8, 2)].")
        return schedules.get(schedule, final_sparsity=wanted, frequency=frequency)
    made = schedules.get(schedule, frequency=frequency)
    if frequency is not None and getattr(made, "frequency", frequency) != frequency:
        raise InputError(f"The schedule has frequency {made.frequency}, not {frequency}; give only one of them.")  # type: ignore[attr-defined]
    if isinstance(made, schedules.FunctionSchedule) and made.needs_length:
        return made  # its end is known, and checked, once the length of training is
    check_end(made, sparsity, granularity)
    return made


def check_end(schedule: Schedule, sparsity: float | None, granularity: Granularity) -> None:
    """Raise InputError if a schedule does not end where it should, or above what the pattern allows."""
    end, most = schedule.final_sparsity, granularity.max_sparsity
    near = NEAR_THE_END if isinstance(schedule, schedules.FunctionSchedule) else 0.0
    if sparsity is not None and abs(sparsity - end) > near:
        raise InputError(f"sparsity is {sparsity}, but the schedule ends at {end}; give only one of them.")
    if end > most:
        raise InputError(f"The schedule ends at {end}, above the {most:g} that {granularity} allows.")


class Pruner:
    """Prunes a model while something else trains it.

    `PruneCallback` drives a Pruner from `fit`. In a training loop of your own, call `start` before the loop, `update`
    before each step and `finish` after it. In between, the masks are constraints on the kernels, which every Keras
    optimizer applies inside its (compiled) step; where weights are updated by other means, call `apply` after it.

    Args:
        model: A built model; it stays the object that it is.
        sparsity: Final fraction of zeros in the pruned kernels (of channels or blocks that go), in [0, 1); None is the
            granularity's default, 0.8 for weights. For channels also a `Budget` of the network without them.
        schedule: Name, instance, pairs (sparsity, epoch) or callable; see `tfprune.schedules`.
        criterion: What makes a weight matter; see `tfprune.criteria`.
        granularity: What is removed as one: `"weight"`, a block such as `(1, 4)`, a pattern such as `"2:4"`, a whole
            `"filter"`, `"head"` or residual `"layer"`.
        scope: `"layer"` gives every kernel the same sparsity, `"global"` compares scores across kernels.
        layers: Layers to prune (objects, types, names, paths) instead of the default choice.
        skip: Layers to leave alone.
        per_layer: Sparsities of their own for some layers: `{"conv_1": 0.5}`.
        frequency: Steps between mask updates; None makes about 100 of them.
        data: Anything `fit` takes, for criteria that look at data; they do at each mask update.
        samples: How many samples of it are used at most.
        refit: Samples without labels. When the schedule reaches its end, the weights that are left make up for what the
            last masks took; see `tfprune.refit`.
        seed: Seed of criteria that draw random numbers.

    Attributes:
        targets: The kernels that are pruned.
        skipped: The weights that are not, with the reason.
        schedule: The schedule; in steps once the length of training is known.
        sparsity: Fraction of the targets' weights that the present masks remove.
        refitted: What the refit did; None before, and without one.

    Raises:
        InputError: If an argument is not one of the allowed values, or nothing can be pruned.
        SparsityError: If a kernel has weights that are not finite.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                           keras.layers.Dense(16), keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> pruner = Pruner(model, 0.5)
        >>> pruner.start(total_steps=20)
        >>> for step in range(20):
        ...     _ = pruner.update(step)
        ...     _ = model.train_on_batch(np.ones((4, 8)), np.ones((4, 2)))
        >>> pruner.finish()
        0.5
    """

    def __init__(
        self,
        model: keras.Model,
        sparsity: float | Budget | None = None,
        *,
        schedule: Any = "polynomial",
        criterion: Any = "magnitude",
        granularity: Any = "weight",
        scope: Any = "layer",
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
        per_layer: Mapping[keras.Layer | str, float] | None = None,
        frequency: int | None = None,
        data: Any = None,
        samples: int = 512,
        refit: Any = None,
        seed: int = 0,
    ) -> None:
        pattern = granularities.get(granularity)
        rule = Rule(criteria.get(criterion), pattern, scopes.get(scope), seed)
        network_only(sparsity)
        budget = sparsity if isinstance(sparsity, Budget) else None
        final = None if isinstance(sparsity, Budget) else sparsity
        self.schedule = make_schedule(schedule, final, pattern, frequency)
        self._final = final
        self.source = make_source(
            model, rule, layers=layers, skip=skip, per_layer=per_layer, budget=budget,
            data=data, samples=samples, training=True,
        )  # fmt: skip
        self.refit_data = refit
        self.refitted: Repaired | None = None
        if refit is not None:
            Unlabelled(model, refit)  # refuses what does not fit before training begins
        self.model, self.budget = model, budget
        self.targets = self.source.targets
        self.skipped = self.source.skipped
        self.sparsity = 0.0
        self._constraints: list[MaskConstraint] = []
        self._last_update: int | None = None
        self._first_step: int | None = None
        self._watch: Any = None
        self._wanted: float | None = None
        self._write: Callable[[Sequence[Any]], None] = self._write_masks
        self._holders: list[keras.optimizers.Optimizer] = []
        for target in self.targets:
            if target.sparsity is not None and target.sparsity > pattern.max_sparsity:
                raise InputError(f"The sparsity {target.sparsity} of {target.path} is above what {pattern} allows.")

    @property
    def watching(self) -> bool:
        """Whether each step is looked at, not only those at which masks are updated."""
        return self._watch is not None

    @property
    def started(self) -> bool:
        """Whether masks are attached."""
        return bool(self._constraints)

    def start(
        self,
        total_steps: int | None = None,
        steps_per_epoch: int | None = None,
        strategy: Any = None,
        optimizers: Iterable[keras.optimizers.Optimizer] | None = None,
    ) -> None:
        """Attach masks that keep everything.

        Call it before the train step is traced: a traced step keeps the constraints it was traced with. On JAX the
        masks are among the variables of the optimizers from then on, until `finish`, so that a stateless step gets and
        returns them with these.

        Args:
            total_steps: Optimizer updates in the training, for schedules in fractions; None if not known yet.
            steps_per_epoch: Updates in an epoch, for schedules in epochs.
            strategy: The `tf.distribute.Strategy` that the model was made under; None is the present one.
            optimizers: The built optimizers that train the kernels; None is the one that the model was compiled with.
        """
        if total_steps is not None:
            self.resolve(total_steps, steps_per_epoch)
        replicas = 1
        if backend() == "tensorflow":
            import tensorflow as tf

            strategy = strategy or tf.distribute.get_strategy()
            replicas = strategy.num_replicas_in_sync
        self._constraints = [attach(target.variable, strategy) for target in self.targets]
        self._last_update = self._first_step = self._wanted = None
        self._write = self._write_masks
        self.refitted = None
        self._watch = None
        if self.source.study is not None and "movement" in self.source.rule.criterion.asks():
            from tfprune.statistics.movement import Movements

            self._watch = Movements(self.source.study, [target.variable for target in self.targets])
        if backend() == "tensorflow" and replicas == 1:  # one call for all kernels instead of several for each
            self._write = tf.function(self._write_masks, autograph=False)
        if backend() == "jax":
            present = getattr(self.model, "optimizer", None)
            self._holders = [o for o in (optimizers or [present]) if o is not None]
            for optimizer in self._holders:
                optimizer._variables.extend(constraint.mask for constraint in self._constraints)

    def resolve(self, total_steps: int, steps_per_epoch: int | None = None) -> None:
        """Fill the length of training into the schedule.

        Raises:
            InputError: If a function turns out to end elsewhere than at the sparsity that was given, or above what the
                pattern allows.
        """
        schedule = self.schedule.resolve(total_steps, steps_per_epoch)
        if self.schedule.needs_length and isinstance(schedule, schedules.FunctionSchedule):
            check_end(schedule, self._final, self.source.rule.granularity)
        self.schedule = schedule

    def due(self, step: int) -> bool:
        """Whether masks are updated at a step (optimizer updates made so far)."""
        last = -1 if self._last_update is None else self._last_update
        return self.started and self.schedule.last_update(step, last) is not None

    def change(self, settings: Settings) -> None:
        """Go by other settings from the next update on.

        Args:
            settings: What changes.

        Raises:
            InputError: If a criterion can't be had here, or the pattern does not allow the sparsity.
        """
        rule = self.source.rule
        if settings.criterion is not None and settings.criterion != rule.criterion:
            rule = replace(rule, criterion=settings.criterion)
            if self.source.study is not None:
                channels = isinstance(rule.granularity, Filter)
                self.source.study.check(rule.criterion, channels=channels, training=True)
        if settings.scope is not None:
            rule = replace(rule, scope=settings.scope)
        self.source.rule = rule
        if settings.sparsity is not None:
            most = rule.granularity.max_sparsity
            if settings.sparsity > most:
                raise InputError(
                    f"The sparsity {settings.sparsity} is above the {most:g} that {rule.granularity} allows."
                )
            self._wanted = settings.sparsity

    def update(self, step: int) -> bool:
        """Compute new masks if some are due, and apply them.

        A mask depends on the weights, the schedule and the seed only. So a training that resumes from a checkpoint
        finds its masks again, from the zeros of the weights, at the first call. What may grow again has no masks to be
        found, only the next update.

        Args:
            step: Optimizer updates made so far.

        Returns:
            Whether there are new masks.

        Raises:
            SparsityError: If weights are not finite; the masks are taken off and the weights left as they are.
        """
        if self._watch is not None:
            self._watch.look()
        due = self.schedule.last_update(step, -1 if self._last_update is None else self._last_update)
        if due is None or not self.started:
            return False
        self._first_step = step if self._first_step is None else self._first_step
        last = self.schedule.end_step is not None and due >= self.schedule.end_step
        if self.source.soft and not last and due < self._first_step:  # made before the training was resumed
            self._last_update, self.sparsity = due, self.schedule(due)
            return False
        self._set_masks(self.schedule(due) if self._wanted is None else self._wanted, last=last)
        self._last_update = due
        return True

    def apply(self) -> None:
        """Set the removed weights to zero, for training loops that update weights without a Keras optimizer."""
        for target, constraint in zip(self.targets, self._constraints, strict=True):
            target.variable.assign(constraint.masked(target.variable))

    def mask_averages(self, optimizers: Iterable[keras.optimizers.Optimizer]) -> None:
        """Set the removed weights to zero in the moving averages that optimizers keep (`use_ema`)."""
        constraints = {id(t.variable): c for t, c in zip(self.targets, self._constraints, strict=True)}
        for optimizer in optimizers:
            averages = getattr(optimizer, "_model_variables_moving_average", [])
            for variable, average in zip(optimizer._trainable_variables, averages, strict=False):
                if average is not None and id(variable) in constraints:
                    average.assign(constraints[id(variable)].masked(average))

    def finish(self) -> float:
        """Make the final masks, whatever the weights are now, take the constraints off, and check that zeros hold.

        Returns:
            The sparsity of the pruned kernels, counted in the weights.

        Raises:
            SparsityError: If weights are not finite or fewer of them are zero than promised.
        """
        if not self.started:
            raise InputError("This Pruner has not been started; call start() before training.")
        self._set_masks(self.schedule.final_sparsity if self._wanted is None else self._wanted, last=True)
        promised = self.sparsity
        self.detach()
        measured = self.measure()
        if measured < promised - 1e-12:
            raise SparsityError(
                f"{promised:.4%} should be zero, but {measured:.4%} is. Something else writes to them; "
                "look for callbacks or constraints that assign weights."
            )
        return measured

    def detach(self) -> None:
        """Give every kernel its own constraint back; the weights stay as they are."""
        for target in self.targets:
            detach(target.variable)
        masks = {id(constraint.mask) for constraint in self._constraints}
        for optimizer in self._holders:
            optimizer._variables[:] = [variable for variable in optimizer._variables if id(variable) not in masks]
        self._constraints, self._holders = [], []

    def measure(self) -> float:
        """Return the fraction of zeros in the pruned kernels (of channels that carry nothing), counted now."""
        return self.source.measure()

    def measure_each(self) -> dict[str, float]:
        """Return the fraction of zeros in each pruned kernel (or group of channels), by path."""
        return {path: zeros / size for path, (zeros, size) in self.source.measure_each().items()}

    def holds(self) -> bool:
        """Whether every removed weight is zero now."""
        return all(c.holds(t.variable) for t, c in zip(self.targets, self._constraints, strict=True))

    def _set_masks(self, sparsity: float, *, last: bool) -> None:
        final = self.schedule.final_sparsity
        try:
            new = self.source.masks(sparsity, min(sparsity / final, 1.0) if final else 1.0, last=last)
        except Exception:
            self.detach()
            raise
        repair = None
        if last and self.refit_data is not None and self.refitted is None:
            repair = Repair(self.model, self.refit_data)
        self._write([keras.ops.convert_to_tensor(mask) for mask in new.masks])
        if not new.hold:
            self._release()
        self.sparsity = new.sparsity
        if repair is not None:
            self.refitted = repair.run()

    def _write_masks(self, masks: Sequence[Any]) -> None:
        for constraint, mask in zip(self._constraints, masks, strict=True):
            constraint.mask.assign(keras.ops.cast(mask, constraint.mask.dtype))
        self.apply()

    def _release(self) -> None:
        """Let the weights that have just been set to zero grow again."""
        for constraint in self._constraints:
            constraint.mask.assign(keras.ops.ones_like(constraint.mask.value))
