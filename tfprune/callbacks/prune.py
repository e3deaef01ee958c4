"""The plug-in: `model.fit(..., callbacks=[PruneCallback()])`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune import criteria, schedules
from tfprune import granularity as granularities
from tfprune import scope as scopes
from tfprune.arguments import named_arguments
from tfprune.backend import need_tensorflow, settle, state_has_grown
from tfprune.callbacks.best import BestKeepers
from tfprune.callbacks.clock import Clock, optimizers_of
from tfprune.callbacks.last_word import PRUNE, running_list, speak_last
from tfprune.callbacks.stored import restored_layers, restored_target, stored_layer, stored_layers, stored_target
from tfprune.callbacks.student import student_of
from tfprune.cost import Budget
from tfprune.cost.budget import network_only
from tfprune.errors import InputError
from tfprune.granularity import Depth, Filter, Granularity
from tfprune.graph.choice import LayerChoice
from tfprune.numbers import is_integer
from tfprune.pruning.for_target import advise
from tfprune.pruning.plan import describe
from tfprune.pruning.program import Program, read_settings
from tfprune.pruning.pruner import Pruner, make_schedule
from tfprune.targets import Target, find_target

__all__ = ["PruneCallback"]


@keras.saving.register_keras_serializable(package="tfprune")
class PruneCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Prunes a model while `fit` trains it.

    The model stays the object that it is: same class, same layers, same checkpoints. Masks are constraints on the
    kernels, so they hold after every step; they are gone when `fit` returns, and the zeros stay.

    By default 80 % of the weights in each kernel go, from 5 % at the first step along a cubic curve that ends after
    three quarters of the training; the last quarter is for recovery. The first and the last layers, depthwise kernels,
    normalisations and biases are left alone. What is pruned and what is not, and why, is printed once.

    `EarlyStopping`, `ModelCheckpoint(save_best_only=True)` and keras-tuner compare only epochs that have the final
    sparsity. `fit` ends with exactly that sparsity, whatever other callbacks do to the weights, or it raises.

    Args:
        sparsity: Final fraction of zeros in the pruned kernels (of channels or blocks that go), in [0, 1); None is 0.8,
            what an N:M pattern has, 0.5 of the channels, 0.25 of the blocks. For channels also a `tfprune.Budget`.
        schedule: How sparsity moves over training: `"polynomial"`, `"linear"`, `"constant"`, `"cosine"`,
            `"exponential"`, a schedule of `tfprune.schedules`, pairs (sparsity, epoch) such as `[(0.5, 1), (0.8, 2)]`,
            or any callable from the step to the sparsity.
        criterion: What makes a weight matter: `"magnitude"`, `"taylor"`, `"fisher"`, `"movement"`, … or a
            `tfprune.criteria.Criterion`.
        granularity: What goes as one: `"weight"` (the default without a target), a block (outputs, inputs) such as
            `(1, 4)`, a pattern such as `"2:4"`, a `"filter"` or attention `"head"` with all that goes with it, or a
            residual `"layer"`; what is whole, `tfprune.shrink(model)` takes out afterwards.
        target: The device that it is for, such as `"android-cpu"`: what pays there is pruned, single weights of the
            layers whose zeros its runtime skips, blocks of Dense layers, or else filters in multiples that suit it. The
            printed plan says what was chosen, and why.
        scope: `"layer"` gives every kernel the same sparsity, `"global"` compares scores across kernels.
        layers: Layers to prune (objects, types, names, paths) instead of the default choice.
        skip: Layers to leave alone, chosen likewise.
        per_layer: Sparsities of their own for some layers: `{"conv_1": 0.5}`; of channels also how many to keep, as an
            int.
        frequency: Optimizer updates between mask updates; None makes about 100 of them over the schedule.
        data: Anything `fit` takes, for criteria that look at data, as `"taylor"` does at each mask update.
        samples: How many samples of it are used at most.
        refit: Samples without labels. When the schedule reaches its end, the weights that are left make up for what the
            last masks took, in closed form; training goes on from there.
        program: Called as `program(step, metrics)` before each mask update, with the latest metrics (`"loss"`,
            `"val_loss"` from the second epoch on, …, and `"progress"`, the part of the training that is over); it may
            return a dict with `"sparsity"`, `"criterion"` or `"scope"`, which hold from then on, or None. Training ends
            at the last sparsity that it asked for.
        seed: Seed of criteria that draw random numbers.
        log_dir: Folder for TensorBoard summaries of each kernel's sparsity, written at the end of each epoch.
        verbose: 1 prints the plan and the result, 0 nothing.

    Raises:
        InputError: If an argument is not one of the allowed values; at once, or at the start of `fit` where it depends
            on the model.
        SparsityError: If weights become NaN or infinite, or something writes over the zeros.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                           keras.layers.Dense(16), keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> x, y = keras.random.normal((64, 8)), keras.random.normal((64, 2))
        >>> history = model.fit(x, y, epochs=4, verbose=0, callbacks=[PruneCallback(0.5, verbose=0)])
        >>> history.history["sparsity"][-1]
        0.5
    """

    @named_arguments(
        amount="the first argument is the sparsity",
        final_sparsity="the first argument is the sparsity at the end",
        target_sparsity="the first argument is the sparsity at the end",
        pruning_schedule="give schedule=[(0.5, 1), (0.8, 2)] or another one",
        block_size="give granularity=(1, 4), a block of (outputs, inputs)",
        sparsity_m_by_n="give granularity='2:4', at most 2 of 4 kept",
    )
    def __init__(
        self,
        sparsity: float | Budget | None = None,
        *,
        schedule: Any = "polynomial",
        criterion: Any = "magnitude",
        granularity: Any = None,
        target: str | Target | None = None,
        scope: Any = "layer",
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
        per_layer: Mapping[keras.Layer | str, float] | None = None,
        frequency: int | None = None,
        data: Any = None,
        samples: int = 512,
        refit: Any = None,
        program: Program | None = None,
        seed: int = 0,
        log_dir: str | None = None,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        network_only(sparsity)
        self.target = None if target is None else find_target(target)
        self._asked = {"sparsity": sparsity, "schedule": schedule, "granularity": granularity, "layers": layers}
        self._frequency = frequency
        self._settle(granularities.get("weight" if granularity is None else granularity), sparsity, layers)
        self.criterion = criteria.get(criterion)
        self.scope = scopes.get(scope)
        for name, value in (per_layer or {}).items():
            if isinstance(self.granularity, Filter) and is_integer(value):
                continue  # a number of channels to keep
            schedules.check_sparsity(value, f"The sparsity of {getattr(name, 'name', name)!r}")
        self.skip, self.per_layer = skip, per_layer
        self.data, self.samples, self.refit = data, samples, refit
        if program is not None and not callable(program):
            raise InputError(f"program is {program!r}; give a callable of the step and the metrics.")
        self.program = program
        if log_dir is not None:
            need_tensorflow("TensorBoard's log_dir")
        self.seed, self.log_dir, self.verbose = seed, log_dir, verbose
        self.pruner: Pruner | None = None
        self._others: keras.callbacks.CallbackList | None = None
        self._start_clean()

    def _settle(self, granularity: Granularity, sparsity: float | Budget | None, layers: Any) -> None:
        """Set what is pruned and how far it goes; with a target that is known once the model is."""
        self.granularity, self.layers = granularity, layers
        self.budget = sparsity if isinstance(sparsity, Budget) else None
        final = None if isinstance(sparsity, Budget) else sparsity
        self.schedule = make_schedule(self._asked["schedule"], final, granularity, self._frequency)
        if self.budget is not None and not isinstance(granularity, Filter) and self.target is None:
            raise InputError(f'{self.budget} needs granularity="filter" or "head"; give a sparsity for other ones.')

    def _take_advice(self, model: keras.Model) -> tuple[str, ...]:
        """Choose what pays on the target, if there is one; return the reasons."""
        if self.target is None:
            return ()
        asked = {name: self._asked[name] for name in ("granularity", "sparsity", "layers")}
        advice = advise(model, self.target, **asked)
        self._settle(advice.granularity, advice.sparsity, advice.layers)
        return advice.reasons

    def _start_clean(self) -> None:
        self._clock: Clock | None = None
        self._keepers = BestKeepers([])
        self._reached = self._checked = self._apply_ourselves = False
        self._writer: Any = None
        self._metrics: dict[str, float] = {}

    def set_model(self, model: keras.Model) -> None:
        """Have the train step traced anew, with the masks, and ask for the last word at the end of training."""
        super().set_model(model)
        model.train_function = None
        self._others = running_list()

    def on_train_begin(self, logs: Any = None) -> None:
        """Choose the kernels, attach the masks and print the plan."""
        self._start_clean()
        if self._others is not None:
            self._keepers = BestKeepers(self._others.callbacks)
            speak_last(self._others, self._finish, PRUNE)
        student = student_of(self.model)
        reasons = self._take_advice(student)
        self.pruner = Pruner(
            student,
            self.budget,
            schedule=self.schedule,
            criterion=self.criterion,
            granularity=self.granularity,
            scope=self.scope,
            layers=self.layers,
            skip=self.skip,
            per_layer=self.per_layer,
            data=self.data,
            samples=self.samples,
            refit=self.refit,
            seed=self.seed,
        )
        variables = [target.variable for target in self.pruner.targets]
        self._clock = Clock(self.model, variables, self.params.get("epochs", 1), self.params.get("steps"))
        strategy = getattr(self.model, "distribute_strategy", None)
        self.pruner.start(strategy=strategy, optimizers=optimizers_of(self.model))
        state_has_grown(self.model)
        self._resolve()
        if self.verbose:
            print(describe(self.pruner, self._clock.total_steps))
            for reason in reasons:
                print(f"  {self.target.name if self.target else ''}: {reason}")
            if self._keepers:
                print(f"  {self._keepers}: compare only epochs that have the final sparsity")
        if self.log_dir is not None:
            from tensorflow import summary

            self._writer = summary.create_file_writer(str(self.log_dir))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keep early stopping from counting while the sparsity still rises."""
        clock, _ = self._running()
        clock.begin_epoch(epoch)
        if not self._reached:
            self._keepers.hold()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Compute new masks where the schedule has some due."""
        clock, pruner = self._running()
        if pruner.schedule.needs_length:
            return
        step = clock.step()
        if pruner.due(step) or pruner.watching:
            settle(self.model)
        if self.program is not None and pruner.due(step):
            over = step / clock.total_steps if clock.total_steps else 0.0
            pruner.change(read_settings(self.program(step, {**self._metrics, "progress": over})))
        pruner.update(step)
        end = pruner.schedule.end_step
        if not self._reached and end is not None and step >= end:
            self._reached, self._checked = True, False
            self._keepers.start_over()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report the sparsity; see to it that masks hold where no Keras optimizer applies them."""
        clock, pruner = self._running()
        clock.end_batch(batch)
        if not self._checked and pruner.sparsity:
            self._check_constraints_work()
        if self._apply_ourselves:
            settle(self.model)
            pruner.apply()
        if clock.epoch_is_over:
            settle(self.model)
            pruner.mask_averages(optimizers_of(self.model))
        if logs is not None:
            logs["sparsity"] = pruner.sparsity
            self._note(logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Mask moving averages too, before `SwapEMAWeights` evaluates them."""
        if self.pruner is not None and self.pruner.started:
            self.pruner.mask_averages(optimizers_of(self.model))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the sparsity to `History` and TensorBoard; learn the length of an epoch if the data did not say it."""
        clock, pruner = self._running()
        clock.end_epoch()
        self._resolve()
        self._check_constraints_work()
        pruner.mask_averages(optimizers_of(self.model))
        if logs is not None:
            logs["sparsity"] = pruner.sparsity
            self._note(logs)
        if self._writer is not None:
            from tensorflow import summary

            with self._writer.as_default(step=epoch):
                summary.scalar("sparsity", pruner.sparsity)
                for path, sparsity in pruner.measure_each().items():
                    summary.scalar(f"sparsity/{path}", sparsity)

    def on_train_end(self, logs: Any = None) -> None:
        """Make the final masks hold, if nobody is left to call us after the others."""
        if self._others is None:
            self._finish()

    def _note(self, logs: Mapping[str, Any]) -> None:
        if self.program is not None:
            self._metrics.update({name: float(value) for name, value in logs.items()})

    def _running(self) -> tuple[Clock, Pruner]:
        if self._clock is None or self.pruner is None:
            raise RuntimeError("PruneCallback is called outside a training; pass it to fit(callbacks=[…]).")
        return self._clock, self.pruner

    def _resolve(self) -> None:
        clock, pruner = self._running()
        if not pruner.schedule.needs_length or clock.total_steps is None:
            return
        pruner.resolve(clock.total_steps, clock.steps_per_epoch)

    def _check_constraints_work(self) -> None:
        """Apply the masks ourselves from now on if the zeros did not survive a step."""
        _, pruner = self._running()
        self._checked = True
        settle(self.model)
        if pruner.sparsity and not pruner.holds():
            self._apply_ourselves = True
            pruner.apply()

    def _finish(self) -> None:
        _, pruner = self._running()
        if not pruner.started:
            return
        before = pruner.measure()
        self.model.train_function = None  # the traced step has the masks in it
        sparsity = pruner.finish()
        self._others = None
        if self._writer is not None:
            self._writer.close()
        if sparsity > before + 0.01:
            warnings.warn(
                f"Training ended at {before:.1%} sparsity, before the end of its schedule; the way to {sparsity:.1%} "
                "went in one step with no training after it. Train longer, or end the schedule earlier.",
                stacklevel=2,
            )
        if self.verbose and pruner.refitted is not None:
            print(pruner.refitted)
        if self.verbose:
            counts = pruner.source.measure_each().values()
            names = {Filter: "channels", Depth: "residual blocks"}
            what = next((word for kind, word in names.items() if isinstance(self.granularity, kind)), "weights")
            print(f"tfprune: {sparsity:.2%} of {sum(size for _, size in counts):,} {what} are zero")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; layers by name, and neither data nor the program."""
        asked, sparsity = self._asked, self._asked["sparsity"]
        granularity = asked["granularity"]
        schedule: Any = schedules.serialize(self.schedule)
        frequency = None
        if isinstance(sparsity, Budget):
            sparsity = keras.saving.serialize_keras_object(sparsity)
        elif self.target is None:
            sparsity = None  # the schedule has it
        if self.target is not None and isinstance(asked["schedule"], str | type):  # made anew once the model is known
            names: dict[Any, str] = {kind: name for name, kind in schedules.schedules._classes.items()}
            schedule, frequency = names.get(asked["schedule"], asked["schedule"]), self._frequency
        return {
            "sparsity": sparsity,
            "schedule": schedule,
            "frequency": frequency,
            "criterion": criteria.serialize(self.criterion),
            "granularity": None if granularity is None else granularities.serialize(granularities.get(granularity)),
            "target": stored_target(self.target),
            "scope": scopes.serialize(self.scope),
            "layers": stored_layers(asked["layers"]),
            "skip": stored_layers(self.skip),
            "per_layer": {stored_layer(choice): value for choice, value in (self.per_layer or {}).items()} or None,
            "samples": self.samples,
            "seed": self.seed,
            "log_dir": self.log_dir,
            "verbose": self.verbose,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PruneCallback:
        """Make a callback from `get_config()`'s result."""
        budget = config.get("sparsity")
        made = keras.saving.deserialize_keras_object(budget) if isinstance(budget, Mapping) else budget
        chosen = {name: restored_layers(config.get(name)) for name in ("layers", "skip")}
        return cls(**{**config, **chosen, "sparsity": made, "target": restored_target(config.get("target"))})
