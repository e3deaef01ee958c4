"""TensorFlow's TFLite converter, set up for each way of storing weights, and kept quiet."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tfprune.export.trace import SIGNATURE

__all__ = ["QUANTIZATIONS", "Settings", "convert", "quiet"]

QUANTIZATIONS = ("float16", "dynamic", "int8", "int16x8")


@dataclass(frozen=True)
class Settings:
    """How to store a model: see `to_tflite` for the meaning of each."""

    quantize: str | None = None
    sparse: bool = False
    io_dtype: str = "float32"

    @property
    def calibrated(self) -> bool:
        """Whether the converter has to run the model on data to learn the ranges of its activations."""
        return self.quantize in ("int8", "int16x8")


def convert(folder: Path, settings: Settings, samples: dict[str, Any] | None = None, batch: int = 1) -> bytes:
    """Convert a SavedModel to the bytes of a .tflite file that uses TFLite's built-in operations only.

    Args:
        folder: The SavedModel that `save_for_conversion` wrote.
        settings: How to store it.
        samples: For int8 and int16x8, an array of samples for each input by name.
        batch: How many samples to feed at once while calibrating.

    Returns:
        The contents of the file.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[SIGNATURE])
    optimizations = [tf.lite.Optimize.DEFAULT] if settings.quantize else []
    if settings.sparse:
        optimizations.append(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
    converter.optimizations = optimizations
    converter.target_spec.supported_ops = _operations(settings)
    if settings.quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if settings.calibrated:
        arrays = samples or {}

        def representative_dataset() -> Iterator[dict[str, Any]]:
            count = min(map(len, arrays.values()))
            for start in range(0, count - count % batch or count, batch):
                yield {name: _exactly(array[start : start + batch], batch) for name, array in arrays.items()}

        converter.representative_dataset = representative_dataset
        if settings.io_dtype != "float32":
            converter.inference_input_type = converter.inference_output_type = tf.as_dtype(settings.io_dtype)
    with _little_to_collect():
        return bytes(converter.convert())


@contextlib.contextmanager
def _little_to_collect() -> Iterator[None]:
    """Keep what is there by now out of the collections of garbage that the converter asks for.

    With Keras loaded, such a collection takes longer than converting a small model.
    """
    if gc.get_freeze_count():  # somebody else's
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _exactly(samples: Any, batch: int) -> Any:
    """Return `samples` repeated until they fill a batch."""
    import numpy as np

    return np.resize(samples, (batch, *samples.shape[1:])) if len(samples) < batch else samples


def _operations(settings: Settings) -> list[Any]:
    """Return the kernels that may be used: quantised ones, and float ones for what has none."""
    from tensorflow import lite

    operations = lite.OpsSet
    integer = {
        "int8": operations.TFLITE_BUILTINS_INT8,
        "int16x8": operations.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
    }.get(settings.quantize or "")
    if integer is None:
        return [operations.TFLITE_BUILTINS]
    return [integer, operations.TFLITE_BUILTINS]


@contextlib.contextmanager
def quiet() -> Iterator[IO[bytes]]:
    """Send what Python and native code print to a temporary file, which is given, and hold warnings back.

    Example:
        >>> with quiet() as log:
        ...     print("not shown")
        ...     _ = log.seek(0)
    """
    root = logging.getLogger()
    handlers = list(root.handlers)
    with tempfile.TemporaryFile() as log, contextlib.ExitStack() as stack:
        text = stack.enter_context(open(log.fileno(), "w", encoding="utf-8", errors="replace", closefd=False))
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        for descriptor in (1, 2):
            with contextlib.suppress(OSError):  # a process without standard output has nothing to silence
                copy = os.dup(descriptor)
                os.dup2(log.fileno(), descriptor)
                stack.callback(os.close, copy)
                stack.callback(os.dup2, copy, descriptor)
        stack.enter_context(contextlib.redirect_stdout(text))
        stack.enter_context(contextlib.redirect_stderr(text))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in ("tensorflow", "absl"):
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        stack.callback(text.flush)
        stack.callback(setattr, root, "handlers", handlers)  # one made meanwhile would keep the file that is closed now
        yield log
