"""What the stages of a recipe work on: a model, data, and a folder."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfprune.callbacks import BackupAndRestore
from tfprune.cost import CostModel
from tfprune.distillation import Distiller
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.graph.choice import inside
from tfprune.graph.tree import walk
from tfprune.inputs import gather, signature_of
from tfprune.inputs.samples import first_batch
from tfprune.recipe.rates import Rate
from tfprune.report.compressed import COSTS, metric_of
from tfprune.report.judged import looks_better

__all__ = ["Measured", "Work"]

CALIBRATION = 256
SMALL = 0.1
"""What a trained network is trained on with, of the rate that it was compiled with."""

Measured = dict[str, float]
Schedule = keras.optimizers.schedules.LearningRateSchedule


class Work:
    """A model on its way through a recipe.

    Args:
        model: The model, compiled with a loss and metrics.
        dense: The network as it was, which teaches and is compared with.
        train: Training data, anything `fit` takes in one argument or as `(x, y)`.
        val: Data to measure on, likewise.
        folder: Where files go.
        seed: Seed of everything that draws random numbers.
        batch_size: Samples in a batch, where data are arrays.
        metric: What the floor is about; None is the first accuracy, else the first metric, else the loss.
        floor: Part of the dense network's metric that the result has to keep; None asks for nothing.
        tell: Gets each line of the log.
        verbose: 1 shows Keras' progress bars, or a line for each epoch where output goes to a file.
    """

    def __init__(
        self,
        model: keras.Model,
        dense: keras.Model,
        train: Any,
        val: Any,
        folder: Path,
        *,
        seed: int,
        batch_size: int,
        metric: str | None,
        floor: float | None,
        tell: Callable[[str], None],
        verbose: int,
    ) -> None:
        self.model, self.dense = model, dense
        self.train, self.val, self.folder = train, val, folder
        self.seed, self.batch_size = seed, batch_size
        self.verbose = verbose if sys.stdout.isatty() else 2 * min(verbose, 1)
        self.metric, self.floor = metric, floor
        self.log = tell
        self.exported: dict[str, Any] = {}
        self.watchers: list[keras.callbacks.Callback] = []
        self.above: Callable[[], keras.Model | None] = lambda: None
        config = model.get_compile_config() if getattr(model, "compiled", False) else None
        if not config or not config.get("loss"):
            raise InputError(f"{model.name!r} is not compiled; compile it with a loss and metrics first.")
        self._compilation = compilation_of(model)
        self._rate = rate_of(model.optimizer)

    def compile(self, model: keras.Model, rate: float | None = None) -> None:
        """Compile a model as the dense one was: a fresh optimizer of the same kind, loss and metrics.

        Args:
            model: The model.
            rate: The learning rate; None is that of the dense one.
        """
        compile_again(model, self._compilation, self._rate if rate is None else rate)

    def fit(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        *,
        epochs: int,
        learning_rate: float | None = None,
        decay: str = "cosine",
        freeze: Sequence[str] = (),
        distil: Sequence[str] = (),
        teacher_weight: float = 1.0,
    ) -> None:
        """Train the model; a training that crashed goes on where it was saved.

        Args:
            callbacks: What does the stage's work.
            epochs: How many epochs.
            learning_rate: The first learning rate; None takes a tenth of the dense network's.
            decay: How it goes on: `"cosine"` or `"constant"`.
            freeze: Names of layers that are not trained.
            distil: Distillation losses by which the dense network teaches along.
            teacher_weight: Weight of these.
        """
        frozen = self._freeze(freeze)
        rate = SMALL * self._rate if learning_rate is None else learning_rate
        try:
            trained = self.model
            if distil:
                trained = Distiller(self.model, self.dense, list(distil), teacher_weight=teacher_weight, seed=self.seed)
            self.compile(trained, rate)
            x, more = unpacked(self.train)
            if all(hasattr(one, "shape") for one in keras.tree.flatten(x)):
                more["batch_size"] = self.batch_size
            else:
                more["shuffle"] = False
            backup = BackupAndRestore(str(self.folder / "backup"))
            trained.fit(
                x, epochs=epochs, verbose=self.verbose, validation_data=self.val,
                callbacks=[backup, *callbacks, Rate(rate, decay), *self.watchers], **more,
            )  # fmt: skip
        finally:
            for layer, before in frozen:  # parents first, which set what is in them too
                layer.trainable = before
        self.compile(self.model)

    def measure(self, model: keras.Model | None = None) -> Measured:
        """Return what a model reaches on the validation data and what it costs, by name."""
        model = self.model if model is None else model
        self.compile(model)
        x, more = unpacked(self.val)
        found = model.evaluate(x, verbose=0, return_dict=True, **more)
        cost = CostModel(trace(model)).whole
        zeros = sum(int(np.sum(np.asarray(w.numpy()) == 0)) for w in model.trainable_weights)
        return {
            **{name: float(value) for name, value in found.items()},
            "parameters": cost.parameters, "macs": cost.macs, "bytes": cost.bytes, "zeros": zeros,
        }  # fmt: skip

    def score(self, measured: Measured) -> tuple[str, float, bool]:
        """Return the metric that counts: its name, its value, and whether more is better.

        Raises:
            InputError: If the model has no metric of that name.
        """
        names = [name for name in measured if name not in COSTS]
        if self.metric is not None and self.metric not in names:
            raise InputError(f"The metric {self.metric!r} is not among {', '.join(names)}; give one of these.")
        name = self.metric or metric_of(measured)
        return name, measured[name], looks_better(name)

    def keeps(self, measured: Measured, whole: Measured) -> bool:
        """Whether a model is above the floor."""
        if self.floor is None:
            return True
        (_, value, more), (_, wanted, _) = self.score(measured), self.score(whole)
        return value >= self.floor * wanted if more else value * self.floor <= wanted

    def settle(self) -> None:
        """Go back to the last model above the floor, if this one is below it."""
        better = self.above()
        if better is not None:
            self.model = better

    def inputs(self) -> Any:
        """Return some training inputs, to calibrate with."""
        signature = signature_of(self.dense, batch_size=None, sample=first_batch(self.train))
        return signature.pack(gather(self.train, signature, CALIBRATION, "train"))

    def _freeze(self, names: Sequence[str]) -> list[tuple[keras.Layer, bool]]:
        """Freeze layers; return each with whether it was trained before."""
        if not names:
            return []
        chosen = inside(dict(walk(self.model)), names)
        frozen = [(layer, layer.trainable) for _, layer in walk(self.model) if id(layer) in chosen]
        for layer, _ in frozen:
            layer.trainable = False
        return frozen


def compilation_of(model: keras.Model) -> dict[str, Any]:
    """Return what a model is compiled with, in plain values."""
    return {**model.get_compile_config(), "optimizer": keras.saving.serialize_keras_object(model.optimizer)}


def compile_again(model: keras.Model, compilation: Mapping[str, Any], rate: float) -> None:
    """Compile a model as another one was, with a fresh optimizer of a constant learning rate.

    Args:
        model: The model.
        compilation: What `compilation_of` returned.
        rate: The learning rate; a number also where a schedule was.
    """
    config = copy.deepcopy(dict(compilation))
    settings = config["optimizer"]["config"]
    while isinstance(settings.get("inner_optimizer"), dict):  # loss scaling wraps the real one
        settings = settings["inner_optimizer"]["config"]
    settings["learning_rate"] = rate
    model.compile_from_config(config)


def rate_of(optimizer: keras.optimizers.Optimizer) -> float:
    """Return the learning rate of an optimizer; of a schedule the larger of its first value and the last."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    now = float(np.asarray(inner.learning_rate))
    schedule = inner._learning_rate
    return max(now, float(schedule(0))) if isinstance(schedule, Schedule) else now


def unpacked(data: Any) -> tuple[Any, dict[str, Any]]:
    """Return data as `fit` and `evaluate` take them: inputs, and the rest by name."""
    if not isinstance(data, tuple):
        return data, {}
    return data[0], dict(zip(("y", "sample_weight"), data[1:], strict=False))
