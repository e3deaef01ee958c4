"""`FactorizeCallback`: layers of lower and lower rank while a model is trained, factors at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from tfprune import schedules
from tfprune.callbacks.clock import Clock
from tfprune.callbacks.stored import restored_layers, stored_layers
from tfprune.callbacks.student import student_of
from tfprune.cost import Budget
from tfprune.cost.budget import network_only
from tfprune.errors import InputError
from tfprune.factorization import factorizations, plan_factorization
from tfprune.factorization.choices import find_forms
from tfprune.factorization.projection import Projection
from tfprune.factorization.ranks import check_rank
from tfprune.files import PathLike, write_atomically
from tfprune.graph.choice import LayerChoice
from tfprune.graph.tree import walk
from tfprune.numbers import is_integer, is_real
from tfprune.schedules.base import Ramp

__all__ = ["FactorizeCallback"]


@keras.saving.register_keras_serializable(package="tfprune")
class FactorizeCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Brings layers to lower and lower rank while a model is trained; `factorized` is the smaller model then.

    At `begin` forms and ranks are chosen, on `data` if there are any. From there to `end` the ranks fall from full to
    these: every `frequency` steps each kernel is set to the nearest one of the rank of that moment, and from `end` on
    of the last. The model keeps its layers and its optimizer, momenta included, so that checkpoints and all other
    callbacks go on as before. When `fit` is over, its kernels have the ranks exactly, and `factorized()` writes them as
    factors: a plain, smaller model that computes the same.

    Args:
        budget: What the network may cost in the end, such as `Budget(macs=0.5)`; or give `rank` or `energy`.
        form: The form or forms to choose from; see `tfprune.plan_factorization`.
        rank: The rank of every layer: a number, a fraction of the full rank, or `"vbmf"`.
        energy: The part of the squared singular values that every layer keeps.
        data: Samples without labels on which forms and ranks are chosen: anything `fit` takes.
        samples: How many of them are used at most.
        layers: Only these layers (objects, types, names, paths).
        skip: None of these.
        begin: Part of the training after which it begins, in [0, 1).
        end: Part of the training at which the last rank is reached, in (begin, 1].
        schedule: The shape of their fall in between: `"cosine"`, `"polynomial"`, `"exponential"`, or a schedule of
            `tfprune.schedules` that goes from one value to another; of its moments and values nothing is used.
        frequency: Steps from one time to the next.
        state: File (.json) for the forms and ranks that were chosen, which `BackupAndRestore` knows nothing of: a
            training that is resumed goes on with them, instead of choosing anew from kernels of lower rank. Removed at
            the end.
        seed: Seed of the choice of rows that layers are seen with.
        verbose: 1 prints the plan, 0 nothing.

    Raises:
        InputError: If an argument is not one of the allowed values.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.Conv2D(16, 3), keras.layers.Flatten(),
        ...                           keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> x, y = np.ones((32, 8, 8, 4)), np.ones((32, 2))
        >>> factorize = tfprune.callbacks.FactorizeCallback(rank=0.25, verbose=0)
        >>> history = model.fit(x, y, epochs=4, verbose=0, callbacks=[factorize])
        >>> small = factorize.factorized()
        >>> small.count_params() < model.count_params(), bool(np.allclose(small(x), model(x), atol=1e-4))
        (True, True)
    """

    def __init__(
        self,
        budget: Budget | None = None,
        *,
        form: Any = None,
        rank: Any = None,
        energy: float | None = None,
        data: Any = None,
        samples: int = 1024,
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
        begin: float = 0.2,
        end: float = 0.8,
        schedule: Any = "cosine",
        frequency: int = 50,
        state: PathLike | None = None,
        seed: int = 0,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        network_only(budget)
        if budget is None:
            check_rank(rank, energy)
        elif rank is not None or energy is not None:
            raise InputError("A budget chooses the ranks; give either a budget, or rank or energy.")
        if not (is_real(begin) and is_real(end) and 0.0 <= begin < end <= 1.0):
            raise InputError(f"begin is {begin!r} and end {end!r}; give parts of the training, 0 ≤ begin < end ≤ 1.")
        if not is_integer(frequency) or frequency < 1:
            raise InputError(f"frequency is {frequency!r}; give a number of steps from 1.")
        self.budget, self.forms = budget, find_forms(form)
        self.rank, self.energy = rank, energy
        self.data, self.samples = data, samples
        self.layers, self.skip = layers, skip
        self.begin, self.end = float(begin), float(end)
        shape = schedules.get(schedule)
        if not isinstance(shape, Ramp):
            raise InputError(f"schedule is {schedule!r}; give one that goes from one value to another, as 'cosine'.")
        self.schedule = shape
        if state is not None and Path(state).suffix != ".json":
            raise InputError(f"The forms and ranks go to a .json file; {str(state)!r} was given.")
        self.frequency, self.state = frequency, state
        self.seed, self.verbose = seed, verbose
        self.projection: Projection | None = None
        self._clock: Clock | None = None
        self._done, self._first, self._resumed = -1, True, False

    def on_train_begin(self, logs: Any = None) -> None:
        """Plan once, so that what can't be done is said before any training."""
        self.projection, self._done, self._first, self._resumed = None, -1, True, False
        student = student_of(self.model)
        self._plan(student, None)
        epochs, batches = self.params.get("epochs", 1), self.params.get("steps")
        self._clock = Clock(self.model, student.trainable_variables, epochs, batches)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note that an epoch begins."""
        self._running().begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Look whether this training was begun before, as a backup is read by now."""
        clock = self._running()
        if self._first:
            self._first, self._resumed = False, clock.step() > 0
            begun = clock.total_steps is not None and clock.step() >= self.begin * clock.total_steps
            self._done = clock.step() // self.frequency if self._resumed and begun else -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Project, if it is time."""
        clock = self._running()
        clock.end_batch(batch)
        total = clock.total_steps
        if total is None:
            return
        step = clock.step()
        first, last = self.begin * total, max(self.end * total, self.begin * total + 1)
        if step < first or step // self.frequency == self._done:
            return
        self._done = step // self.frequency
        if self.projection is None:
            self.projection = self._chosen(student_of(self.model))
            if self.verbose:
                print(self.projection.plan)
        self.projection.apply(self.progress(step, first, last))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Learn the length of an epoch if the data did not say it."""
        self._running().end_epoch()

    def on_train_end(self, logs: Any = None) -> None:
        """Bring every kernel to its last rank exactly."""
        if self.projection is None:
            self.projection = self._chosen(student_of(self.model))
        self.projection.apply(1.0)
        if self.state is not None:
            Path(self.state).unlink(missing_ok=True)

    def progress(self, step: float, first: float, last: float) -> float:
        """Return how far the ranks have fallen at a step, in [0, 1]."""
        if step >= last:
            return 1.0
        return self.schedule.covered((step - first) / (last - first))

    def factorized(self, *, optimizer: bool = False) -> keras.Model:
        """Return the smaller model after `fit`; it computes what the trained one does.

        Args:
            optimizer: Whether its optimizer remembers what the trained model's did of the weights that stay.

        Raises:
            InputError: If nothing has been trained yet.
        """
        if self.projection is None:
            raise InputError("Nothing is factorised yet; pass this callback to fit(callbacks=[…]) first.")
        return self.projection.exact().apply(optimizer=optimizer)

    def _chosen(self, model: keras.Model) -> Projection:
        """Choose forms and ranks, and note them; or take those that were chosen before training was interrupted."""
        if self.state is None:
            return self._plan(model, self.data)
        path = Path(self.state)
        if self._resumed and path.exists():
            return Projection(plan_factorization(model, per_layer=read_choices(path, model)))
        projection = self._plan(model, self.data)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_choices(path, projection)
        return projection

    def _plan(self, model: keras.Model, data: Any) -> Projection:
        plan = plan_factorization(
            model, self.budget, form=self.forms, rank=self.rank, energy=self.energy, data=data,
            samples=self.samples, layers=self.layers, skip=self.skip, seed=self.seed,
        )  # fmt: skip
        return Projection(plan)

    def _running(self) -> Clock:
        if self._clock is None:
            raise RuntimeError("FactorizeCallback is called outside a training; pass it to fit(callbacks=[…]).")
        return self._clock

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, layers by name; data are not among them."""
        return {
            "budget": None if self.budget is None else keras.saving.serialize_keras_object(self.budget),
            "form": None if self.forms is None else [factorizations.serialize(form) for form in self.forms],
            "rank": self.rank,
            "energy": self.energy,
            "samples": self.samples,
            "layers": stored_layers(self.layers),
            "skip": stored_layers(self.skip),
            "begin": self.begin,
            "end": self.end,
            "schedule": schedules.serialize(self.schedule),
            "frequency": self.frequency,
            "state": None if self.state is None else str(self.state),
            "seed": self.seed,
            "verbose": self.verbose,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FactorizeCallback:
        """Make a callback from `get_config()`'s result."""
        budget = config.get("budget")
        made = keras.saving.deserialize_keras_object(budget) if isinstance(budget, Mapping) else budget
        chosen = {name: restored_layers(config.get(name)) for name in ("layers", "skip")}
        return cls(**{**config, **chosen, "budget": made})


def write_choices(path: Path, projection: Projection) -> None:
    """Write which layers, by their places in the model, get which form and ranks."""
    places = {id(layer): place for place, (_, layer) in enumerate(walk(projection.plan.graph.model))}
    chosen = [
        {
            "layer": places[id(one.candidate.layer)], "form": factorizations.serialize(one.option.form),
            "ranks": one.option.ranks,
        }
        for one in projection.plan.factorized
        if one.option is not None
    ]  # fmt: skip
    write_atomically(path, json.dumps(chosen))


def read_choices(path: Path, model: keras.Model) -> dict[Any, Any]:
    """Return the forms and ranks that were written, by layer.

    Raises:
        InputError: If the file is damaged, or of another model.
    """
    layers = [layer for _, layer in walk(model)]
    try:
        return {
            layers[one["layer"]]: (factorizations.deserialize(one["form"]), tuple(int(rank) for rank in one["ranks"]))
            for one in json.loads(path.read_text(encoding="utf-8"))
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path} has no forms and ranks of this model ({error}); delete it to choose anew.") from error
