"""The rungs of the fidelity ladder: what a plan is worth, estimated, refitted, or trained a little."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import tree

from tfprune.cost import CostModel
from tfprune.cost.memory import ActivationMemory
from tfprune.distillation.structure import output_names
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.recipe.work import Work, unpacked
from tfprune.search.choices import WIDTHS
from tfprune.search.making import Maker
from tfprune.search.plan import Plan
from tfprune.search.precision import converted, outputs_of_file
from tfprune.search.tuning import BATCH, tuned

__all__ = ["OBJECTIVES", "RUNGS", "Evaluator", "Metrics"]

RUNGS = ("estimate", "refit", "tune")
OBJECTIVES = ("error", "latency", "macs", "params", "bytes", "memory")

Metrics = dict[str, float]


class Evaluator:
    """Says what plans are worth once they are made: on the rungs above `"estimate"`.

    - `"estimate"`: the error is the sum of what all choices are thought to lose, and latency comes from the table of
      single operations. No network is made; `Plans` does it.
    - `"refit"`: the network is made and refitted without labels, batch normalisations counted anew if that helps (as in
      EagleEye; Li et al., 2020). Without validation data the error is that of the outputs on held-out samples, relative
      to their variance; with them it is 1 − accuracy, or what the model was compiled to be judged by. Latency is
      measured, beside the whole network.
    - `"tune"`: the same after some epochs of training with the whole network as the teacher.

    Args:
        maker: Makes plans real.
        model: The whole network; compiled, where there are validation data.
        val: Data to judge on, `(x, y)` or anything `evaluate` takes; None judges by how alike outputs are.
        train: Data to train on, for `"tune"`.
        epochs: How long.
        timed: Whether latencies are measured.
        seed: Seed of training.

    Raises:
        InputError: If there is something missing.
    """

    def __init__(
        self,
        maker: Maker,
        model: keras.Model,
        *,
        val: Any = None,
        train: Any = None,
        epochs: int = 1,
        timed: bool = False,
        seed: int = 0,
    ) -> None:
        self.maker, self.model, self.val, self.train = maker, model, val, train
        self.settings = {"epochs": epochs, "timed": timed}
        self._epochs, self._timed, self._seed = epochs, timed, seed
        self._work: Work | None = None
        if val is not None:
            self._work = Work(
                model, model, train, val, Path(tempfile.gettempdir()), seed=seed, batch_size=BATCH, metric=None,
                floor=None, tell=lambda line: None, verbose=0,
            )  # fmt: skip

    def __call__(self, rung: str, plan: Plan) -> tuple[Metrics, keras.Model]:
        """Return what a plan is worth by name, and its network.

        Args:
            rung: `"refit"` or `"tune"`.
            plan: The plan.
        """
        model = self.network(rung, plan)
        precision = plan.precision
        cost = CostModel(trace(model)).whole
        quantised = WIDTHS["int8"] if precision == "int8" else 1.0
        found: Metrics = {
            "params": float(cost.parameters), "macs": float(cost.macs), "bytes": cost.bytes * WIDTHS[precision],
            "memory": ActivationMemory(trace(model)).peak() * quantised,
        }  # fmt: skip
        if self._timed:
            found["latency"] = self.maker.latency(model, precision)
        return {**self._judged(model, precision), **found}, model

    def network(self, rung: str, plan: Plan) -> keras.Model:
        """Return the network of a plan as it is on a rung: repaired, and on `"tune"` trained."""
        model = self.maker.make(plan)
        return self._tuned(model) if rung == "tune" else model

    def _judged(self, model: keras.Model, precision: str) -> Metrics:
        exact = precision == "float32"
        if self._work is None:
            alike = self.maker.likeness(model) if exact else self.maker.likeness_of_file(model, precision)
            found = {"error": alike.error}
            return found if alike.agreement is None else {**found, "agreement": alike.agreement}
        measured = self._work.measure(model) if exact else self._of_file(model, precision)
        name, value, more = self._work.score(measured)
        return {"error": 1.0 - value if more else value, name: value}

    def _of_file(self, model: keras.Model, precision: str) -> Metrics:
        """Return the metrics of a file with some precision: its answers are judged as the network's would be."""
        if self._work is None:
            raise RuntimeError("there are no data to judge on")
        x, more = unpacked(self.val)
        if "y" not in more:
            raise InputError("Files of another precision can only be judged on arrays; give val=(x, y).")
        with tempfile.TemporaryDirectory() as folder:
            path = converted(model, self.maker.given, precision, Path(folder))
            answers = outputs_of_file(path, self.maker.given, [np.asarray(one) for one in tree.flatten(x)])
        outputs = tree.flatten(model.outputs)
        inputs = [keras.Input(answer.shape[1:]) for answer in answers]
        if len(outputs) != len(answers):
            raise InputError(f"The file has {len(answers)} outputs, the network {len(outputs)}.")
        names = output_names(model, model.output)
        made = [keras.layers.Identity(name=name)(one) for name, one in zip(names, inputs, strict=True)]
        judge = keras.Model(inputs, tree.pack_sequence_as(model.output, made))
        self._work.compile(judge)
        judged = judge.evaluate(answers if len(answers) > 1 else answers[0], verbose=0, return_dict=True, **more)
        return {name: float(value) for name, value in judged.items()}

    def _tuned(self, model: keras.Model) -> keras.Model:
        if self._work is None or self.train is None:
            raise InputError("The rung 'tune' trains; give train= and val=, with labels, and a compiled model.")
        return tuned(model, self.model, self._work, self.train, epochs=self._epochs, seed=self._seed)
