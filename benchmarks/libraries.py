"""tfprune and TensorFlow Model Optimization (TFMOT) behind one interface, each to be loaded in a process of its own.

Importing TFMOT turns `tf.keras` into Keras 2 for the whole process. `start` runs a script in a child process in which
`load` may import either.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from common import run_python

LIBRARIES = ("tfprune", "tfmot")


@dataclass(frozen=True)
class Ramp:
    """A polynomial (cubic) ramp of the sparsity from step 0 on, the same in both libraries.

    Args:
        initial: Sparsity at step 0.
        final: Sparsity from `end` on.
        end: Step at which `final` is reached.
        frequency: Steps between mask updates; None is tfprune's own choice.
    """

    initial: float
    final: float
    end: int
    frequency: int | None


class Library(Protocol):
    """What a benchmark needs of a pruning library.

    Attributes:
        keras: Its Keras: version 3 for tfprune, `tf_keras` for TFMOT.
    """

    keras: Any

    def prune(self, model: Any, names: Sequence[str], ramp: Ramp) -> tuple[Any, list[Any]]:
        """Return the model to compile and the callbacks to fit it with, so that the named layers are pruned."""

    def strip(self, model: Any) -> Any:
        """Return a trained model without the library's own parts."""


class TFPrune:
    """This library."""

    def __init__(self) -> None:
        import keras

        self.keras = keras

    def prune(self, model: Any, names: Sequence[str], ramp: Ramp) -> tuple[Any, list[Any]]:
        """Return the model as it is, and a PruneCallback."""
        from tfprune import PruneCallback
        from tfprune.schedules import PolynomialDecay

        schedule = PolynomialDecay(ramp.initial, ramp.final, begin=0, end=ramp.end, frequency=ramp.frequency)
        return model, [PruneCallback(schedule=schedule, layers=list(names), verbose=0)]

    def strip(self, model: Any) -> Any:
        """Return the same model."""
        from tfprune import strip

        return strip(model)


class TFMOT:
    """TensorFlow Model Optimization's wrapper around each pruned layer."""

    def __init__(self) -> None:
        import tensorflow_model_optimization as tfmot
        import tf_keras

        self.keras = tf_keras
        self.sparsity = tfmot.sparsity.keras

    def prune(self, model: Any, names: Sequence[str], ramp: Ramp) -> tuple[Any, list[Any]]:
        """Return a model with the named layers wrapped, and UpdatePruningStep."""
        if ramp.frequency is None:
            raise ValueError("TFMOT needs a frequency")

        def wrap(layer: Any) -> Any:
            if layer.name not in names:
                return layer
            schedule = self.sparsity.PolynomialDecay(ramp.initial, ramp.final, 0, ramp.end, frequency=ramp.frequency)
            return self.sparsity.prune_low_magnitude(layer, pruning_schedule=schedule)

        return self.keras.models.clone_model(model, clone_function=wrap), [self.sparsity.UpdatePruningStep()]

    def strip(self, model: Any) -> Any:
        """Return the model with its layers taken out of their wrappers."""
        return self.sparsity.strip_pruning(model)


def load(name: str) -> Library:
    """Return a library by name; only in a process that `start` made."""
    return {"tfprune": TFPrune, "tfmot": TFMOT}[name]()


def start(script: str, name: str, task: dict[str, Any]) -> Any:
    """Run `script --child NAME TASK_FILE RESULT_FILE` in a process for one library, and return its result.

    Args:
        script: Path of the script.
        name: The library.
        task: What to do, as JSON.
    """
    with tempfile.TemporaryDirectory() as folder:
        task_file, result_file = Path(folder, "task.json"), Path(folder, "result.json")
        task_file.write_text(json.dumps(task), encoding="utf-8")
        settings = {"TF_USE_LEGACY_KERAS": "1"} if name == "tfmot" else {"KERAS_BACKEND": "tensorflow"}
        run_python([script, "--child", name, str(task_file), str(result_file)], **settings)
        return json.loads(result_file.read_text(encoding="utf-8"))


def child_task() -> tuple[str, dict[str, Any], Path] | None:
    """Return library, task and result file if this process is one that `start` made, else None."""
    if sys.argv[1:2] != ["--child"]:
        return None
    name, task_file, result_file = sys.argv[2:5]
    return name, json.loads(Path(task_file).read_text(encoding="utf-8")), Path(result_file)
