"""Many samples through one model, some at a time; lives in the worker process only."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfprune.benchmark.loaded_model import LoadedModel, shape_for
from tfprune.benchmark.tensors import Array, decode, encode
from tfprune.errors import InputError

__all__ = ["Predictor"]

_OPEN_BATCH = 32  # samples in one invocation where the model leaves that to us
_BLOCK = 256  # samples that are converted at once


class Predictor:
    """Feeds samples to a model and keeps its outputs.

    The model is run with as many samples at once as its batch axis says, or with 32 where that is open and the model
    really can (else one by one). The last samples are padded with copies of the very last one.

    Args:
        open_model: Makes a fresh interpreter.
        arrange: Puts the data into the order of the model's inputs.
    """

    def __init__(self, open_model: Callable[[], LoadedModel], arrange: Callable[[LoadedModel], list[Array]]) -> None:
        self._open, self._arrange = open_model, arrange
        self.done = 0
        self._kept: list[list[Array]] = []
        self._first_of_block = self._end_of_block = 0
        self._block: list[Array] = []
        self._start()

    def step(self, seconds: float) -> int:
        """Run samples until that time is over, one invocation at least; return how many are done in all."""
        end = time.perf_counter() + seconds
        while self.done < self._samples:
            self._kept.append(self._run(self.done))
            self.done = min(self.done + self._batch, self._samples)
            if time.perf_counter() >= end:
                break
        return self.done

    def save(self, folder: str) -> int:
        """Write the outputs, as real numbers, to 0.npy, 1.npy, ... and return how many there are."""
        for i, tensor in enumerate(self._model.outputs):
            parts = [kept[i] for kept in self._kept]
            if len({part.shape for part in parts}) > 1:
                raise InputError(f"Output {tensor.name!r} changes its shape from sample to sample; predict one by one.")
            together = parts[0].ndim > 0 and parts[0].shape[0] == self._batch
            if not together and self._batch > 1:
                raise InputError(
                    f"Output {tensor.name!r} has the shape {parts[0].shape} for {self._batch} samples, so it can't be "
                    "told which part belongs to which; convert the model with batch size 1."
                )
            values = (np.concatenate if together else np.stack)(parts)[: self._samples]
            np.save(Path(folder) / f"{i}.npy", decode(values, tensor), allow_pickle=False)
        return len(self._model.outputs)

    def _start(self) -> None:
        self._prepare(_OPEN_BATCH)
        if self._batch == 1 or not self._is_open():
            self._model.allocate(self._shapes)
        elif not self._works():  # an open batch axis that only works with one sample
            self._prepare(1)
            self._model.allocate(self._shapes)

    def _works(self) -> bool:
        try:
            self._model.allocate(self._shapes)
            outputs = self._run(0)
        except InputError:
            raise
        except (RuntimeError, ValueError):
            return False
        return all(values.shape[:1] == (self._batch,) for values in outputs)

    def _prepare(self, batch: int) -> None:
        self._model = self._open()
        self._model.use_signature()
        inputs = self._model.inputs
        self._data = self._arrange(self._model)
        self._samples = len(self._data[0])
        self._shapes = {
            tensor.index: shape_for(tensor, values.shape[1:], min(batch, self._samples))
            for tensor, values in zip(inputs, self._data, strict=True)
        }
        sizes = sorted({shape[0] for shape in self._shapes.values()})
        if len(sizes) != 1 or sizes[0] < 1:
            raise InputError(
                f"The inputs take {sizes} samples at once; a model can be run if all take the same number."
            )
        self._batch = sizes[0]
        self._end_of_block = 0

    def _is_open(self) -> bool:
        return any(tensor.shape[:1] == (None,) for tensor in self._model.inputs)

    def _run(self, first: int) -> list[Array]:
        if not self._first_of_block <= first < self._end_of_block:
            self._convert(first)
        start = first - self._first_of_block
        for tensor, block in zip(self._model.inputs, self._block, strict=True):
            self._model.set(tensor, block[start : start + self._batch])
        self._model.invoke()
        return [self._model.get(tensor) for tensor in self._model.outputs]

    def _convert(self, first: int) -> None:
        """Convert the next samples to the types of the inputs: a whole number of batches."""
        length = max(_BLOCK // self._batch, 1) * self._batch
        self._first_of_block, self._end_of_block = first, first + length
        self._block = []
        for tensor, values in zip(self._model.inputs, self._data, strict=True):
            rows = np.asarray(values[first : first + length])
            missing = -len(rows) % self._batch
            if missing:
                rows = np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])
            self._block.append(encode(rows, tensor))
