"""Stages that write .tflite files, compared with Keras and timed beside the dense network's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from tfprune import benchmark
from tfprune.callbacks import QuantizeCallback
from tfprune.errors import InputError, nearest
from tfprune.export import to_tflite
from tfprune.recipe.base import Names, Stage, names_of, stages
from tfprune.recipe.training import TrainingStage

if TYPE_CHECKING:
    from tfprune.recipe.work import Work

__all__ = ["Export", "Quantize"]

PRECISIONS = ("float32", "float16", "dynamic", "int8", "int16x8")


@stages.register("export")
@dataclass(frozen=True, kw_only=True)
class Export(Stage):
    """Write the model as .tflite files; quantised ones are calibrated on training inputs.

    Args:
        precision: One of `"float32"`, `"float16"`, `"dynamic"`, `"int8"` and `"int16x8"`, or a list.
        sparse: Whether zeros are left out of the files.
        benchmark: Whether the files are timed beside the dense network as float32, taking turns.

    Example:
        >>> print(Export(precision=["float32", "int8"], benchmark=False))
        export(precision=['float32', 'int8'], benchmark=False)
        >>> try:
        ...     Export(precision="int4")
        ... except tfprune.InputError as error:
        ...     print(error)
        Unknown precision 'int4'. Did you mean 'int8'? Allowed: 'dynamic', 'float16', 'float32', 'int16x8', 'int8'.
    """

    method: ClassVar[str] = "export"
    precision: Names = "float32"
    sparse: bool = False
    benchmark: bool = True

    def __post_init__(self) -> None:
        for one in names_of(self.precision) or [""]:
            if one not in PRECISIONS:
                raise InputError(f"Unknown precision {one!r}. {nearest(one, PRECISIONS)}")

    def run(self, work: Work) -> None:
        """Export."""
        work.settle()
        self.write(work)

    def write(self, work: Work) -> None:
        """Write the files of the model as it is."""
        found: dict[str, Any] = {}
        for precision in names_of(self.precision) or ():
            path = work.folder / f"model_{precision}.tflite"
            result = to_tflite(
                work.model, path, quantize=None if precision == "float32" else precision, sparse=self.sparse,
                representative_data=work.inputs(), overwrite=True, seed=work.seed,
            )  # fmt: skip
            found[precision] = {"file": path.name, "bytes": result.bytes, "agreement": str(result.parity)}
            told = f"{path.name}: {result.bytes:,} bytes, {result.parity}"
            right = top_class(path, work.val)
            if right is not None:
                found[precision]["top_class"] = right
                told += f"; the interpreter's top class is right for {right:.2%} of the validation data"
            work.log(told)
        if self.benchmark:
            self._time(work, found)
        work.exported.update(found)

    def _time(self, work: Work, found: dict[str, Any]) -> None:
        dense = work.folder / "dense_float32.tflite"
        if not dense.exists():
            to_tflite(work.dense, dense, representative_data=work.inputs(), seed=work.seed)
        paths = [dense, *(work.folder / one["file"] for one in found.values())]
        first, *others = benchmark.run(paths, threads=1, min_seconds=0.5)
        before = first.latency.median_ms
        for (precision, entry), one in zip(found.items(), others, strict=True):
            time, speedup = one.latency.median_ms, one.speedup
            entry |= {"milliseconds": time, "dense_milliseconds": before}
            told = f"model_{precision}.tflite: {time:.3f} ms, dense {before:.3f} ms"
            if speedup is not None:  # by rounds: what disturbs some of them changes it less than the medians' ratio
                entry["speedup"] = speedup.median
                told += f", speed-up {speedup}"
            work.log(told)


def top_class(path: Path, val: Any) -> float | None:
    """Return for what part of validation data the interpreter's top class is right; None if they are not of classes."""
    if not isinstance(val, tuple) or len(val) < 2 or not all(hasattr(one, "shape") for one in val[:2]):
        return None
    (scores, *more), y = benchmark.predict(path, np.asarray(val[0])), np.asarray(val[1])
    if more or scores.ndim != 2 or scores.shape[1] < 2:
        return None
    wanted = y.argmax(axis=1) if y.shape == scores.shape else y.reshape(-1)
    if wanted.shape != (len(scores),) or not np.array_equal(wanted, wanted.astype(int)):
        return None
    return float((scores.argmax(axis=1) == wanted).mean())


@stages.register("quantize", "quantise")
@dataclass(frozen=True, kw_only=True)
class Quantize(TrainingStage, Export):
    """Write the model with whole numbers for weights and activations, trained for it before where `epochs` is above 0.

    Args:
        epochs: How many epochs the model is trained as the file will compute, its zeros kept; see
            `tfprune.QuantizeCallback`.
        bits: Bits of a weight in this training, from 4 to 8.
        precision: As for `Export`; `"int8"` unless something else is asked for.

    Example:
        >>> print(Quantize())
        quantize()
        >>> print(Quantize(epochs=2, bits=4))  # trained with 4-bit weights before it is written
        quantize(epochs=2, bits=4)
    """

    method: ClassVar[str] = "quantize"
    least_epochs: ClassVar[int] = 0
    epochs: int = 0
    bits: int = 8
    precision: Names = "int8"

    def __post_init__(self) -> None:
        TrainingStage.__post_init__(self)
        Export.__post_init__(self)
        QuantizeCallback(bits=self.bits)
        if self.bits != 8 and not self.epochs:
            raise InputError(f"bits is {self.bits}, but nothing is trained; give epochs too.")

    def callbacks(self, work: Work) -> list[keras.callbacks.Callback]:
        """Return the callback that quantises."""
        return [QuantizeCallback(bits=self.bits, verbose=0)]

    def run(self, work: Work) -> None:
        """Train, and export."""
        work.settle()
        if self.epochs:
            self.train(work, self.callbacks(work))
        self.write(work)
