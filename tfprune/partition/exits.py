"""`tfprune.partition.add_exits`: samples that a small head behind an early stage is sure of go no further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.files import PathLike
from tfprune.loading import load_keras
from tfprune.numbers import is_integer, is_real
from tfprune.partition.amounts import duration
from tfprune.partition.folder import load_stages, save_stages
from tfprune.partition.manifest import read_manifest
from tfprune.partition.stages import Sent, Stages
from tfprune.shown import Shown

__all__ = ["EarlyExits", "Exit", "ExitReport", "add_exits", "load_exits"]

Array = NDArray[np.float64]

BATCH = 64
HELD_OUT = 4
"""One in so many samples is kept back to find the temperature."""

TEMPERATURES = np.geomspace(0.02, 2.0, 41)


@dataclass(frozen=True)
class Exit:
    """A head behind a stage.

    Args:
        stage: Number of the stage.
        model: From what the stage sends on to the probabilities of classes.
        confidence: A sample leaves if one of them is at least this.
    """

    stage: int
    model: keras.Model = field(repr=False)
    confidence: float


@dataclass(frozen=True)
class ExitReport(Shown):
    """What exits do to samples with labels.

    Args:
        samples: How many there were.
        left: Part of them that left behind each stage, by its number; the last stage has the rest.
        accuracy: Part that is classified rightly.
        accuracy_without: The same when all go to the end.
        latency: Milliseconds for a sample on average by the plan, without the heads themselves.
        latency_without: The same when all go to the end.
    """

    samples: int
    left: Mapping[int, float]
    accuracy: float
    accuracy_without: float
    latency: float
    latency_without: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        left = ", ".join(f"{part:.1%} behind stage {number}" for number, part in self.left.items())
        return (
            f"{self.samples} samples leave: {left}\n  accuracy {self.accuracy:.2%} (without exits "
            f"{self.accuracy_without:.2%}), {duration(self.latency)} on average (without "
            f"{duration(self.latency_without)})"
        )


@dataclass(frozen=True)
class EarlyExits:
    """Stages with heads that samples can leave by.

    Args:
        stages: The stages.
        exits: The heads, in order.

    Example:
        >>> from tfprune.partition import Device, Devices, Link, partition, plan_partition
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)])
        >>> row = Devices([Device("camera"), Device("server")], Link("1MB/s"))
        >>> stages = partition(model, plan_partition(model, row, stages=2, latency=[1, 1]))
        >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        >>> y = (x[:, 0] > 0).astype(int)
        >>> exits = add_exits(stages, (x, y), confidence=0.8)
        >>> classes, left = exits(x)  # behind which stage each sample has left
        >>> report = exits.evaluate(x, y)
        >>> report.left[1] == float(np.mean(left == 1)), report.latency < report.latency_without
        (True, True)
    """

    stages: Stages
    exits: tuple[Exit, ...]

    def __call__(self, inputs: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the class of each sample of a batch, and the number of the stage behind which it left.

        Args:
            inputs: What the network takes.
        """
        count = len(next(iter(self.stages.named(inputs).values())))
        classes, left = np.full(count, -1), np.full(count, len(self.stages), dtype=np.int64)
        for known in batches(self.stages, inputs):
            rows = known["rows"]
            going = np.ones(len(rows), dtype=bool)
            for one in self.exits:
                scores = np.asarray(one.model({name: known[name] for name in one.model.input}))
                out = going & (scores.max(axis=1) >= one.confidence)
                classes[rows[out]], left[rows[out]] = scores[out].argmax(axis=1), one.stage
                going &= ~out
            classes[rows[going]] = np.asarray(known[self.stages.outputs])[going].argmax(axis=1)
        return classes, left

    def evaluate(self, inputs: Any, labels: Any) -> ExitReport:
        """Return what the exits do to samples.

        Args:
            inputs: What the network takes.
            labels: Class numbers or one-hot vectors.
        """
        truth = class_numbers(labels)
        classes, left = self(inputs)
        if len(truth) != len(classes):
            raise InputError(f"{len(truth)} labels were given for {len(classes)} samples; give one for each.")
        every = EarlyExits(self.stages, ())(inputs)[0]
        numbers = [*(one.stage for one in self.exits), len(self.stages)]
        parts = {number: float(np.mean(left == number)) for number in numbers}
        plan = self.stages.plan
        until = {
            stage.number: sum(one.milliseconds for one in plan.stages[: stage.number])
            + sum(one.milliseconds for one in plan.links if one.place < stage.place)
            for stage in plan.stages
        }
        latency = sum(part * until[number] for number, part in parts.items())
        right = [float(np.mean(found == truth)) for found in (classes, every)]
        return ExitReport(len(truth), parts, right[0], right[1], latency, plan.latency)

    def save(self, folder: PathLike, *, overwrite: bool = False, tflite: bool = True) -> None:
        """Write the folder of `Stages.save`, with `exit_1.keras` and `exit_1.tflite` for the head behind stage 1.

        Args:
            folder: The folder.
            overwrite: Whether what was saved there before may be replaced.
            tflite: Whether to write .tflite files too.

        Raises:
            InputError: As for `Stages.save`.
        """
        entries = [
            {
                "stage": one.stage, "keras": f"exit_{one.stage}.keras",
                "tflite": f"exit_{one.stage}.tflite" if tflite else None, "inputs": list(one.model.input),
                "confidence": one.confidence,
            }
            for one in self.exits
        ]  # fmt: skip
        models = {f"exit_{one.stage}": one.model for one in self.exits}
        save_stages(self.stages, folder, overwrite=overwrite, tflite=tflite, extra={"exits": entries}, models=models)


def add_exits(
    stages: Stages, data: Any, *, at: Sequence[int] | None = None, confidence: float = 0.9, ridge: float = 1e-3
) -> EarlyExits:
    """Return stages with a head behind some of them, by which samples that it is sure of leave.

    A head is global pooling over what the stage sends on and one `Dense` layer. It is fitted in closed form: ridge
    least squares to one-hot labels, or without labels to the class that the network itself gives, and then a
    temperature on one in four of the samples, kept back, so that its softmax says how sure it is. Nothing is trained.
    Laskaridis et al., "SPINN: Synergistic Progressive Inference of Neural Networks over Device and Cloud", MobiCom
    2020.

    `EarlyExits.evaluate` tells what the exits save by the plan; `run_stages` runs stages with the exits that were saved
    beside them.

    Args:
        stages: The stages of a network that classifies: one output (samples, classes).
        data: Samples `x`, or samples with labels `(x, y)`: class numbers or one-hot vectors.
        at: Numbers of the stages with an exit behind them; by default all but the last.
        confidence: A sample leaves if the probability of a class is at least this, in (0, 1].
        ridge: How much a change of weights costs, relative to the mean square of the features.

    Returns:
        The stages with their exits.

    Raises:
        InputError: If the network does not classify, there is no such stage, or the data don't fit.

    Example:
        >>> from tfprune.partition import Device, Devices, Link, partition, plan_partition
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(8, 3), keras.layers.Conv2D(8, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> row = Devices([Device("camera"), Device("server")], Link("1MB/s"))
        >>> stages = partition(model, plan_partition(model, row, stages=2, latency=[1, 1, 1, 1]))
        >>> images = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")
        >>> exits = add_exits(stages, (images, (images.mean((1, 2, 3)) > 0).astype(int)), confidence=0.8)
        >>> [one.stage for one in exits.exits]
        [1]
    """
    numbers = list(range(1, len(stages))) if at is None else sorted(set(at))
    for number in numbers:
        if not is_integer(number) or not 1 <= number < len(stages):
            raise InputError(f"There is no exit behind stage {number!r}; give numbers from 1 to {len(stages) - 1}.")
    if not is_real(confidence) or not 0 < confidence <= 1:
        raise InputError(f"confidence is {confidence!r}; give a probability in (0, 1].")
    if not is_real(ridge) or ridge < 0:
        raise InputError(f"ridge is {ridge!r}; give a number from 0.")
    output = stages.tensors[stages.outputs] if isinstance(stages.outputs, str) else None
    if output is None or len(output.shape) != 2 or output.shape[1] is None or output.shape[1] < 2:
        raise InputError("Exits are for a network with one output of class scores, (samples, classes).")
    x, y = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    pools = {number: pool_of(stages, number) for number in numbers}
    features: dict[int, list[Array]] = {number: [] for number in numbers}
    predicted = []
    for known in batches(stages, x):
        predicted.append(np.asarray(known[stages.outputs]).argmax(axis=1))
        for number, (pool, _) in pools.items():
            found = pool({name: known[name] for name in pool.input})
            features[number].append(np.asarray(found, dtype=np.float64))
    labels = np.concatenate(predicted) if y is None else class_numbers(y)
    if len(labels) != sum(map(len, predicted)) or len(labels) < 2 * HELD_OUT:
        raise InputError(
            f"{len(labels)} labels were given for {sum(map(len, predicted))} samples; give one for each, of "
            f"{2 * HELD_OUT} or more."
        )
    if labels.min() < 0 or labels.max() >= output.shape[1]:
        raise InputError(
            f"The labels go from {labels.min()} to {labels.max()}; the network has {output.shape[1]} classes."
        )
    made = []
    for number, (pool, head) in pools.items():
        kernel, bias = fit_head(np.concatenate(features[number]), labels, output.shape[1], ridge)
        head.kernel.assign(kernel)
        head.bias.assign(bias)
        scores = keras.layers.Softmax(name=f"probabilities_{number}")(head(pool.output))
        made.append(Exit(number, keras.Model(pool.input, scores, name=f"exit_{number}"), float(confidence)))
    return EarlyExits(stages, tuple(made))


def pool_of(stages: Stages, number: int) -> tuple[keras.Model, Any]:
    """Return a model from what crosses the cut behind a stage to features, and a built head for them."""
    crossing = [x for x in stages.tensors.values() if 0 < x.made_by <= number and max(x.read_by, default=0) > number]
    usable = [x for x in crossing if x.dtype.startswith(("float", "bfloat"))]
    if not usable:
        raise InputError(f"Nothing that stage {number} sends on can be a feature of an exit; leave it out (at=).")
    inputs = {x.name: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in usable}
    parts = [pooled(x, inputs[x.name]) for x in usable]
    joined = parts[0] if len(parts) == 1 else layers.Concatenate(name=f"features_{number}")(parts)
    head = layers.Dense(stages.tensors[stages.outputs].shape[1] or 1, name=f"head_{number}")
    head.build(joined.shape)
    return keras.Model(inputs, joined), head


def pooled(sent: Sent, x: Any) -> Any:
    """Return the mean over all axes but the samples and the channels."""
    ranks = {
        3: layers.GlobalAveragePooling1D, 4: layers.GlobalAveragePooling2D, 5: layers.GlobalAveragePooling3D
    }  # fmt: skip
    pool = ranks.get(len(sent.shape))
    name = f"{sent.name}_pooled"
    return layers.Identity(name=name)(x) if pool is None else pool(name=name)(x)  # Keras 3.12 wants a layer


def fit_head(features: Array, labels: NDArray[Any], classes: int, ridge: float) -> tuple[Array, Array]:
    """Return kernel and bias: ridge least squares to one-hot labels, over a temperature.

    With features `F` around their mean and one-hot labels `Y`, `W = (FᵀF + ridge · tr(FᵀF)/d · I)⁻¹ Fᵀ (Y − mean)`; the
    softmax of `(F W + b) / T` is then the most likely on samples that were kept back.
    """
    held = np.arange(len(labels)) % HELD_OUT == 0
    mean, targets = features[~held].mean(axis=0), np.eye(classes)[labels]
    centred = features - mean
    gram = centred[~held].T @ centred[~held]
    penalty = max(ridge * float(np.trace(gram)) / len(gram), 1e-9)
    offset = targets[~held].mean(axis=0)
    kernel = np.linalg.solve(gram + penalty * np.eye(len(gram)), centred[~held].T @ (targets[~held] - offset))
    bias = offset - mean @ kernel
    scores = features[held] @ kernel + bias
    losses = []
    for temperature in TEMPERATURES:
        scaled = scores / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        likelihood = scaled[np.arange(len(scaled)), labels[held]] - np.log(np.exp(scaled).sum(axis=1))
        losses.append(-likelihood.mean())
    best = float(TEMPERATURES[int(np.argmin(losses))])
    return kernel / best, bias / best


def batches(stages: Stages, inputs: Any) -> Any:
    """Yield what stages hand over for some samples at a time, with the numbers of these under `"rows"`."""
    given = {name: np.asarray(value) for name, value in stages.named(inputs).items()}
    count = len(next(iter(given.values())))
    for start in range(0, count, BATCH):
        rows = np.arange(start, min(start + BATCH, count))
        yield {**stages.run({name: value[rows] for name, value in given.items()}), "rows": rows}


def class_numbers(labels: Any) -> NDArray[np.int64]:
    """Return labels as class numbers."""
    found = np.asarray(labels)
    if found.ndim == 2 and found.shape[1] > 1:
        found = found.argmax(axis=1)
    if found.dtype.kind not in "fiub" or found.size != len(found) or (found != np.rint(found)).any():
        raise InputError(f"The labels have the shape {found.shape}; give class numbers or one-hot vectors.")
    return found.reshape(-1).astype(np.int64)


def load_exits(folder: PathLike) -> EarlyExits:
    """Read the stages and exits that `EarlyExits.save` wrote.

    Args:
        folder: The folder.

    Returns:
        The stages with their exits.

    Raises:
        InputError: As for `load_stages`.

    Example:
        >>> from tfprune.partition import Device, Devices, Link, partition, plan_partition
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)])
        >>> row = Devices([Device("camera"), Device("server")], Link("1MB/s"))
        >>> stages = partition(model, plan_partition(model, row, stages=2, latency=[1, 1]))
        >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        >>> add_exits(stages, x, confidence=0.8).save("stages", tflite=False)
        >>> [(one.stage, one.confidence) for one in load_exits("stages").exits]
        [(1, 0.8)]
    """
    found = tuple(
        Exit(int(one["stage"]), load_keras(Path(folder) / one["keras"]), float(one["confidence"]))
        for one in read_manifest(folder).get("exits") or ()
    )
    return EarlyExits(load_stages(folder), found)
